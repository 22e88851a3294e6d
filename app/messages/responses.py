"""The common form of a response, as a whole or as the chunks of a stream, with LiteLLM's field names.

What a stream is made of is not tracked by the garbage collector (`gc=False`): it holds no cycles, and tracking
thousands of chunks took a third of the time of a fast stream.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from app.messages.requests import Dialect

_decode = msgspec.json.Decoder().decode

FinishReason = str
"""OpenAI's word: stop, length, tool_calls, content_filter, function_call; others as the provider said them."""


class Function(Struct, frozen=True, gc=False):
    """`name` comes once, on a call's first chunk; `arguments` is the piece of JSON text that this chunk adds."""

    name: str | None = None
    arguments: str = ""


class ToolCall(Struct, frozen=True, gc=False):
    index: int = 0
    id: str | None = None
    type: str = "function"
    function: Function = Function()
    thought_signature: str | None = None
    """Gemini's, of the thinking that led to the call: it wants it back with the call."""


class ThinkingBlock(Struct, frozen=True, gc=False):
    """`type` is thinking (with `signature`, once, at its end) or redacted_thinking (with `data`)."""

    type: Literal["thinking", "redacted_thinking"] = "thinking"
    thinking: str = ""
    signature: str | None = None
    data: str | None = None


class Message(Struct, frozen=True, gc=False):
    """What the model said: whole (`Choice.message`) or the piece that a chunk adds (`Choice.delta`).

    The text of thinking stands in `reasoning_content`; `thinking_blocks` adds signatures and redacted data, and where
    it repeats that text (LiteLLM does), `reasoning_content` counts.
    """

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    thinking_blocks: tuple[ThinkingBlock, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    annotations: tuple[dict[str, Any], ...] = ()
    extra: dict[str, Any] = {}


class Choice(Struct, frozen=True, gc=False):
    """One of `n` answers. A chunk fills `delta`, a whole response `message`."""

    index: int = 0
    delta: Message | None = None
    message: Message | None = None
    finish_reason: FinishReason | None = None
    stop_sequence: str | None = None
    logprobs: dict[str, Any] | None = None


class Usage(Struct, frozen=True, gc=False):
    """Tokens. `prompt_tokens` includes what was read from or written to a cache, as OpenAI and LiteLLM count
    (Anthropic's `input_tokens` does not); `completion_tokens` includes `reasoning_tokens`."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cache_read_input_tokens: int = 0
    cache_creation_input_tokens: int = 0
    reasoning_tokens: int = 0
    extra: dict[str, Any] = {}

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


BlockEnd = Literal["content", "thinking", "all"] | int
"""A block of which the provider says that it is complete: that of the text or of the thinking, the call of this index,
or whichever is open."""


class ModelResponse(Struct, frozen=True, kw_only=True, gc=False):
    """A chunk of a streamed response, or a whole one. `usage` is cumulative where it appears: the last one counts."""

    id: str = ""
    created: int = 0
    """Unix seconds."""
    model: str = ""
    choices: tuple[Choice, ...] = ()
    usage: Usage | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    extra: dict[str, Any] = {}
    ends: BlockEnd | None = None
    """The block of the first choice that is complete with this chunk, where the provider says so."""


class Native(Struct, frozen=True, gc=False):
    """What the provider itself sent: an event of a stream, or a whole body."""

    dialect: Dialect
    raw: bytes
    """A whole body; or, of a stream, every byte since the event before, framing and comments included."""
    sequence: int = 0
    """The event's position in its stream, counted from 0: a gap shows that something between was dropped or changed."""
    data: bytes = b""
    """The JSON object that it carries; empty where there is none (`[DONE]`, comments)."""
    kind: str = ""
    """The object's `type`, where it has one."""
    is_plain: bool = False
    """The event holds no text but what the common form has of it."""
    position: tuple[int, int] | None = None
    """The provider's numbers of the item and of the part that a piece of text belongs to, in a stream of items."""

    @property
    def event(self) -> dict[str, Any] | None:
        """`data`, decoded anew by each call: few events are looked into once more."""
        event: dict[str, Any] | None = _decode(self.data) if self.data else None
        return event


class Received(Struct, frozen=True, gc=False):
    """A chunk, or a whole response, beside the provider's bytes that say the same.

    The bytes belong to this very object: a policy is given the chunk alone, and what it sends on finds them only by
    being the same object. A changed copy cannot carry them.
    """

    chunk: ModelResponse
    native: Native | None = None
    limit_headers: dict[str, str] | None = None
    """What the provider's headers say of its rate limits, with a whole response or the first chunk of a stream; None
    where clients do not get them."""

    def holding(self, chunk: ModelResponse) -> "Received":
        """`chunk`, with the provider's bytes if it is the very chunk that came with them."""
        return self if chunk is self.chunk else Received(chunk, None, self.limit_headers)

    def with_limits(self, headers: dict[str, str] | None) -> "Received":
        """This chunk or response, beside what the provider's headers say of its rate limits."""
        return Received(self.chunk, self.native, headers) if headers else self


Batch = Sequence[Received]
"""The chunks of a stream that came at once, at least one, in their order."""


def part_of(chunk: ModelResponse, choices: tuple[Choice, ...], usage: Usage | None = None) -> ModelResponse:
    """A chunk with the id, model and time of another, that holds something else."""
    return replace(chunk, choices=choices, usage=usage, ends=None)


def as_chunk(response: ModelResponse) -> ModelResponse:
    """The response with every choice's message as its delta."""
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
    return replace(response, choices=choices)


def text_chunk(text: str, like: ModelResponse, choice: int = 0) -> ModelResponse:
    """A chunk that adds `text`, with the id, model and time of `like`."""
    return part_of(like, (Choice(index=choice, delta=Message(content=text)),))


def is_substantial(chunk: ModelResponse) -> bool:
    """Whether a chunk holds something of the model's answer, and not only a role or a ping."""
    return any(choice.finish_reason or _has_content(choice.delta or choice.message) for choice in chunk.choices)


def _has_content(message: Message | None) -> bool:
    if message is None:
        return False
    texts = message.content or message.refusal or message.reasoning_content
    return bool(texts or message.tool_calls or message.thinking_blocks)


def text_size(chunk: ModelResponse) -> int:
    """About how many bytes a chunk holds: its texts, and a flat amount for the objects around them."""
    size = 256
    for choice in chunk.choices:
        message = choice.delta or choice.message
        if message is not None:
            size += len(message.content or "") + len(message.reasoning_content or "") + len(message.refusal or "")
            for call in message.tool_calls:
                size += len(call.function.arguments) + len(call.thought_signature or "")
            for block in message.thinking_blocks:
                size += len(block.data or block.signature or "")
    return size


def received_size(received: Received) -> int:
    """About how many bytes a chunk and what the provider sent of it hold."""
    native = received.native
    return text_size(received.chunk) if native is None else 256 + 2 * len(native.raw)
