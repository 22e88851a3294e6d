"""The request body of Anthropic's messages, as far as the gateway looks into it.

A null counts as absent wherever a field is optional. Fields and block types not named here are unknown: kept,
not checked.
"""

from typing import Annotated, Any, Literal, Required, TypedDict

from msgspec import Meta

from app.messages import Dialect

NAME: Dialect = "anthropic_messages"
HEADER_PREFIX = "anthropic-"
"""Begins the names of the headers that belong to this API. The list is open: each new capability may bring one
(`-version`, `-beta`, `-workspace-id`, ...), and a client that sent it is answered otherwise where it got lost."""
FORWARDED_HEADERS = frozenset({"x-claude-code-session-id"})
"""Further headers of a client that go with its request to a provider of this API."""

Name = Annotated[str, Meta(min_length=1)]


class Source(TypedDict, total=False):
    type: Required[str]
    data: str
    media_type: str
    url: str
    file_id: str


class Block(TypedDict, total=False):
    """A block of any type: a known one is one of the following, whose fields others may use in their own ways."""

    type: Required[str]


class TextBlock(TypedDict, total=False):
    text: Required[str]


class FileBlock(TypedDict, total=False):
    """A block of type `image` or `document`."""

    source: Required[Source]
    title: str | None


class ThinkingBlock(TypedDict, total=False):
    thinking: Required[str]
    signature: str | None


class RedactedThinkingBlock(TypedDict, total=False):
    data: Required[str]


class ToolUseBlock(TypedDict, total=False):
    id: Required[str]
    name: Required[str]
    input: Required[dict[str, Any]]


class ToolResultBlock(TypedDict, total=False):
    tool_use_id: Required[str]
    content: str | list[Block] | None
    is_error: bool | None


class Message(TypedDict, total=False):
    role: Required[Literal["user", "assistant", "system"]]
    content: Required[str | list[Block]]


class Tool(TypedDict, total=False):
    """A function (type absent or `custom`), or a tool of Anthropic's own, which is kept as it is."""

    type: str | None
    name: Name
    description: str | None
    input_schema: dict[str, Any]
    strict: bool | None


class ToolChoice(TypedDict, total=False):
    type: Required[str]
    name: str
    disable_parallel_tool_use: bool | None


class Thinking(TypedDict, total=False):
    type: Required[str]
    budget_tokens: int | None


class OutputConfig(TypedDict, total=False):
    effort: str | None
    format: dict[str, Any] | None


class Metadata(TypedDict, total=False):
    user_id: str | None


class Body(TypedDict, total=False):
    model: Required[Name]
    messages: Required[Annotated[list[Message], Meta(min_length=1)]]
    max_tokens: Required[Annotated[int, Meta(ge=0)]]
    system: str | list[Block] | None
    stream: bool | None
    temperature: float | None
    top_p: float | None
    top_k: int | None
    stop_sequences: list[str] | None
    tools: list[Tool] | None
    tool_choice: ToolChoice | None
    thinking: Thinking | None
    output_config: OutputConfig | None
    output_format: dict[str, Any] | None
    metadata: Metadata | None
