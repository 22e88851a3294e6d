"""What a streaming hook is given: the chunk that it was called for, and `emit`, its only way to the client.

A fault behind `emit` (the next policy failed, the client stopped reading, this hook floods) stays noted in `fault`: a
policy that swallows the exception does not turn a failed stream into a good one.
"""

from collections.abc import Awaitable, Callable
from time import perf_counter

from app.errors import GatewayError, PolicyFlooded
from app.limits import Limit
from app.messages import (
    Choice,
    Function,
    Message,
    ModelResponse,
    Received,
    ThinkingBlock,
    ToolCall,
    part_of,
    text_chunk,
    text_size,
)
from app.policies import Hook, PolicyContext
from app.settings import PipelineSettings
from telemetry import PolicyTelemetry

Downstream = Callable[[Received], Awaitable[None]]

# Tool calls that a policy invents get indexes that no provider uses, so that they never fall together with a call that
# is still streaming. Formatters number calls anew.
_FIRST_INVENTED_INDEX = 1 << 16
_KEPT = 64
"""Chunks that a hook may keep back and still emit with the provider's bytes; of more, the first lose theirs."""


class HookContext:
    """The `StreamContext` of app/policies, for one policy on one stream."""

    __slots__ = (
        "_emitted_bytes",
        "_hook",
        "_invented",
        "_is_kept",
        "_kept",
        "_outermost",
        "_received",
        "_send",
        "_settings",
        "_telemetry",
        "choice",
        "chunk",
        "downstream_seconds",
        "emitted",
        "fault",
        "limit",
        "policy",
    )

    def __init__(
        self,
        policy: PolicyContext,
        send: Downstream,
        limit: Limit,
        settings: PipelineSettings,
        telemetry: PolicyTelemetry,
    ) -> None:
        self.policy = policy
        self.chunk = ModelResponse()
        self.choice = 0
        self.fault: GatewayError | None = None
        self.emitted = 0
        self.downstream_seconds = 0.0
        self.limit = limit.inner(settings.policy_timeout)
        """The limit of one call."""
        self._received = Received(self.chunk)
        self._is_kept = False
        """Whether the chunk at hand was emitted by no call so far."""
        self._kept: dict[int, Received] = {}
        """Earlier chunks that no call has emitted yet, by identity."""
        self._send = send
        self._hook = ""
        self._outermost = limit
        self._settings = settings
        self._telemetry = telemetry
        self._emitted_bytes = 0
        self._invented = _FIRST_INVENTED_INDEX

    def hold(self, received: Received) -> None:
        """Set the chunk that the next calls are for, with the provider's bytes."""
        if self._is_kept:
            self._kept[id(self.chunk)] = self._received
            if len(self._kept) > _KEPT:
                del self._kept[next(iter(self._kept))]
        self._is_kept = True
        self._received = received
        self.chunk = received.chunk

    def begin_call(self, hook: Hook) -> None:
        """A hook is about to be called: what it emits counts from zero."""
        self._hook = hook
        self.emitted = 0
        self.downstream_seconds = 0.0
        self._emitted_bytes = 0

    async def emit(self, chunk: ModelResponse) -> None:
        self.emitted += 1
        self._emitted_bytes += text_size(chunk)
        if self.emitted > self._settings.policy_emit_limit or self._emitted_bytes > self._settings.policy_emit_bytes:
            self.fault = PolicyFlooded(
                "A policy emitted more than it may.", detail=f"{self.emitted} chunks in one call"
            )
            raise self.fault
        if chunk is self.chunk:
            received = self._received
            self._is_kept = False
        else:
            kept = self._kept.pop(id(chunk), None)
            received = self._received.holding(chunk) if kept is None else kept
        since = perf_counter()
        try:
            await self._send(received)
        except GatewayError as error:
            self.fault = error
            raise
        finally:
            self.downstream_seconds += perf_counter() - since

    async def emit_text(self, text: str) -> None:
        if text:
            delta = self._delta_at_hand()
            unchanged = delta is not None and delta.content == text
            await self.emit(self.chunk if unchanged else text_chunk(text, self.chunk, self.choice))

    async def emit_thinking(self, thinking: str, signature: str | None = None) -> None:
        delta = self._delta_at_hand()
        if delta is not None and signature is None and thinking and delta.reasoning_content == thinking:
            await self.emit(self.chunk)
        elif thinking or signature:
            block = (ThinkingBlock(thinking=thinking, signature=signature),) if signature else ()
            await self._emit_delta(Message(reasoning_content=thinking or None, thinking_blocks=block))

    async def emit_tool_call(self, call: ToolCall) -> None:
        """Emit a whole call of a tool, or the piece at hand."""
        delta = self._delta_at_hand()
        unchanged = delta is not None and delta.tool_calls == (call,)
        await (self.emit(self.chunk) if unchanged else self._emit_delta(Message(tool_calls=(call,))))

    async def emit_new_tool_call(self, name: str, arguments: str, id: str) -> None:
        """Emit a call of a tool that the policy adds to those of the model."""
        self._invented += 1
        await self.emit_tool_call(ToolCall(self._invented, id, function=Function(name, arguments)))

    async def emit_finish(self, reason: str) -> None:
        choice = Choice(index=self.choice, delta=Message(), finish_reason=reason)
        at_hand = self.chunk.choices[0] if len(self.chunk.choices) == 1 else None
        unchanged = at_hand is not None and at_hand.index == self.choice and at_hand.finish_reason == reason
        await self.emit(self.chunk if unchanged else part_of(self.chunk, (choice,)))

    def keepalive(self) -> None:
        """Start the hook's time limit anew."""
        self._outermost.in_force.restart()

    def decide(self, decision: str) -> None:
        """Note a decision under the hook that is running."""
        self._telemetry.decided(self._hook, decision)

    async def _emit_delta(self, delta: Message) -> None:
        await self.emit(part_of(self.chunk, (Choice(index=self.choice, delta=delta),)))

    def _delta_at_hand(self) -> Message | None:
        """The delta of the chunk at hand, if the chunk holds just one thing and may go on as it came."""
        if len(self.chunk.choices) != 1 or self.chunk.choices[0].index != self.choice:
            return None
        return self.chunk.choices[0].delta
