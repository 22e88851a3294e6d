"""The common form of a request: a conversation as typed parts, and what may be asked of the model."""

from collections.abc import Callable
from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import replace

from app.messages.credentials import ClientCredential
from app.text_fields import TextMap

Dialect = Literal["openai_chat", "anthropic_messages", "openai_responses", "openai_completions", "openai_embeddings"]
Operation = Literal["chat", "text_completion", "embeddings"]
"""`gen_ai.operation.name` of OpenTelemetry's conventions."""
Role = Literal["system", "developer", "user", "assistant", "tool"]


class TextPart(Struct, frozen=True, tag="text"):
    text: str
    extra: dict[str, Any] = {}


class ImagePart(Struct, frozen=True, tag="image"):
    """An image by `url`, or by `data` (base64) with its `media_type`. `detail` is OpenAI's word for how closely the
    model looks at it."""

    url: str | None = None
    data: str | None = None
    media_type: str | None = None
    detail: str | None = None
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
    """A call that the assistant made earlier; `arguments` is JSON text, verbatim where the dialect has it as text.
    `thought_signature` is Gemini's."""

    id: str
    name: str
    arguments: str
    extra: dict[str, Any] = {}
    thought_signature: str | None = None


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


_OF_CALLS = (ToolCallPart, ToolResultPart)
_NATIVE = ("system", "messages", "input", "instructions", "tools")
"""The fields of bodies that messages and tools are decoded from."""


class NativeRequest(Struct, frozen=True):
    """The client's own `body`, and what was decoded from it. Its messages and tools go on as they came to a provider of
    the same dialect, as long as the request holds these very objects: who changes anything makes new ones."""

    body: dict[str, Any]
    messages: tuple[InputMessage, ...]
    tools: tuple[ToolDefinition, ...]


class RequestBody(Struct, frozen=True):
    """The client's own bytes, and the request that was decoded from them: they hold for no other."""

    raw: bytes
    decoded: "Request"


class Request(Struct, frozen=True, kw_only=True):
    """What a client asks for. `stop` and the sampling parameters are None or empty where the client said nothing."""

    dialect: Dialect
    model: str
    messages: tuple[InputMessage, ...]
    operation: Operation = "chat"
    caller: str = ""
    """Stands for the key that the request came with, and does not tell it; empty where the gateway has no keys."""
    priority: int = 0
    """Who goes first where requests wait for a deployment: the greater."""
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
    query: str = ""
    """The query of the client's URL, without the question mark; it may go where `headers` go."""
    credential: ClientCredential | None = None
    """The caller's own, for deployments that hand it on."""
    native: NativeRequest | None = None
    size: int = 0
    """Bytes of the body that it came in: what is done with a large one is done beside the event loop."""
    body: RequestBody | None = None
    """On routes that pass the client's own bytes on."""

    @property
    def raw(self) -> bytes | None:
        """The client's own bytes, as long as the request holds the very values that were decoded from them."""
        body = self.body
        if body is None or any(getattr(self, name) is not getattr(body.decoded, name) for name in _DECODED):
            return None
        return body.raw

    def with_raw(self, raw: bytes) -> "Request":
        """The request beside the bytes that it was decoded from."""
        return replace(self, body=RequestBody(raw, self))

    def native_messages(self, dialect: Dialect) -> dict[str, Any] | None:
        """The body that has the messages as the client wrote them, where nobody changed any."""
        native = self.native
        untouched = native is not None and self.dialect == dialect and self.messages is native.messages
        return native.body if native is not None and untouched else None

    @property
    def has_calls(self) -> bool:
        """Whether a tool was called in the conversation."""
        # Loops, as a generator would be entered once for each part of a long conversation.
        for message in self.messages:
            for part in message.parts:
                if isinstance(part, _OF_CALLS):
                    return True
        return False

    @property
    def chooses_among_no_tools(self) -> bool:
        """Whether its tools are none, by the client's own empty list or because a policy took them away: a provider
        refuses a choice among them."""
        native = self.native
        return not self.tools and native is not None and native.body.get("tools") is not None

    def native_tools(self, dialect: Dialect) -> list[dict[str, Any]] | None:
        native = self.native
        untouched = native is not None and self.dialect == dialect and self.tools is native.tools
        return native.body.get("tools") if native is not None and untouched else None

    def map_text(self, change: Callable[[str], str], change_json: Callable[[str], str] | None = None) -> "Request":
        """Apply `change` to every text that the model or its provider will read, and `change_json` to the arguments of
        tool calls (`change` if there is none); the same object comes back if nothing changed. Which places hold text is
        in `app.text_fields`."""
        return self.mapped(TextMap(change, change_json))

    def mapped(self, texts: TextMap) -> "Request":
        """Apply `texts` to every text; it counts opaque data, or leaves it out. The same object if nothing changed."""
        native = self.native
        if native is None or self.messages is not native.messages or self.tools is not native.tools:
            return texts.apply(self)
        # The body has all that the common form has, and what that has no place for.
        body = {name: native.body[name] for name in _NATIVE if name in native.body}
        if texts.fields(body) is not body:
            texts.opaque.clear()
            # Something that the common form has no place for has to go, too: what is decoded goes on alone.
            return texts.apply(replace(self, native=None))
        rest = replace(self, messages=(), tools=())
        changed = texts.apply(rest)
        return self if changed is rest else replace(changed, messages=self.messages, tools=self.tools)


_DECODED = tuple(
    set(Request.__struct_fields__) - {"native", "body", "caller", "priority", "query", "credential", "size"}
)
"""The fields that are read in a client's body or its headers."""
