"""The request body of OpenAI's chat completions, as far as the gateway looks into it.

A null counts as absent wherever a field is optional: clients send both. Fields not named here are unknown:
kept, not checked.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Required, TypedDict

from msgspec import Meta

from app.dialects.validation import without
from app.messages import Dialect

NAME: Dialect = "openai_chat"
PROVIDER = "openai"
FORWARDED_HEADERS = frozenset({"openai-beta", "openai-organization", "openai-project", "x-client-request-id"})
"""Headers of a client that go with its request to a provider of OpenAI's APIs."""

SHARED = frozenset(
    {"metadata", "moderation", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"}
    | {"safety_identifier", "service_tier", "store", "top_logprobs", "logprobs", "verbosity"}
)
"""Fields that the Responses API has, too; the last two stand elsewhere there."""

Name = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=1)]


class ImageURL(TypedDict, total=False):
    url: Required[str]
    detail: str | None


class File(TypedDict, total=False):
    file_data: str | None
    file_id: str | None
    filename: str | None


class ContentPart(TypedDict, total=False):
    """A part of any type: a known one is one of the following, whose fields others may use in their own ways."""

    type: Required[str]


class TextPart(TypedDict, total=False):
    text: Required[str]


class RefusalPart(TypedDict, total=False):
    refusal: Required[str]


class ImagePart(TypedDict, total=False):
    """Mistral's API and its SDKs have the URL alone in place of the object."""

    image_url: Required[ImageURL | str]


class FilePart(TypedDict, total=False):
    file: Required[File]


class CalledFunction(TypedDict, total=False):
    name: Required[str]
    arguments: str | dict[str, Any] | None


class CalledCustom(TypedDict, total=False):
    name: Required[str]
    input: Required[str]


class ToolCall(TypedDict, total=False):
    id: Required[str]
    type: str | None
    function: CalledFunction | None
    custom: CalledCustom | None


class ThinkingBlock(TypedDict, total=False):
    """LiteLLM's addition, which this gateway's answers use too: Anthropic's thinking, to be sent back as it came."""

    type: Required[str]
    thinking: str | None
    signature: str | None
    data: str


class Message(TypedDict, total=False):
    role: Required[Literal["system", "developer", "user", "assistant", "tool", "function"]]
    content: str | list[ContentPart] | None
    refusal: str | None
    reasoning_content: str | None
    thinking_blocks: list[ThinkingBlock] | None
    tool_calls: list[ToolCall] | None
    function_call: CalledFunction | None
    tool_call_id: str | None
    name: str | None


class FunctionDefinition(TypedDict, total=False):
    name: Required[Name]
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool | None


class Tool(TypedDict, total=False):
    type: Required[str]
    function: FunctionDefinition


class StreamOptions(TypedDict, total=False):
    include_usage: bool | None


class ChosenFunction(TypedDict, total=False):
    name: Required[str]


class ToolChoice(TypedDict, total=False):
    type: Required[str]
    function: ChosenFunction
    custom: ChosenFunction


class Body(TypedDict, total=False):
    model: Required[Name]
    messages: Required[Annotated[list[Message], Meta(min_length=1)]]
    stream: bool | None
    stream_options: StreamOptions | None
    n: Count | None
    max_tokens: Count | None
    max_completion_tokens: Count | None
    temperature: float | None
    top_p: float | None
    stop: str | list[str] | None
    tools: list[Tool] | None
    tool_choice: str | ToolChoice | None
    parallel_tool_calls: bool | None
    reasoning_effort: str | None
    response_format: dict[str, Any] | None
    user: str | None


def other_stream_options(body: Mapping[str, Any]) -> dict[str, Any]:
    """The field `stream_options` with what the common form has no place for; nothing if that is empty."""
    others = without(body.get("stream_options") or {}, frozenset({"include_usage"}))
    return {"stream_options": others} if others else {}
