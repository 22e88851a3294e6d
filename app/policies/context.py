"""What hooks get: the transaction, and in a stream the only way to the client."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from app.bodies import Bodies
from app.messages import ModelResponse, Request, ToolCall

T = TypeVar("T")


@dataclass(slots=True)
class PolicyContext:
    """One transaction, from the request to the last byte; made at the gateway.

    `scratchpad` is shared by all policies of the transaction; what a policy keeps for itself goes through `state`.
    """

    transaction_id: str
    request: Request
    scratchpad: dict[str, object] = field(default_factory=dict)
    bodies: Bodies = field(default_factory=lambda: Bodies(0), repr=False)
    """Does what takes long on a large request beside the event loop: `await ctx.bodies.work(request.size, function,
    ...)`."""
    _states: dict[int, Any] = field(default_factory=dict, init=False, repr=False)
    _decisions: list[str] = field(default_factory=list, init=False, repr=False)

    def state(self, owner: object, make: Callable[[], T]) -> T:
        """The object that `owner` keeps for this transaction: `make` is called once, at the first call."""
        found: T | None = self._states.get(id(owner))
        if found is None:
            found = self._states[id(owner)] = make()
        return found

    def decide(self, decision: str) -> None:
        """Report, in `on_request` or `on_response`, what the policy decided, in a word or two: it is counted, and an
        event of the transaction's span. Streaming hooks have a `decide` of their context."""
        self._decisions.append(decision)

    def take_decisions(self) -> list[str]:
        """The decisions reported since the last call."""
        decisions, self._decisions = self._decisions, []
        return decisions


class StreamContext(Protocol):
    """What streaming hooks get. Emitting is the only way out: what a hook does not emit is not sent."""

    policy: PolicyContext
    chunk: ModelResponse
    """The current chunk, or the last one. It holds no more than what the hook was called for."""
    choice: int
    """The answer (`n` > 1) that the hook was called for; what is emitted by kind goes to it."""

    async def emit(self, chunk: ModelResponse) -> None:
        """Send a chunk on: from `on_chunk` to this policy's own block hooks, from any other hook to the next policy.
        The very chunk of this call goes on as the provider sent it; so does one that an earlier call kept back, of
        `on_chunk` by that hook and of the others by any of them."""

    async def emit_text(self, text: str) -> None:
        """Send text."""

    async def emit_thinking(self, thinking: str, signature: str | None = None) -> None:
        """Send thinking, and the signature of its block if it has one."""

    async def emit_tool_call(self, call: ToolCall) -> None:
        """Send a tool call of the model: whole, or the piece that `on_tool_call_delta` got, with its index."""

    async def emit_new_tool_call(self, name: str, arguments: str, id: str) -> None:
        """Send a tool call that the policy makes, besides those of the model."""

    async def emit_finish(self, reason: str) -> None:
        """Send the finish reason of the current choice."""

    def keepalive(self) -> None:
        """Start the hook's time limit anew, as it will take longer."""

    def decide(self, decision: str) -> None:
        """Report what the policy decided, in a word or two: it is counted, and an event of the transaction's span."""
