"""A whole response as the one chunk that hooks can look at, and what they emitted as a whole response again. Pure."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from app.bodies.json_decoding import decode_again
from app.bodies.json_encoding import encode
from app.dialects import streaming_dialects
from app.dialects.response_edits import ResponseEdit
from app.messages import Choice, Message, ModelResponse, Native, Received, ThinkingBlock, Usage
from app.pipeline.policies.blocks import BlockAssembler, ContentComplete, ThinkingComplete, ToolCallComplete, split
from app.policies import LoadedPolicy

T = TypeVar("T", bound=Struct)


def after_hooks(
    given: Received,
    whole: Received,
    read: Sequence[Received],
    emitted: list[ModelResponse],
    loaded: LoadedPolicy,
    body: dict[str, Any] | None,
) -> Received:
    """The response that a policy's streaming hooks leave: `given` itself where they left all of it as it was.

    `whole` is the chunk made of `given`, `read` what became of it when the policy read its other texts, and `emitted`
    what the hooks made of that. `body` is that of `given`, if it was decoded.
    """
    response = given.chunk
    is_as_given = len(read) == 1 and read[0] is whole
    if is_as_given and (emitted == [whole.chunk] or emitted == split(whole.chunk)):
        # Where hooks left everything, all of it or its very parts came out: nothing needs joining to see that.
        return given
    answer = from_chunks(emitted, response)
    if len(read) != 1:
        return Received(answer)
    (one,) = read
    untouched = from_chunks([one.chunk], response)
    answer = _beside_the_same(answer, untouched, one.chunk, emitted)
    if is_as_given and answer == untouched:
        return given
    before = given if is_as_given else _as_response(one)
    answer = _kept_response(answer, untouched, before.chunk)
    if not is_as_given and loaded.policy.opaque == "drop":
        # Opaque data takes what it stands in along: in a body, that is more than in the common form.
        return Received(answer)
    return edited(before, answer, body if is_as_given else None, all_read="on_other_text" in loaded.hooks)


def edited(received: Received, response: ModelResponse, body: dict[str, Any] | None, *, all_read: bool) -> Received:
    """A policy's response, with the provider's body edited to match; `received` itself if the policy returned its
    chunk.

    `body` is the provider's, if it was decoded; `all_read`: the policy has read all texts of it.
    """
    if response is received.chunk:
        return received
    native = received.native
    dialect = None if native is None else streaming_dialects().get(native.dialect)
    if native is None or dialect is None or not native.data:
        return Received(response)
    if response == received.chunk:
        return Received(response, native)
    body = dialect.edit_response(body or decode_again(native.data), ResponseEdit(received.chunk, response, all_read))
    data = encode(body, len(native.data))
    return Received(response, Native(native.dialect, data, data=data))


def _beside_the_same(
    answer: ModelResponse, untouched: ModelResponse, fed: ModelResponse, emitted: Sequence[ModelResponse]
) -> ModelResponse:
    """The answer with the log probabilities of each choice whose message is as it was: a text that hooks emitted in
    pieces has left them behind. Where a hook emitted what they stood beside without them, it has taken them out."""
    beside = [choice for part in (fed, *split(fed)) for choice in part.choices if choice.logprobs]
    bare = [choice for chunk in emitted for choice in chunk.choices if not choice.logprobs]
    taken_out = {
        choice.index for choice in beside for one in bare if (one.index, one.delta) == (choice.index, choice.delta)
    }
    same = {choice.index: choice for choice in untouched.choices if choice.index not in taken_out}
    choices = tuple(
        [
            replace(choice, logprobs=before.logprobs)
            if (before := same.get(choice.index)) and choice.logprobs is None and choice.message == before.message
            else choice
            for choice in answer.choices
        ]
    )
    return replace(answer, choices=choices)


def _as_response(received: Received) -> Received:
    """The whole response that `as_chunk` made the chunk of. Its bytes are a body, and no event of a stream."""
    chunk, native = received.chunk, received.native
    choices = tuple([replace(choice, delta=None, message=choice.delta) for choice in chunk.choices])
    return Received(replace(chunk, choices=choices), native and replace(native, raw=native.data))


def _kept_response(answer: ModelResponse, untouched: ModelResponse, response: ModelResponse) -> ModelResponse:
    """The answer that chunks were joined to, with every field from `response` that is as it would be in `untouched`:
    joining loses, of several blocks of thinking, which text each signature is about."""
    original = {choice.index: choice for choice in response.choices}
    same = {choice.index: choice for choice in untouched.choices}
    choices = tuple(
        [
            _kept_choice(choice, same[choice.index], original[choice.index]) if choice.index in original else choice
            for choice in answer.choices
        ]
    )
    return replace(_kept(answer, untouched, response), choices=choices)


def _kept_choice(answer: Choice, untouched: Choice, original: Choice) -> Choice:
    message = _kept(answer.message or Message(), untouched.message or Message(), original.message or Message())
    return replace(_kept(answer, untouched, original), message=message)


def _kept(answer: T, untouched: T, original: T) -> T:
    fields = {name: getattr(original, name) for name in original.__struct_fields__}
    return replace(
        answer, **{name: value for name, value in fields.items() if getattr(answer, name) == getattr(untouched, name)}
    )


def from_chunks(chunks: Iterable[ModelResponse], response: ModelResponse) -> ModelResponse:
    """Join what a policy emitted for `response`; ids and the like that the chunks lack are the response's."""
    # A choice of which a policy emitted nothing is an empty answer, as it is in a stream.
    joined = {choice.index: _ChoiceBuilder(choice.index) for choice in response.choices}
    usage: Usage | None = None
    assembler = BlockAssembler()
    chunks = list(chunks)
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            joined.setdefault(choice.index, _ChoiceBuilder(choice.index)).add(choice)
    events = [event for chunk in chunks for event in assembler.feed(chunk)] + assembler.finish()
    for event in events:
        if isinstance(event, ContentComplete | ThinkingComplete | ToolCallComplete):
            joined[event.choice].add_block(event)
    choices = tuple(joined[index].choice() for index in sorted(joined))
    # What stands beside its choices has come through the policy with them; a policy's own chunk may lack the rest.
    head = chunks[0] if chunks else response
    return replace(
        head,
        id=head.id or response.id,
        created=head.created or response.created,
        model=head.model or response.model,
        choices=choices,
        usage=usage,
    )


class _ChoiceBuilder:
    """One choice as it grows: blocks from the assembler, what belongs to no block from the deltas."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._last = Choice()
        self._message = Message(role="assistant")

    def add(self, choice: Choice) -> None:
        delta = choice.delta or Message()
        blocks = tuple(block for block in delta.thinking_blocks if block.type == "redacted_thinking")
        self._message = replace(
            self._message,
            refusal=_joined(self._message.refusal, delta.refusal),
            annotations=self._message.annotations + delta.annotations,
            thinking_blocks=self._message.thinking_blocks + blocks,
            extra={**self._message.extra, **delta.extra},
        )
        self._last = Choice(
            finish_reason=choice.finish_reason or self._last.finish_reason,
            stop_sequence=choice.stop_sequence or self._last.stop_sequence,
            logprobs=choice.logprobs or self._last.logprobs,
        )

    def add_block(self, block: ContentComplete | ThinkingComplete | ToolCallComplete) -> None:
        message = self._message
        match block:
            case ContentComplete(text=text):
                self._message = replace(message, content=_joined(message.content, text))
            case ThinkingComplete(thinking=thinking, signature=signature):
                thought = (ThinkingBlock(thinking=thinking, signature=signature),)
                self._message = replace(
                    message,
                    reasoning_content=_joined(message.reasoning_content, thinking),
                    thinking_blocks=message.thinking_blocks + thought,
                )
            case ToolCallComplete(call=call):
                call = replace(call, index=len(message.tool_calls))
                self._message = replace(message, tool_calls=(*message.tool_calls, call))

    def choice(self) -> Choice:
        return replace(self._last, index=self._index, message=self._message)


def _joined(before: str | None, more: str | None) -> str | None:
    return (before or "") + more if more else before
