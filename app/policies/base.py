"""`Policy`: the hooks by which a policy sees and changes what goes through the gateway.

A policy object is made once, at start, and serves all transactions at the same time: what belongs to one transaction
lies in its context (`PolicyContext.state`), never on `self`. Options are the keyword arguments of the constructor,
checked at start against their annotations.
"""

from typing import ClassVar

from app.messages import ModelResponse, Request, ToolCall
from app.policies.context import PolicyContext, StreamContext
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

    An overridden hook owns its kind (content, thinking, tool calls, finish reason): of that kind, only what it emits is
    sent. Where only `on_*_complete` is overridden, the deltas are held back until it emits. To refuse a transaction,
    raise `app.errors.PolicyBlocked`.
    """

    name: ClassVar[str] = ""
    """How it is called on spans and metrics; the class's name if empty."""
    unused_hooks: frozenset[Hook] = frozenset()
    """Overridden hooks that this object has no need of, as its constructor found: they are not called."""

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        """Before the model is asked. Return the request, or another."""
        return request

    async def on_response(self, response: ModelResponse, ctx: PolicyContext) -> ModelResponse:
        """A response that is not streamed. If not overridden, it goes through the streaming hooks."""
        return response

    async def on_chunk(self, chunk: ModelResponse, ctx: StreamContext) -> None:
        """Every chunk, before the hooks below see what it holds."""
        await ctx.emit(chunk)

    async def on_content_delta(self, text: str, ctx: StreamContext) -> None:
        await ctx.emit_text(text)

    async def on_content_complete(self, text: str, ctx: StreamContext) -> None:
        """A block of text has ended; `text` is the whole of it, as it came."""

    async def on_thinking_delta(self, thinking: str, ctx: StreamContext) -> None:
        await ctx.emit_thinking(thinking)

    async def on_thinking_complete(self, thinking: str, ctx: StreamContext) -> None:
        """A block of thinking has ended; its signature goes on if its text went on unchanged."""

    async def on_tool_call_delta(self, call: ToolCall, ctx: StreamContext) -> None:
        """A piece of a call: the first has id and name, each adds arguments; pieces of one call share `index`."""
        await ctx.emit_tool_call(call)

    async def on_tool_call_complete(self, call: ToolCall, ctx: StreamContext) -> None:
        """The whole call, its arguments as JSON text as the model wrote it (it may be invalid)."""

    async def on_finish_reason(self, reason: str, ctx: StreamContext) -> None:
        await ctx.emit_finish(reason)

    async def on_stream_complete(self, ctx: StreamContext) -> None:
        """The provider's stream has ended well. The last chance to emit."""


def overridden(policy: Policy) -> frozenset[Hook]:
    """The hooks that have to be called for this policy."""
    kind = type(policy)
    own = frozenset(hook for hook in HOOKS if getattr(kind, hook) is not getattr(Policy, hook))
    return own - policy.unused_hooks
