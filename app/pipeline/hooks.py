"""One policy at work on one stream: chunks in, its hooks called, what they emit handed to the next policy.

`on_chunk` comes first; what it emits (or every chunk, where it is not overridden) is taken apart into blocks. An
overridden block hook owns its kind: of that kind nothing goes on but what the hook emits. A policy that fails and is
declared `fail_open` steps aside for the rest of the stream: a block of which it had emitted nothing goes on whole, one
of which it had emitted a piece goes on from there.
"""

from typing import assert_never

from app.messages import Choice, Message, ModelResponse, ThinkingBlock, part_of
from app.pipeline.blocks import (
    BlockAssembler,
    BlockEvent,
    ContentComplete,
    ContentDelta,
    Delta,
    Finished,
    Other,
    ThinkingComplete,
    ThinkingDelta,
    ToolCallComplete,
    ToolCallDelta,
)
from app.pipeline.deadline import Deadline
from app.pipeline.hook_call import HookCaller
from app.pipeline.hook_context import Emit, HookContext
from app.pipeline.policy_account import Kind, PolicyAccount
from app.policies.base import Hook
from app.policies.context import PolicyContext
from app.policies.loading import LoadedPolicy
from app.settings import PipelineSettings
from telemetry.context import ObservabilityContext

_OWNS: dict[Hook, Kind] = {
    "on_content_delta": "content",
    "on_content_complete": "content",
    "on_thinking_delta": "thinking",
    "on_thinking_complete": "thinking",
    "on_tool_call_delta": "tool_call",
    "on_tool_call_complete": "tool_call",
    "on_finish_reason": "finish",
}


class PolicyLink:
    """`feed` each chunk, `finish` after the last one; `close` in any case."""

    def __init__(
        self,
        loaded: LoadedPolicy,
        policy_ctx: PolicyContext,
        downstream: Emit,
        deadline: Deadline,
        settings: PipelineSettings,
        obs: ObservabilityContext,
    ) -> None:
        self._hooks = loaded.hooks
        self._name = loaded.name
        self._owned = frozenset(_OWNS[hook] for hook in loaded.hooks if hook in _OWNS)
        self._downstream = downstream
        self._obs = obs
        self._call = HookCaller(loaded, deadline, settings.policy_timeout, obs)
        self._assembler = BlockAssembler()
        self._account = PolicyAccount(loaded.name, obs)
        self._signed: set[int] = set()
        self._aside = False
        self._chunks = HookContext(policy_ctx, self._feed_blocks, self._decided, deadline, settings)
        self._blocks = HookContext(policy_ctx, self._send, self._decided, deadline, settings)

    async def feed(self, chunk: ModelResponse) -> None:
        if self._aside:
            self._account.skipped(chunk, self._owned)
            await self._downstream(chunk)
        elif "on_chunk" not in self._hooks:
            await self._feed_blocks(chunk)
        else:
            self._chunks.chunk = chunk
            if not await self._call(self._chunks, "on_chunk", chunk):
                await self._step_aside(chunk)

    async def finish(self) -> None:
        """The stream has ended well: complete what is open, then let the policy say its last."""
        for event in self._assembler.finish():
            await self._handle(event)
        if "on_stream_complete" in self._hooks and not self._aside:
            self._blocks.choice = 0
            if not await self._call(self._blocks, "on_stream_complete"):
                await self._step_aside()

    def close(self) -> None:
        self._account.flush()

    async def _feed_blocks(self, chunk: ModelResponse) -> None:
        if not self._owned:
            await self._downstream(chunk)
            return
        events = self._assembler.feed(chunk)
        if chunk.native is not None and any(event.part is not chunk for event in events if isinstance(event, Delta)):
            await self._handle_together(chunk, events)
        else:
            for event in events:
                await self._handle(event)

    async def _handle_together(self, chunk: ModelResponse, events: list[BlockEvent]) -> None:
        """A provider's chunk of several things: if all of them come out as they came, it goes on as itself."""
        emitted: list[ModelResponse] = []

        async def collect(piece: ModelResponse) -> None:
            emitted.append(piece)

        downstream, self._downstream = self._downstream, collect
        try:
            for event in events:
                await self._handle(event)
        finally:
            self._downstream = downstream
        parts = [event.part for event in events if isinstance(event, Delta)]
        untouched = len(parts) == len(emitted) and all(one is other for one, other in zip(parts, emitted, strict=True))
        for piece in (chunk,) if untouched else emitted:
            await downstream(piece)

    async def _handle(self, event: BlockEvent) -> None:
        if self._aside:
            await self._pass_on(event)
            return
        match event:
            case ContentDelta(choice, text, part):
                await self._delta("content", "on_content_delta", text, choice, part)
            case ThinkingDelta(choice, thinking, part):
                await self._thinking_delta(choice, thinking, part)
            case ToolCallDelta(choice, call, part):
                await self._delta("tool_call", "on_tool_call_delta", call, choice, part)
            case Finished(choice, reason, part):
                await self._delta("finish", "on_finish_reason", reason, choice, part)
            case ContentComplete(choice, text):
                await self._complete("content", "on_content_complete", text, event)
            case ThinkingComplete(choice, thinking):
                await self._complete("thinking", "on_thinking_complete", thinking, event)
            case ToolCallComplete(choice, call):
                await self._complete("tool_call", "on_tool_call_complete", call, event)
            case Other(part):
                await self._downstream(part)
            case _:
                assert_never(event)

    async def _thinking_delta(self, choice: int, thinking: str, part: ModelResponse) -> None:
        """A signature goes on once all that it signs has; redacted thinking is for nobody to read, and goes on."""
        if "thinking" not in self._owned or thinking:
            await self._delta("thinking", "on_thinking_delta", thinking, choice, part)
        elif not _is_signature(part):
            self._account.skipped(part, self._owned)
            await self._downstream(part)
        elif self._account.emitted_thinking(choice) == self._assembler.thinking_so_far(choice):
            self._signed.add(choice)
            await self._downstream(part)

    async def _delta(self, kind: Kind, hook: Hook, value: object, choice: int, part: ModelResponse) -> None:
        if kind not in self._owned:
            await self._downstream(part)
            return
        self._blocks.chunk = part
        self._blocks.choice = choice
        self._blocks.begin_call()
        if hook in self._hooks and not await self._call(self._blocks, hook, value):
            goes_on_from_here = kind == "finish" or self._account.has_emitted(choice, kind)
            await self._step_aside(part if goes_on_from_here else None)
        elif not self._blocks.emitted:
            self._account.held(choice, kind)

    async def _complete(
        self, kind: Kind, hook: Hook, value: object, event: ContentComplete | ThinkingComplete | ToolCallComplete
    ) -> None:
        if kind not in self._owned:
            return
        self._blocks.choice = event.choice
        if hook in self._hooks and not await self._call(self._blocks, hook, value):
            await self._step_aside()
            await self._pass_on(event)
            return
        if isinstance(event, ThinkingComplete) and event.signature:
            await self._sign(event.choice, event.thinking, event.signature)
        self._account.completed(event.choice, kind)

    async def _sign(self, choice: int, thinking: str, signature: str) -> None:
        """A signature holds only for thinking that went on as it came."""
        if choice in self._signed:
            self._signed.discard(choice)
        elif self._account.emitted_thinking(choice) == thinking:
            delta = Message(thinking_blocks=(ThinkingBlock(signature=signature),))
            await self._downstream(_chunk(self._blocks.chunk, choice, delta))

    async def _send(self, chunk: ModelResponse) -> None:
        self._account.emitted(chunk)
        await self._downstream(chunk)

    async def _step_aside(self, part: ModelResponse | None = None) -> None:
        self._aside = True
        self._decided("failed_open")
        if part is not None:
            self._account.skipped(part, self._owned)
            await self._downstream(part)
        for event in self._assembler.finish():
            await self._pass_on(event)

    async def _pass_on(self, event: BlockEvent) -> None:
        """What stands for `event` when the policy looks no longer: deltas as they came, blocks that it held whole."""
        match event:
            case ContentDelta() | ThinkingDelta() | ToolCallDelta() | Finished() | Other():
                self._account.skipped(event.part, self._owned)
                await self._downstream(event.part)
            case ContentComplete(choice, text):
                await self._release(choice, "content", Message(content=text))
            case ThinkingComplete(choice, thinking, signature):
                blocks = (ThinkingBlock(thinking=thinking, signature=signature),) if signature else ()
                await self._release(choice, "thinking", Message(reasoning_content=thinking, thinking_blocks=blocks))
            case ToolCallComplete(choice, call):
                await self._release(choice, "tool_call", Message(tool_calls=(call,)))
            case _:
                assert_never(event)

    async def _release(self, choice: int, kind: Kind, delta: Message) -> None:
        if kind in self._owned and not self._account.has_emitted(choice, kind):
            chunk = _chunk(self._blocks.chunk, choice, delta)
            self._account.skipped(chunk, self._owned)
            await self._downstream(chunk)

    def _decided(self, decision: str) -> None:
        self._obs.policy_decision(self._name, self._call.hook, decision)


def _chunk(like: ModelResponse, choice: int, delta: Message) -> ModelResponse:
    return part_of(like, (Choice(index=choice, delta=delta),))


def _is_signature(part: ModelResponse) -> bool:
    delta = part.choices[0].delta
    return delta is not None and all(block.type == "thinking" for block in delta.thinking_blocks)
