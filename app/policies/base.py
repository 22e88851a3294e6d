"""`Policy`: the hooks by which a policy sees and changes what goes through the gateway.

A policy object is made once, at start, and serves all transactions at the same time: what belongs to one transaction
lies in its context (`PolicyContext.state`), never on `self`. Options are the keyword arguments of the constructor,
checked at start against their annotations.
"""

from typing import ClassVar

from app.messages import ModelResponse, Request, ToolCall
from app.policies.context import PolicyContext, StreamContext
from app.text_fields import Opaque
from telemetry.names import HOOKS, Hook

__all__ = ["HOOKS", "Hook", "OptionError", "Policy", "overridden"]


class OptionError(ValueError):
    """Raised by a constructor whose `option` is of the right type but cannot be used; `at` leads further into it."""

    def __init__(self, option: str, message: str, at: tuple[str | int, ...] = ()) -> None:
        super().__init__(f"{option}: {message}")
        self.path = (option, *at)
        self.message = message


class Policy:
    """The hooks here pass everything on; one that is not overridden is never called.

    An overridden hook is responsible for its kind (content, thinking, tool calls, finish reason): of that kind, only
    what it emits is sent. Where only `on_*_complete` is overridden, the deltas are held back until it emits. To refuse
    a transaction, raise `PolicyBlocked`.
    """

    name: ClassVar[str] = ""
    """The policy's name on spans and metrics; the class's name if empty."""
    unused_hooks: frozenset[Hook] = frozenset()
    """Overridden hooks that this object does not need, as its constructor found out: they are not called."""

    conceals: bool = False
    """Whether it takes out what is not to be kept, as `redact` does. What it took out of a request or an answer is
    masked in recordings, and so is what it failed to judge."""

    opaque: Opaque | None = None
    """What becomes of data that this policy cannot read, such as images. `pass` counts it as skipped, `refuse` refuses
    the transaction, `drop` leaves it out; None is for policies that do not claim to read everything."""

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        """Called before the model is asked. Return the request, or another."""
        return request

    async def on_response(self, response: ModelResponse, ctx: PolicyContext) -> ModelResponse:
        """Called for a response that is not streamed. If not overridden, it goes through the streaming hooks."""
        return response

    async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
        """Called for every chunk, before the hooks below get what it holds."""
        await ctx.emit(chunk)

    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        """Called for each piece of text."""
        await ctx.emit_text(text)

    async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
        """Called at the end of a block of text; `text` is the whole of it, as it came."""

    async def on_thinking_delta(self, thinking: str, ctx: StreamContext) -> None:
        """Called for each piece of thinking."""
        await ctx.emit_thinking(thinking)

    async def on_thinking_complete(self, thinking: str, ctx: StreamContext) -> None:
        """Called at the end of a block of thinking. Its signature goes on if its text went on unchanged."""

    async def on_tool_call_delta(self, call: ToolCall, ctx: StreamContext) -> None:
        """Called for each piece of a tool call: the first has id and name, each adds arguments, all share `index`."""
        await ctx.emit_tool_call(call)

    async def on_tool_call_complete(self, call: ToolCall, ctx: StreamContext) -> None:
        """Called with each whole tool call; its arguments are JSON text as the model wrote it, which may be invalid."""

    async def on_finish_reason(self, reason: str, ctx: StreamContext) -> None:
        """Called once per choice, with why the model stopped."""
        await ctx.emit_finish(reason)

    async def on_other_text(self, text: str, ctx: StreamContext) -> str:
        """Called with any other text of an answer: a refusal, a transcript, a citation, a name, what a provider's own
        tool did, a field that nobody knows. It is whole; return it, or what is to replace it."""
        return text

    async def on_stream_complete(self, ctx: StreamContext) -> None:
        """Called after a stream that ended well. The last chance to emit."""


def overridden(policy: Policy) -> frozenset[Hook]:
    """The hooks that the gateway has to call for this policy."""
    kind = type(policy)
    hooks = frozenset(hook for hook in HOOKS if getattr(kind, hook) is not getattr(Policy, hook))
    return hooks - policy.unused_hooks
