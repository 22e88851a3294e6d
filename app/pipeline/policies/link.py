"""One policy at work on one stream: chunks come in, its hooks are called, what they emit goes to the next policy.

`on_chunk` comes first; what it emits (or every chunk, where it is not overridden) is taken apart into blocks. An
overridden block hook owns its kind: of that kind nothing goes on but what the hook emits. A policy that fails and is
declared `fail_open` steps aside for the rest of the stream: a block of which it had emitted nothing goes on whole, one
of which it had emitted a piece goes on from there.
"""

from collections.abc import Coroutine, Mapping
from typing import Any, assert_never

from app.errors import PolicyError
from app.limits import Limit
from app.messages import Choice, Message, ModelResponse, Received, ThinkingBlock, part_of
from app.pipeline.policies.account import Kind, PolicyAccount
from app.pipeline.policies.blocks import (
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
from app.pipeline.policies.hook_call import HookCall
from app.pipeline.policies.hook_context import Downstream, HookContext
from app.pipeline.policies.other_texts import Event, OtherTexts, blocked
from app.policies import Hook, LoadedPolicy, PolicyContext
from app.settings import PipelineSettings
from app.time_slices import TimeSlices
from telemetry import ObservabilityContext

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
    """One policy in the chain: `feed` it each chunk, `finish` after the last one, `close` it in any case. Chunks go on
    to `downstream`."""

    __slots__ = (
        "_account",
        "_aside",
        "_assembler",
        "_at_hand",
        "_blocks",
        "_call",
        "_chunks",
        "_downstream",
        "_failed",
        "_hooks",
        "_opaque",
        "_others",
        "_owned",
        "_signed",
        "_together",
    )

    def __init__(
        self,
        loaded: LoadedPolicy,
        policy_ctx: PolicyContext,
        downstream: Downstream,
        limit: Limit,
        settings: PipelineSettings,
        slices: TimeSlices,
        obs: ObservabilityContext,
    ) -> None:
        self._hooks = loaded.hooks
        self._owned = frozenset([_OWNS[hook] for hook in loaded.hooks if hook in _OWNS])
        self._downstream = downstream
        self._at_hand = Received(ModelResponse())
        """The chunk that was fed last, with the provider's bytes."""
        self._together: list[Received] | None = None
        """The chunks that have come out of the parts of one chunk, while those are handled together."""
        self._call = HookCall(loaded, limit, settings.policy_timeout, obs)
        telemetry = self._call.telemetry
        self._assembler = BlockAssembler()
        self._account = PolicyAccount(telemetry)
        self._signed: set[int] = set()
        self._aside = False
        self._failed = False
        self._chunks: HookContext | None = None
        if "on_chunk" in loaded.hooks:
            self._chunks = HookContext(policy_ctx, self._feed_blocks, limit, settings, telemetry)
        self._blocks = HookContext(policy_ctx, self._send, limit, settings, telemetry)
        self._opaque = loaded.policy.opaque
        self._others: OtherTexts | None = None
        if "on_other_text" in loaded.hooks:
            dialect = policy_ctx.request.dialect
            self._others = OtherTexts(self._change_other, dialect, self._opaque, policy_ctx.bodies, slices)

    async def feed(self, received: Received, others_are_read: bool = False) -> None:
        """Call the hooks that are there for what the chunk holds. `others_are_read`: it has been through `look_at`."""
        self._at_hand = received
        chunk = received.chunk
        if self._aside:
            self._account.skipped(chunk, self._owned)
            await self._downstream(received)
        elif self._others is not None and not others_are_read and not self._others.is_plain(received):
            for one in await self.look_at(received):
                await self.feed(one, True)
        elif (chunks := self._chunks) is None:
            await self._feed_blocks(received)
        else:
            chunks.hold(received)
            if isinstance(await self._call.streaming(chunks, "on_chunk", chunk), PolicyError):
                await self._step_aside(received)

    async def finish(self) -> None:
        """Complete the blocks that are open, after a good end of the stream, and call `on_stream_complete`."""
        if self._others is not None and not self._aside:
            for received in await self._after_reading(await self._others.finish(), self._others):
                await self.feed(received, True)
        for event in self._assembler.finish():
            await self._handle(event)
        if "on_stream_complete" in self._hooks and not self._aside:
            self._blocks.choice = 0
            if isinstance(await self._call.streaming(self._blocks, "on_stream_complete"), PolicyError):
                await self._step_aside()

    def close(self) -> None:
        """Count in telemetry what the policy did. It is the last call."""
        self._account.flush()
        # They refer to this object, and are not to wait for the garbage collector with it.
        del self._chunks, self._blocks
        self._others = None

    async def look_at(self, received: Received) -> list[Received]:
        """Let the policy read the chunk's other texts. Returns the chunks to go on with: the same object if it changed
        none of them, nothing while a piece of a text is held back, and later also what was held back before."""
        others = self._others
        return [received] if others is None else await self._after_reading(await others.feed(received), others)

    async def look_at_whole(self, received: Received, body: Event | None, size: int) -> list[Received]:
        """As `look_at`, for a whole response as one chunk, with the provider's body, and its size in bytes."""
        others = self._others
        if others is None:
            return [received]
        return await self._after_reading(await others.read(received, body, size), others)

    async def _after_reading(self, chunks: list[Received], others: OtherTexts) -> list[Received]:
        """Do what reading other texts has shown to be due: deal with opaque data, step aside after a failure."""
        if others.skipped:
            self._see_opaque(others.take_skipped())
        if self._failed and not self._aside:
            await self._step_aside()
        return chunks

    def _see_opaque(self, kinds: Mapping[str, int]) -> None:
        if self._opaque == "refuse":
            raise blocked(kinds)
        if self._opaque == "drop":
            self._decided("dropped")
        else:
            self._account.unread(kinds)

    async def _change_other(self, text: str) -> str:
        """The text that the policy puts in place of another; the text itself once the policy has failed."""
        if self._failed:
            return text
        changed = await self._call.streaming(self._blocks, "on_other_text", text)
        self._failed = isinstance(changed, PolicyError)
        return text if self._failed else str(changed)

    async def _feed_blocks(self, received: Received) -> None:
        if not self._owned:
            await self._downstream(received)
            return
        self._at_hand, chunk = received, received.chunk
        events = self._assembler.feed(chunk)
        if len(events) > 1 and received.native is not None and _is_split(events, chunk):
            await self._handle_together(received, events)
        else:
            for event in events:
                await self._handle(event)

    async def _handle_together(self, received: Received, events: list[BlockEvent]) -> None:
        """Handle the parts of a provider's chunk that holds several things. If all of them come out unchanged, the
        chunk goes on as it came."""
        emitted: list[Received] = []
        self._together = emitted
        try:
            for event in events:
                await self._handle(event)
        finally:
            self._together = None
        parts = [event.part for event in events if isinstance(event, Delta)]
        untouched = len(parts) == len(emitted) and all(
            part is piece.chunk for part, piece in zip(parts, emitted, strict=True)
        )
        for piece in (received,) if untouched else emitted:
            await self._downstream(piece)

    def _handle(self, event: BlockEvent) -> Coroutine[Any, Any, None]:
        """Call the hook that the event is for, or send on what it stands for."""
        if self._aside:
            return self._pass_on(event)
        match event:
            case ContentDelta(choice, text, part):
                return self._delta("content", "on_content_delta", text, choice, part)
            case ThinkingDelta(choice, thinking, part):
                return self._thinking_delta(choice, thinking, part)
            case ToolCallDelta(choice, call, part):
                return self._delta("tool_call", "on_tool_call_delta", call, choice, part)
            case Finished(choice, reason, part):
                return self._delta("finish", "on_finish_reason", reason, choice, part)
            case ContentComplete(choice, text):
                return self._complete("content", "on_content_complete", text, event)
            case ThinkingComplete(choice, thinking):
                return self._complete("thinking", "on_thinking_complete", thinking, event)
            case ToolCallComplete(choice, call):
                return self._complete("tool_call", "on_tool_call_complete", call, event)
            case Other(part):
                return self._go_on(part)
            case _:
                assert_never(event)

    async def _thinking_delta(self, choice: int, thinking: str, part: ModelResponse) -> None:
        """Handle a piece of thinking. A signature goes on only if all that it signs went on unchanged; redacted
        thinking, which nobody can read, always goes on."""
        if "thinking" not in self._owned or thinking:
            await self._delta("thinking", "on_thinking_delta", thinking, choice, part)
        elif not _is_signature(part):
            self._account.skipped(part, self._owned)
            await self._go_on(part)
        elif self._account.emitted_thinking(choice) == self._assembler.thinking_so_far(choice):
            self._signed.add(choice)
            await self._go_on(part)

    async def _delta(self, kind: Kind, hook: Hook, value: object, choice: int, part: ModelResponse) -> None:
        """Call a hook with a piece of a block; where only the end of the block has a hook, the piece is held back."""
        if kind not in self._owned:
            await self._go_on(part)
            return
        received = self._at_hand
        if part is not received.chunk:
            received = received.holding(part)
        self._blocks.hold(received)
        self._blocks.choice = choice
        if hook not in self._hooks:
            self._account.held(choice, kind)
        elif isinstance(await self._call.streaming(self._blocks, hook, value), PolicyError):
            goes_on_from_here = kind == "finish" or self._account.has_emitted(choice, kind)
            await self._step_aside(received if goes_on_from_here else None)
        elif not self._blocks.emitted:
            self._account.held(choice, kind)

    async def _complete(
        self, kind: Kind, hook: Hook, value: object, event: ContentComplete | ThinkingComplete | ToolCallComplete
    ) -> None:
        """Call a hook with a whole block."""
        if kind not in self._owned:
            return
        self._blocks.choice = event.choice
        if hook in self._hooks and isinstance(await self._call.streaming(self._blocks, hook, value), PolicyError):
            await self._step_aside()
            await self._pass_on(event)
            return
        if isinstance(event, ThinkingComplete) and event.signature:
            await self._sign(event.choice, event.thinking, event.signature)
        self._account.completed(event.choice, kind)

    async def _sign(self, choice: int, thinking: str, signature: str) -> None:
        """Send on a block's signature, which holds only for thinking that went on as it came."""
        if choice in self._signed:
            self._signed.discard(choice)
        elif self._account.emitted_thinking(choice) == thinking:
            delta = Message(thinking_blocks=(ThinkingBlock(signature=signature),))
            await self._go_on(_chunk(self._blocks.chunk, choice, delta))

    async def _send(self, received: Received) -> None:
        """Send on what the policy emitted."""
        self._account.emitted(received.chunk)
        # As `_send_on` does, without the price of another coroutine: this is run for each chunk.
        if self._together is None:
            await self._downstream(received)
        else:
            self._together.append(received)

    async def _send_on(self, received: Received) -> None:
        """Send on a chunk that the policy did not emit itself."""
        if self._together is None:
            await self._downstream(received)
        else:
            self._together.append(received)

    def _go_on(self, chunk: ModelResponse) -> Coroutine[Any, Any, None]:
        """Send on a chunk, with the provider's bytes if it is the very one that was fed."""
        return self._send_on(self._at_hand.holding(chunk))

    async def _step_aside(self, at_hand: Received | None = None) -> None:
        """Pass everything through from now on. `at_hand` is the chunk whose hook failed, if it is still to be sent."""
        self._aside = True
        self._decided("failed_open")
        held = self._others.give_up() if self._others is not None else []
        for received in held if at_hand is None else [*held, at_hand]:
            self._account.skipped(received.chunk, self._owned)
            await self._send_on(received)
        for event in self._assembler.finish():
            await self._pass_on(event)

    async def _pass_on(self, event: BlockEvent) -> None:
        """Send on what `event` stands for, past a policy that has stepped aside: a delta as it came, and a block of
        which the policy had emitted nothing."""
        match event:
            case ContentDelta() | ThinkingDelta() | ToolCallDelta() | Finished() | Other():
                self._account.skipped(event.part, self._owned)
                await self._go_on(event.part)
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
        """Send on a whole block, if none of it has gone on yet."""
        if kind in self._owned and not self._account.has_emitted(choice, kind):
            chunk = _chunk(self._blocks.chunk, choice, delta)
            self._account.skipped(chunk, self._owned)
            await self._go_on(chunk)

    def _decided(self, decision: str) -> None:
        """Note a decision that the gateway took for the policy, under the hook that was called last."""
        self._call.telemetry.decided(self._call.last, decision)


def _chunk(like: ModelResponse, choice: int, delta: Message) -> ModelResponse:
    return part_of(like, (Choice(index=choice, delta=delta),))


def _is_split(events: list[BlockEvent], chunk: ModelResponse) -> bool:
    """Whether the chunk was taken apart, as it holds several things."""
    return any(event.part is not chunk for event in events if isinstance(event, Delta))


def _is_signature(part: ModelResponse) -> bool:
    """Whether a part of thinking has no redacted block in it."""
    delta = part.choices[0].delta
    return delta is not None and all(block.type == "thinking" for block in delta.thinking_blocks)
