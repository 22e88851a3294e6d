"""The common form of a response, as a whole or as the chunks of a stream, with LiteLLM's field names.

What a stream is made of is not tracked by the garbage collector (`gc=False`): it holds no cycles, and tracking
thousands of chunks took a third of the time of a fast stream.
"""

from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

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
    for choice in chunk.choices:
        if choice.finish_reason:
            return True
        message = choice.delta or choice.message
        if message is None:
            continue
        if message.content or message.refusal or message.reasoning_content:
            return True
        if message.tool_calls or message.thinking_blocks:
            return True
    return False


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
