"""A policy in a file of its own: calls of a shell are taken out of answers, and the reader is told."""

from flowspan import Policy, StreamContext, ToolCall


class NoShell(Policy):
    name = "no_shell"

    def __init__(self, *, tools: list[str] | None = None) -> None:
        self.tools = frozenset(tools or ["bash", "shell"])

    async def on_tool_call_complete(self, call: ToolCall, ctx: StreamContext) -> None:
        if call.function.name in self.tools:
            ctx.decide("call_removed")
            await ctx.emit_text(f"[A call of {call.function.name} was removed.]")
        else:
            await ctx.emit_tool_call(call)
