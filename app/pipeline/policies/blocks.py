"""Chunks in, block events out: `BlockAssembler.feed(chunk) -> list[BlockEvent]`, pure.

A chunk may carry several things for several choices. `split` takes it apart into chunks of one thing each, in the order
in which a model says them: thinking, content, tool calls, finish. Log probabilities and the role go with a choice's
first, usage comes last; a chunk of one thing is its own part, the same object. Each part is one delta event. Around the
deltas stand the completions of blocks: however a stream is cut into chunks, the completed blocks are the same.

A text or thinking block ends when its choice turns to something else; a tool call ends with its choice, because
providers interleave parallel calls. A provider's own mark of where a block ends is believed.
"""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.structs import replace

from app.messages import BlockEnd, Choice, Function, Message, ModelResponse, ToolCall, part_of


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
    """The thinking that a delta adds, given once even where the delta holds it twice."""
    return delta.reasoning_content or "".join(block.thinking for block in delta.thinking_blocks)


class _OpenText:
    """The text or thinking block that a choice is in; pieces are joined when it ends."""

    __slots__ = (
        "is_thinking",
        "pieces",
        "signature",
    )

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
        self.thought_signature: str | None = None

    def add(self, call: ToolCall) -> None:
        self.id = self.id or call.id
        self.thought_signature = self.thought_signature or call.thought_signature
        self.name = self.name or call.function.name
        self.arguments.append(call.function.arguments)

    def whole(self) -> ToolCall:
        function = Function(self.name, "".join(self.arguments))
        return ToolCall(self.index, self.id, self.type, function, self.thought_signature)


class _ChoiceState:
    __slots__ = (
        "calls",
        "text",
    )

    def __init__(self) -> None:
        self.text: _OpenText | None = None
        self.calls: dict[int, _OpenCall] = {}


class BlockAssembler:
    """Follows the blocks of one stream. `feed` each chunk, then `finish` once."""

    __slots__ = ("_choices",)

    def __init__(self) -> None:
        self._choices: dict[int, _ChoiceState] = {}

    def feed(self, chunk: ModelResponse) -> list[BlockEvent]:
        events: list[BlockEvent] = []
        for part in split(chunk):
            if part.ends is None:
                self._add_part(part, events)
            else:
                self._add_last_part(part, part.ends, events)
        return events

    def thinking_so_far(self, choice: int) -> str:
        """The text of a choice's open thinking block; empty if none is open."""
        text = self._choice(choice).text
        return "".join(text.pieces) if text is not None and text.is_thinking else ""

    def finish(self) -> list[BlockEvent]:
        """Complete the blocks that the end of the stream left open."""
        events: list[BlockEvent] = []
        for index in sorted(self._choices):
            self._end_choice(index, events)
        return events

    def _add_last_part(self, part: ModelResponse, ends: BlockEnd, events: list[BlockEvent]) -> None:
        """Add a part with which the provider ends a block."""
        if _has_block_text(part):
            # All of the block came with its end.
            self._add_part(part, events)
            self._end_block(ends, events)
        else:
            # What a hook still holds of the block has to go before the event by which the provider ends it.
            self._end_block(ends, events)
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
            state = self._choices.get(choice.index)
            text = state.text if state is not None else None
            if text is None or text.is_thinking:
                text = self._begin_text(choice.index, False, events)
            text.pieces.append(delta.content)
            events.append(ContentDelta(choice.index, delta.content, part))
        elif delta is not None and delta.tool_calls:
            self._add_call(choice.index, delta.tool_calls[0], part, events)
        else:
            events.append(Other(part))

    def _add_thinking(self, index: int, delta: Message, part: ModelResponse, events: list[BlockEvent]) -> None:
        text = self._choice(index).text
        if text is None or not text.is_thinking:
            text = self._begin_text(index, True, events)
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

    def _begin_text(self, index: int, is_thinking: bool, events: list[BlockEvent]) -> _OpenText:
        self._end_text(index, events)
        text = self._choice(index).text = _OpenText(is_thinking)
        return text

    def _end_block(self, ended: BlockEnd, events: list[BlockEvent]) -> None:
        """End one block of the first choice, and nothing else that is open beside it."""
        state = self._choice(0)
        if ended == "all":
            self._end_choice(0, events)
        elif isinstance(ended, int):
            if (call := state.calls.pop(ended, None)) is not None:
                events.append(ToolCallComplete(0, call.whole()))
        elif state.text is not None and state.text.is_thinking is (ended == "thinking"):
            self._end_text(0, events)

    def _end_text(self, index: int, events: list[BlockEvent]) -> None:
        state = self._choices.get(index)
        if state is None or state.text is None:
            return
        whole = "".join(state.text.pieces)
        if not state.text.is_thinking:
            events.append(ContentComplete(index, whole))
        elif whole or state.text.signature:
            events.append(ThinkingComplete(index, whole, state.text.signature))
        state.text = None

    def _end_choice(self, index: int, events: list[BlockEvent]) -> None:
        self._end_text(index, events)
        state = self._choices.get(index)
        if state is not None and state.calls:
            events.extend(ToolCallComplete(index, state.calls[call].whole()) for call in sorted(state.calls))
            state.calls.clear()


def _has_block_text(part: ModelResponse) -> bool:
    delta = part.choices[0].delta if part.choices else None
    return delta is not None and bool(delta.content or delta.reasoning_content or delta.tool_calls)


def split(chunk: ModelResponse) -> list[ModelResponse]:
    """Chunks of one thing each; `[chunk]` itself where it holds one thing, or none."""
    choices = chunk.choices
    if len(choices) == 1 and chunk.usage is None and choices[0].finish_reason is None:
        delta = choices[0].delta
        if delta is None or (
            bool(delta.content)
            + bool(delta.reasoning_content or delta.thinking_blocks)
            + len(delta.tool_calls)
            + bool(delta.refusal or delta.annotations or delta.extra)
            <= 1
        ):
            return [chunk]
    parts = [piece for choice in choices for piece in _pieces(choice)]
    if len(parts) <= 1 and (chunk.usage is None or not parts or _is_empty(parts[0])):
        return [chunk]
    split_parts = [part_of(chunk, (piece,)) for piece in parts]
    if chunk.usage is not None:
        split_parts.append(part_of(chunk, (), chunk.usage))
    return split_parts


def _is_empty(piece: Choice) -> bool:
    return piece.finish_reason is None and piece.delta in (None, Message())


def _pieces(choice: Choice) -> Iterator[Choice]:
    """The choice itself where it holds one thing."""
    pieces = list(_delta_pieces(choice.delta)) if choice.delta is not None else []
    if choice.finish_reason is None and len(pieces) <= 1:
        yield choice
        return
    logprobs = choice.logprobs
    # They are about the text, where there is one.
    about = next((at for at, delta in enumerate(pieces) if delta.content), 0)
    for at, delta in enumerate(pieces):
        yield Choice(index=choice.index, delta=delta, logprobs=logprobs if at == about else None)
    logprobs = None if pieces else logprobs
    if choice.finish_reason is not None:
        yield replace(choice, delta=Message(), logprobs=logprobs) if pieces else choice


def _delta_pieces(delta: Message) -> Iterator[Message]:
    role = delta.role
    if delta.reasoning_content or delta.thinking_blocks:
        yield Message(role=role, reasoning_content=delta.reasoning_content, thinking_blocks=delta.thinking_blocks)
        role = None
    if delta.content:
        yield Message(role=role, content=delta.content)
        role = None
    for call in delta.tool_calls:
        yield Message(role=role, tool_calls=(call,))
        role = None
    rest = replace(delta, role=role, content=None, reasoning_content=None, thinking_blocks=(), tool_calls=())
    if rest != Message():
        yield rest
