"""Chunks in, block events out: `BlockAssembler.feed(chunk) -> list[BlockEvent]`, pure.

A chunk may carry several things for several choices. It comes out as one delta event per thing, each with its `part`
(`pipeline.parts`). Around the deltas stand the completions of blocks. However a stream is cut into chunks, the
completed blocks are the same.

A text or thinking block ends when its choice turns to something else; a tool call ends with its choice, because
providers interleave parallel calls. A provider that says itself where a block ends is believed.
"""

from msgspec import Struct

from app.messages import Ended, Function, Message, ModelResponse, ToolCall
from app.pipeline.parts import split


class ContentDelta(Struct, frozen=True):
    choice: int
    text: str
    part: ModelResponse


class ContentComplete(Struct, frozen=True):
    choice: int
    text: str


class ThinkingDelta(Struct, frozen=True):
    """`thinking` is empty where a part brings only a signature or redacted data."""

    choice: int
    thinking: str
    part: ModelResponse


class ThinkingComplete(Struct, frozen=True):
    choice: int
    thinking: str
    signature: str | None


class ToolCallDelta(Struct, frozen=True):
    choice: int
    call: ToolCall
    part: ModelResponse


class ToolCallComplete(Struct, frozen=True):
    choice: int
    call: ToolCall


class Finished(Struct, frozen=True):
    choice: int
    reason: str
    part: ModelResponse


class Other(Struct, frozen=True):
    """A part that belongs to no block: a role, a refusal, annotations, usage, an empty delta."""

    part: ModelResponse


Delta = ContentDelta | ThinkingDelta | ToolCallDelta | Finished | Other
"""What came, each with its `part`."""
BlockEvent = Delta | ContentComplete | ThinkingComplete | ToolCallComplete


def thinking_text(delta: Message) -> str:
    """The thinking that a delta adds, told once however often it stands in it."""
    return delta.reasoning_content or "".join(block.thinking for block in delta.thinking_blocks)


class _OpenText:
    """The text or thinking block that a choice is in; pieces are joined when it ends."""

    def __init__(self, is_thinking: bool) -> None:
        self.is_thinking = is_thinking
        self.pieces: list[str] = []
        self.signature: str | None = None


class _OpenCall:
    def __init__(self, first: ToolCall) -> None:
        self.index = first.index
        self.id: str | None = None
        self.type = first.type
        self.name: str | None = None
        self.arguments: list[str] = []

    def add(self, call: ToolCall) -> None:
        self.id = self.id or call.id
        self.name = self.name or call.function.name
        self.arguments.append(call.function.arguments)

    def whole(self) -> ToolCall:
        return ToolCall(self.index, self.id, self.type, Function(self.name, "".join(self.arguments)))


class _ChoiceState:
    def __init__(self) -> None:
        self.text: _OpenText | None = None
        self.calls: dict[int, _OpenCall] = {}


class BlockAssembler:
    """Follows the blocks of one stream. `feed` each chunk, then `finish` once."""

    def __init__(self) -> None:
        self._choices: dict[int, _ChoiceState] = {}

    def feed(self, chunk: ModelResponse) -> list[BlockEvent]:
        events: list[BlockEvent] = []
        for part in split(chunk):
            self._feed_part(part, events)
        return events

    def thinking_so_far(self, choice: int) -> str:
        """Of the block that is open."""
        text = self._choice(choice).text
        return "".join(text.pieces) if text is not None and text.is_thinking else ""

    def finish(self) -> list[BlockEvent]:
        """Complete what the stream left open."""
        events: list[BlockEvent] = []
        for index in sorted(self._choices):
            self._end_choice(index, events)
        return events

    def _feed_part(self, part: ModelResponse, events: list[BlockEvent]) -> None:
        native = part.native
        if native is not None and native.ends_block:
            # What a hook still holds of the block has to go before the provider's own end of it.
            self._end_choice(0, events)
        if native is None or native.ends is None:
            self._add_part(part, events)
        elif _says_block(part):
            # All of the block came with its end.
            self._add_part(part, events)
            self._end_block(native.ends, events)
        else:
            self._end_block(native.ends, events)
            self._add_part(part, events)

    def _add_part(self, part: ModelResponse, events: list[BlockEvent]) -> None:
        choice = part.choices[0] if part.choices else None
        delta = choice.delta if choice else None
        if choice is None:
            events.append(Other(part))
        elif choice.finish_reason:
            self._end_choice(choice.index, events)
            events.append(Finished(choice.index, choice.finish_reason, part))
        elif delta is not None and (delta.reasoning_content or delta.thinking_blocks):
            self._add_thinking(choice.index, delta, part, events)
        elif delta is not None and delta.content:
            self._text(choice.index, False, events).pieces.append(delta.content)
            events.append(ContentDelta(choice.index, delta.content, part))
        elif delta is not None and delta.tool_calls:
            self._add_call(choice.index, delta.tool_calls[0], part, events)
        else:
            events.append(Other(part))

    def _add_thinking(self, index: int, delta: Message, part: ModelResponse, events: list[BlockEvent]) -> None:
        text = self._text(index, True, events)
        thinking = thinking_text(delta)
        text.pieces.append(thinking)
        for block in delta.thinking_blocks:
            text.signature = block.signature or text.signature
        events.append(ThinkingDelta(index, thinking, part))

    def _add_call(self, index: int, call: ToolCall, part: ModelResponse, events: list[BlockEvent]) -> None:
        self._end_text(index, events)
        calls = self._choice(index).calls
        open_call = calls.get(call.index)
        if open_call is None:
            open_call = calls[call.index] = _OpenCall(call)
        open_call.add(call)
        events.append(ToolCallDelta(index, call, part))

    def _choice(self, index: int) -> _ChoiceState:
        state = self._choices.get(index)
        if state is None:
            state = self._choices[index] = _ChoiceState()
        return state

    def _text(self, index: int, is_thinking: bool, events: list[BlockEvent]) -> _OpenText:
        state = self._choice(index)
        if state.text is not None and state.text.is_thinking is not is_thinking:
            self._end_text(index, events)
        if state.text is None:
            state.text = _OpenText(is_thinking)
        return state.text

    def _end_block(self, ended: Ended, events: list[BlockEvent]) -> None:
        """Just this one, of the first choice: others may be open beside it."""
        state = self._choice(0)
        if isinstance(ended, int):
            if (call := state.calls.pop(ended, None)) is not None:
                events.append(ToolCallComplete(0, call.whole()))
        elif state.text is not None and state.text.is_thinking is (ended == "thinking"):
            self._end_text(0, events)

    def _end_text(self, index: int, events: list[BlockEvent]) -> None:
        state = self._choice(index)
        if state.text is None:
            return
        whole = "".join(state.text.pieces)
        if not state.text.is_thinking:
            events.append(ContentComplete(index, whole))
        elif whole or state.text.signature:
            events.append(ThinkingComplete(index, whole, state.text.signature))
        state.text = None

    def _end_choice(self, index: int, events: list[BlockEvent]) -> None:
        self._end_text(index, events)
        state = self._choice(index)
        events.extend(ToolCallComplete(index, state.calls[call].whole()) for call in sorted(state.calls))
        state.calls.clear()


def _says_block(part: ModelResponse) -> bool:
    delta = part.choices[0].delta if part.choices else None
    return delta is not None and bool(delta.content or delta.reasoning_content or delta.tool_calls)
