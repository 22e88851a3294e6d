"""The common form: what policies, pipeline and backends see, whatever dialect a client or a provider speaks.

Every struct is frozen: a change makes a new object (`msgspec.structs.replace`), so an object that comes out of a policy
as the same object is known to be untouched. `extra` holds what only the dialect of origin knows, as it came.

What a stream is made of is not tracked by the garbage collector (`gc=False`): it holds no cycles, and tracking
thousands of chunks took a third of the time of a fast stream.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

_decode = msgspec.json.Decoder().decode

Dialect = Literal["openai_chat", "anthropic_messages", "openai_responses", "openai_completions", "openai_embeddings"]
Operation = Literal["chat", "text_completion", "embeddings"]
"""`gen_ai.operation.name` of OpenTelemetry's conventions."""
Role = Literal["system", "developer", "user", "assistant", "tool"]
FinishReason = str
"""OpenAI's word: stop, length, tool_calls, content_filter, function_call; others as the provider said them."""


class TextPart(Struct, frozen=True, tag="text"):
    text: str
    extra: dict[str, Any] = {}


class ImagePart(Struct, frozen=True, tag="image"):
    """An image by `url`, or by `data` (base64) with its `media_type`."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    extra: dict[str, Any] = {}


class DocumentPart(Struct, frozen=True, tag="document"):
    """A file: by `url`, by `file_id`, as base64 `data`, or as plain `text`."""

    url: str | None = None
    data: str | None = None
    text: str | None = None
    file_id: str | None = None
    media_type: str | None = None
    title: str | None = None
    extra: dict[str, Any] = {}


class ToolCallPart(Struct, frozen=True, tag="tool_call"):
    """A call that the assistant made earlier; `arguments` is JSON text, verbatim where the dialect has it as text."""

    id: str
    name: str
    arguments: str
    extra: dict[str, Any] = {}


class ToolResultPart(Struct, frozen=True, tag="tool_result"):
    tool_call_id: str
    content: tuple["Part", ...] = ()
    is_error: bool = False
    extra: dict[str, Any] = {}


class ThinkingPart(Struct, frozen=True, tag="thinking"):
    thinking: str
    signature: str | None = None
    extra: dict[str, Any] = {}


class RedactedThinkingPart(Struct, frozen=True, tag="redacted_thinking"):
    data: str
    extra: dict[str, Any] = {}


class RefusalPart(Struct, frozen=True, tag="refusal"):
    refusal: str
    extra: dict[str, Any] = {}


class OpaquePart(Struct, frozen=True, tag="opaque"):
    """A part that only `dialect` knows (audio, server tool results, ...): forwarded within it, as it came."""

    dialect: Dialect
    raw: dict[str, Any]


Part = (
    TextPart
    | ImagePart
    | DocumentPart
    | ToolCallPart
    | ToolResultPart
    | ThinkingPart
    | RedactedThinkingPart
    | RefusalPart
    | OpaquePart
)


class InputMessage(Struct, frozen=True):
    """One message of a conversation. A tool result stands in a `tool` message (OpenAI) or a `user` one (Anthropic)."""

    role: Role
    parts: tuple[Part, ...]
    extra: dict[str, Any] = {}


class ToolDefinition(Struct, frozen=True):
    """A function that the model may call; `parameters` is a JSON schema. A provider's own tool is kept in `raw`."""

    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None
    raw: dict[str, Any] | None = None
    extra: dict[str, Any] = {}


class ToolChoice(Struct, frozen=True):
    mode: Literal["auto", "none", "required", "named"]
    name: str | None = None


class Reasoning(Struct, frozen=True):
    """How much the model may think: `effort` (OpenAI's word) or `budget_tokens` (Anthropic's). `enabled` False: not."""

    enabled: bool = True
    effort: str | None = None
    budget_tokens: int | None = None
    extra: dict[str, Any] = {}


class NativeRequest(Struct, frozen=True):
    """The client's own `body`, and what was decoded from it. Its messages and tools go on as they came to a provider of
    the same dialect, as long as the request holds these very objects: who changes anything makes new ones."""

    body: dict[str, Any]
    messages: tuple[InputMessage, ...]
    tools: tuple[ToolDefinition, ...]


class Request(Struct, frozen=True, kw_only=True):
    """What a client asks for. `stop` and the sampling parameters are None or empty where the client said nothing."""

    dialect: Dialect
    model: str
    messages: tuple[InputMessage, ...]
    stream: bool = False
    include_usage: bool = False
    """The client itself asked for a usage chunk (OpenAI's `stream_options.include_usage`)."""
    n: int | None = None
    max_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    tools: tuple[ToolDefinition, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    reasoning: Reasoning | None = None
    response_format: dict[str, Any] | None = None
    user: str | None = None
    extra: dict[str, Any] = {}
    headers: dict[str, str] = {}
    """Client headers that may go to a provider of the same dialect (`anthropic-beta`, ...), lower-case names."""
    native: NativeRequest | None = None
    raw: bytes | None = None
    """The client's own body, on routes that pass it on. It holds only for the very object that it came with."""

    @property
    def operation(self) -> Operation:
        return operation_of(self.dialect)

    def native_messages(self, dialect: Dialect) -> dict[str, Any] | None:
        """The body that has the messages as the client wrote them, where nobody changed any."""
        native = self.native
        untouched = native is not None and self.dialect == dialect and self.messages is native.messages
        return native.body if native is not None and untouched else None

    def native_tools(self, dialect: Dialect) -> list[dict[str, Any]] | None:
        native = self.native
        untouched = native is not None and self.dialect == dialect and self.tools is native.tools
        return native.body.get("tools") if native is not None and untouched else None

    def map_text(self, change: Callable[[str], str], change_json: Callable[[str], str] | None = None) -> "Request":
        """Apply `change` to every text that the model will read, and `change_json` to the arguments of tool calls
        (`change` if there is none); the same object comes back if nothing changed."""
        messages = tuple(_map_message(message, change, change_json or change) for message in self.messages)
        if all(new is old for new, old in zip(messages, self.messages, strict=True)):
            return self
        return replace(self, messages=messages)


def operation_of(dialect: Dialect) -> Operation:
    match dialect:
        case "openai_completions":
            return "text_completion"
        case "openai_embeddings":
            return "embeddings"
        case _:
            return "chat"


def _map_message(
    message: InputMessage, change: Callable[[str], str], change_json: Callable[[str], str]
) -> InputMessage:
    parts = _map_parts(message.parts, change, change_json)
    return message if parts is message.parts else replace(message, parts=parts)


def _map_parts(
    parts: tuple[Part, ...], change: Callable[[str], str], change_json: Callable[[str], str]
) -> tuple[Part, ...]:
    changed = tuple(_map_part(part, change, change_json) for part in parts)
    return parts if all(new is old for new, old in zip(changed, parts, strict=True)) else changed


def _map_part(part: Part, change: Callable[[str], str], change_json: Callable[[str], str]) -> Part:
    match part:
        case TextPart(text=text) if (new := change(text)) != text:
            return replace(part, text=new)
        case DocumentPart(text=str(text)) if (new := change(text)) != text:
            return replace(part, text=new)
        case ToolCallPart(arguments=text) if (new := change_json(text)) != text:
            return replace(part, arguments=new)
        case ToolResultPart(content=content) if (inner := _map_parts(content, change, change_json)) is not content:
            return replace(part, content=inner)
        case _:
            return part


class Function(Struct, frozen=True, gc=False):
    """`name` comes once, on a call's first chunk; `arguments` is the piece of JSON text that this chunk adds."""

    name: str | None = None
    arguments: str = ""


class ToolCall(Struct, frozen=True, gc=False):
    index: int = 0
    id: str | None = None
    type: str = "function"
    function: Function = Function()


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


Ended = Literal["content", "thinking"] | int
"""A block of which the provider says that it is complete: that of the text or of the thinking, or the call of this
index."""


class Native(Struct, frozen=True, gc=False):
    """What the provider itself sent, behind a chunk or a whole response.

    It holds only for the very object that it came with: whoever makes a changed one (`replace`) leaves it out.
    """

    dialect: Dialect
    raw: bytes
    """A whole body; or, of a stream, every byte since the event before, framing and comments included."""
    sequence: int = 0
    """Of a stream's events, counted from 0: a gap shows that something between was dropped or changed."""
    data: bytes = b""
    """The JSON object that it carries; empty where there is none (`[DONE]`, comments)."""
    kind: str = ""
    """The object's `type`, where it has one."""
    ends: Ended | None = None
    """The block that is complete with this event, where blocks of a stream may lie side by side."""
    place: tuple[int, int] | None = None
    """Of a piece of text in such a stream: the provider's numbers of the item and of the part that it belongs to."""

    @property
    def event(self) -> dict[str, Any] | None:
        """`data`, decoded anew by each call: few events are looked into once more."""
        event: dict[str, Any] | None = _decode(self.data) if self.data else None
        return event

    @property
    def ends_block(self) -> bool:
        """Whether the provider says here that the block before is complete."""
        return self.kind == "content_block_stop"


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
    native: Native | None = None


Batch = Sequence[ModelResponse]
"""The chunks of a stream that came at once, at least one, in their order."""


def part_of(chunk: ModelResponse, choices: tuple[Choice, ...], usage: Usage | None = None) -> ModelResponse:
    """A chunk with the id, model and time of another, that holds something else."""
    return replace(chunk, choices=choices, usage=usage, native=None)


def text_chunk(text: str, like: ModelResponse, choice: int = 0) -> ModelResponse:
    """A chunk that adds `text`, with the id, model and time of `like`."""
    return part_of(like, (Choice(index=choice, delta=Message(content=text)),))


def is_substantial(chunk: ModelResponse) -> bool:
    """Whether a chunk holds something of the model's answer, and not only a role or a ping."""
    return any(
        choice.finish_reason
        or (
            (said := choice.delta or choice.message)
            and (said.content or said.refusal or said.reasoning_content or said.tool_calls or said.thinking_blocks)
        )
        for choice in chunk.choices
    )


def text_size(chunk: ModelResponse) -> int:
    """About how many bytes a chunk holds: its texts, and a flat amount for the objects around them."""
    if chunk.native is not None:
        return 256 + 2 * len(chunk.native.raw)
    size = 256
    for choice in chunk.choices:
        said = choice.delta or choice.message
        if said is not None:
            size += len(said.content or "") + len(said.reasoning_content or "") + len(said.refusal or "")
            size += sum(len(call.function.arguments) for call in said.tool_calls)
            size += sum(len(block.data or block.signature or "") for block in said.thinking_blocks)
    return size
