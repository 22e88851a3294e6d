"""The request body of OpenAI's Responses API, as far as the gateway looks into it.

A null counts as absent wherever a field is optional. Fields, items and parts not named here are unknown: kept, not
checked.
"""

from typing import Annotated, Any, Literal, Required, TypedDict

from msgspec import Meta

from app.messages import Dialect

NAME: Dialect = "openai_responses"
PROVIDER = "openai"
LOGPROBS = "message.output_text.logprobs"
"""A wish in `include`."""
INSTRUCTIONS = "instructions"
"""As `type` in the `extra` of a message: it stood in that field, and was no item."""
TEXT = "text"
"""As `type` in the `extra` of a message: it was the whole input, and no item."""
ITEM = "item"
"""As `type` in the `extra` of a message: an opaque item is all of it."""
MIN_OUTPUT_TOKENS = 16
"""The least limit of tokens that OpenAI's API takes."""
SHELL_TEXTS = ("stdout", "stderr")
"""The fields with text in an entry of a shell's output."""

Name = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=1)]


class Part(TypedDict, total=False):
    """A part of any type: a known one is one of the following, whose fields others may use in their own ways."""

    type: Required[str]


class TextPart(TypedDict, total=False):
    """A part of type `input_text` or `output_text`."""

    text: Required[str]


class RefusalPart(TypedDict, total=False):
    refusal: Required[str]


class ImagePart(TypedDict, total=False):
    detail: str | None
    image_url: str | None
    file_id: str | None


class FilePart(TypedDict, total=False):
    file_data: str | None
    file_id: str | None
    file_url: str | None
    filename: str | None


class Item(TypedDict, total=False):
    """An item of any type; one without a type is a message."""

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
    """An item of type `function_call_output` or `custom_tool_call_output`."""

    call_id: Required[str]
    output: Required[str | list[Part]]


class LocalOutput(TypedDict, total=False):
    """The output of the client's own shell or editor, for the call of an `id` or a `call_id`."""

    id: str | None
    call_id: str | None
    output: str | None


class Thought(TypedDict, total=False):
    text: str | None


class Reasoning(TypedDict, total=False):
    """An item; `summary` is what was shown, `content` the reasoning itself, where a model gives it."""

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
    include: list[str] | None
    user: str | None
