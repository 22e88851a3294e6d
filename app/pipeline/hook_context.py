"""What a streaming hook holds in its hand: the chunk it was called for, and `emit`, its only way to the client.

A fault behind `emit` (the next policy failed, the client stopped reading, this hook floods) stays noted in `fault`: a
policy that swallows the exception does not turn a failed stream into a good one.
"""

from collections.abc import Awaitable, Callable
from time import perf_counter

from msgspec.structs import replace

from app.errors import GatewayError, PolicyFlooded
from app.messages import (
    Choice,
    Function,
    Message,
    ModelResponse,
    ThinkingBlock,
    ToolCall,
    part_of,
    text_chunk,
    text_size,
)
from app.pipeline.deadline import Deadline
from app.policies.context import PolicyContext
from app.settings import PipelineSettings

Emit = Callable[[ModelResponse], Awaitable[None]]

# Tool calls that a policy invents get indexes that no provider uses, so that they never fall together with a call that
# is still streaming. Formatters number calls anew.
_FIRST_INVENTED_INDEX = 1 << 16


class HookContext:
    """The `StreamContext` of app/policies, for one policy on one stream."""

    def __init__(
        self,
        policy: PolicyContext,
        send: Emit,
        decided: Callable[[str], None],
        deadline: Deadline,
        settings: PipelineSettings,
    ) -> None:
        self.policy = policy
        self.chunk = ModelResponse()
        self.choice = 0
        self.fault: GatewayError | None = None
        self.emitted = 0
        self.downstream_seconds = 0.0
        self._send = send
        self._decided = decided
        self._deadline = deadline
        self._settings = settings
        self._emitted_bytes = 0
        self._invented = _FIRST_INVENTED_INDEX

    def begin_call(self) -> None:
        self.emitted = 0
        self.downstream_seconds = 0.0
        self._emitted_bytes = 0

    async def emit(self, chunk: ModelResponse) -> None:
        if chunk.native is not None and chunk is not self.chunk:
            # A copy with something changed (`replace`) has the provider's bytes still, which say the unchanged.
            chunk = replace(chunk, native=None)
        self._charge(chunk)
        since = perf_counter()
        try:
            await self._send(chunk)
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
        """A whole call, or the piece at hand. One without an index of the provider's is put behind all others."""
        delta = self._delta_at_hand()
        unchanged = delta is not None and delta.tool_calls == (call,)
        await (self.emit(self.chunk) if unchanged else self._emit_delta(Message(tool_calls=(call,))))

    async def emit_new_tool_call(self, name: str, arguments: str, id: str) -> None:
        """A call of the policy's own, beside those of the model."""
        self._invented += 1
        await self.emit_tool_call(ToolCall(self._invented, id, function=Function(name, arguments)))

    async def emit_finish(self, reason: str) -> None:
        choice = Choice(index=self.choice, delta=Message(), finish_reason=reason)
        at_hand = self.chunk.choices[0] if len(self.chunk.choices) == 1 else None
        unchanged = at_hand is not None and at_hand.index == self.choice and at_hand.finish_reason == reason
        await self.emit(self.chunk if unchanged else part_of(self.chunk, (choice,)))

    def keepalive(self) -> None:
        """The hook is alive and will take longer: its time starts anew."""
        self._deadline.keepalive()

    def decide(self, decision: str) -> None:
        self._decided(decision)

    async def _emit_delta(self, delta: Message) -> None:
        await self.emit(part_of(self.chunk, (Choice(index=self.choice, delta=delta),)))

    def _delta_at_hand(self) -> Message | None:
        """The delta of the chunk at hand, if the chunk holds just one thing and may go on as it came."""
        if len(self.chunk.choices) != 1 or self.chunk.choices[0].index != self.choice:
            return None
        return self.chunk.choices[0].delta

    def _charge(self, chunk: ModelResponse) -> None:
        self.emitted += 1
        self._emitted_bytes += text_size(chunk)
        if self.emitted > self._settings.policy_emit_limit or self._emitted_bytes > self._settings.policy_emit_bytes:
            self.fault = PolicyFlooded(
                "A policy emitted more than it may.", detail=f"{self.emitted} chunks in one call"
            )
            raise self.fault
