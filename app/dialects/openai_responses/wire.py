"""The request body of OpenAI's Responses API, as far as the gateway looks into it.

A null counts as absent wherever a field is optional. Fields, items and parts not named here are unknown: kept, not
checked.
"""

from typing import Annotated, Any, Literal, Required, TypedDict

from msgspec import Meta

Name = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=1)]


class Part(TypedDict, total=False):
    """Of any kind: a known one is one of the following, whose fields the others may use in their own ways."""

    type: Required[str]


class TextPart(TypedDict, total=False):
    """`input_text` or `output_text`."""

    text: Required[str]


class RefusalPart(TypedDict, total=False):
    refusal: Required[str]


class ImagePart(TypedDict, total=False):
    image_url: str | None
    file_id: str | None


class FilePart(TypedDict, total=False):
    file_data: str | None
    file_id: str | None
    file_url: str | None
    filename: str | None


class Item(TypedDict, total=False):
    """Of any kind; one without a type is a message."""

    type: str | None


class Message(TypedDict, total=False):
    role: Required[Literal["system", "developer", "user", "assistant"]]
    content: Required[str | list[Part]]


class FunctionCall(TypedDict, total=False):
    call_id: Required[str]
    name: Required[str]
    arguments: Required[str]


class CustomToolCall(TypedDict, total=False):
    call_id: Required[str]
    name: Required[str]
    input: Required[str]


class CallOutput(TypedDict, total=False):
    """`function_call_output` or `custom_tool_call_output`."""

    call_id: Required[str]
    output: Required[str | list[Part]]


class LocalOutput(TypedDict, total=False):
    """What the client's own shell or editor said, for the call of an `id` or a `call_id`."""

    id: str | None
    call_id: str | None
    output: str | None


class Thought(TypedDict, total=False):
    text: str | None


class Reasoning(TypedDict, total=False):
    """An item; `summary` is what was shown, `content` what was thought, where a model tells it."""

    summary: list[Thought] | None
    content: list[Thought] | None
    encrypted_content: str | None


class Tool(TypedDict, total=False):
    type: Required[str]
    name: Name
    description: str | None
    parameters: dict[str, Any] | None
    strict: bool | None


class ToolChoice(TypedDict, total=False):
    type: Required[str]
    name: str


class ReasoningOptions(TypedDict, total=False):
    effort: str | None


class TextOptions(TypedDict, total=False):
    format: dict[str, Any] | None


class Body(TypedDict, total=False):
    model: Required[Name]
    input: str | list[Item] | None
    instructions: str | None
    stream: bool | None
    max_output_tokens: Count | None
    temperature: float | None
    top_p: float | None
    tools: list[Tool] | None
    tool_choice: str | ToolChoice | None
    parallel_tool_calls: bool | None
    reasoning: ReasoningOptions | None
    text: TextOptions | None
    user: str | None
