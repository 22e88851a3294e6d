"""A whole response as the one chunk that hooks can look at, and what they emitted as a whole response again. Pure."""

from collections.abc import Iterable

from msgspec.structs import replace

from app.messages import Choice, Message, ModelResponse, ThinkingBlock, Usage
from app.pipeline.blocks import BlockAssembler, ContentComplete, ThinkingComplete, ToolCallComplete


def as_chunk(response: ModelResponse) -> ModelResponse:
    """Every choice's message as its delta, finish reason and usage with it."""
    choices = tuple(
        Choice(
            index=choice.index,
            delta=choice.message,
            finish_reason=choice.finish_reason,
            stop_sequence=choice.stop_sequence,
            logprobs=choice.logprobs,
        )
        for choice in response.choices
    )
    return replace(response, choices=choices, native=None)


def from_chunks(chunks: Iterable[ModelResponse], response: ModelResponse) -> ModelResponse:
    """What the chunks add up to, in the frame of the response that they were made from."""
    # A choice of which a policy emitted nothing is an empty answer, as it is in a stream.
    answers = {choice.index: _Answer(choice.index) for choice in response.choices}
    usage: Usage | None = None
    assembler = BlockAssembler()
    chunks = list(chunks)
    for chunk in chunks:
        usage = chunk.usage or usage
        for choice in chunk.choices:
            answers.setdefault(choice.index, _Answer(choice.index)).add(choice)
    events = [event for chunk in chunks for event in assembler.feed(chunk)] + assembler.finish()
    for event in events:
        if isinstance(event, ContentComplete | ThinkingComplete | ToolCallComplete):
            answers[event.choice].add_block(event)
    choices = tuple(answers[index].choice() for index in sorted(answers))
    return replace(response, choices=choices, usage=usage, native=None)


class _Answer:
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
        said = self._message
        match block:
            case ContentComplete(text=text):
                self._message = replace(said, content=_joined(said.content, text))
            case ThinkingComplete(thinking=thinking, signature=signature):
                thought = (ThinkingBlock(thinking=thinking, signature=signature),)
                self._message = replace(
                    said,
                    reasoning_content=_joined(said.reasoning_content, thinking),
                    thinking_blocks=said.thinking_blocks + thought,
                )
            case ToolCallComplete(call=call):
                call = replace(call, index=len(said.tool_calls))
                self._message = replace(said, tool_calls=(*said.tool_calls, call))

    def choice(self) -> Choice:
        return replace(self._last, index=self._index, message=self._message)


def _joined(before: str | None, more: str | None) -> str | None:
    return (before or "") + more if more else before
