"""Requests and answers as lines of plain text, alike for all APIs, so that two of them can be compared. Pure."""

from collections.abc import Iterator, Sequence

from app.messages import (
    DocumentPart,
    ImagePart,
    InputMessage,
    OpaquePart,
    Part,
    RedactedThinkingPart,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolDefinition,
    ToolResultPart,
)
from app.transcripts.answers import ReadAnswer
from app.transcripts.changes import name_of
from app.transcripts.differences import readable_json
from app.transcripts.requests import ReadRequest
from app.transcripts.server_events import json_in


def conversation_lines(request: ReadRequest) -> Iterator[str]:
    """A request as lines of text, alike for all APIs."""
    for tool in request.tools:
        yield from _tool_lines(tool)
    for message in request.messages:
        yield from _message_lines(message)


def answer_lines(answer: ReadAnswer) -> Iterator[str]:
    """An answer as lines of text, alike for all APIs: its parts in their order, and why it ended. Ids are left out."""
    for choice in answer.choices:
        for part in choice.parts:
            yield from part.text.split("\n") if isinstance(part, TextPart) else _part_lines(part)
        if choice.reason is not None:
            yield f"ends with: {choice.reason}"
    yield from answer.plain.splitlines()
    if answer.error is not None:
        yield f"error: {answer.error}"


def text_of(part: Part) -> str:
    """What a part says, as text; data of images and files is left out."""
    match part:
        case TextPart(text=text) | ThinkingPart(thinking=text) | RefusalPart(refusal=text):
            return text
        case ToolCallPart(arguments=arguments):
            value = json_in(arguments.encode("utf-8", "replace"))
            return arguments if value is None else "\n".join(readable_json(value))
        case ToolResultPart(content=content):
            return "\n".join([text_of(inner) for inner in content])
        case DocumentPart(text=text, url=url, file_id=file_id):
            return text or url or file_id or ""
        case ImagePart(url=url):
            return "" if url is None or url.startswith("data:") else url
        case OpaquePart(raw=raw):
            return "\n".join(readable_json(raw))
        case RedactedThinkingPart():
            return ""


def _tool_lines(tool: ToolDefinition) -> Iterator[str]:
    yield f"tool {name_of(tool)}"
    yield from _indented(tool.description or "")
    yield from _indented("\n".join(readable_json(tool.parameters)) if tool.parameters is not None else "")


def _message_lines(message: InputMessage) -> Iterator[str]:
    # Some APIs have a tool's results in a message of their own role, others among what the user says.
    has_results = any(isinstance(part, ToolResultPart) for part in message.parts)
    role = "system" if message.role == "developer" else message.role
    if not has_results:
        yield role
    for part in message.parts:
        if has_results and not isinstance(part, ToolResultPart):
            yield role
        yield from _part_lines(part)


def _part_lines(part: Part) -> Iterator[str]:
    match part:
        case TextPart():
            pass
        case ToolCallPart(name=name):
            yield f"call {name}"
        case ToolResultPart():
            yield "result"
        case ImagePart() | DocumentPart():
            yield f"{'image' if isinstance(part, ImagePart) else 'file'} {_data_size(part.data)}"
        case RedactedThinkingPart():
            yield "encrypted thinking"
        case OpaquePart(raw=raw):
            yield str(raw.get("type") or "part")
        case _:
            yield type(part).__name__.removesuffix("Part").lower()
    yield from _indented(text_of(part))


def _data_size(data: str | None) -> str:
    return "" if data is None else f"of {len(data):,} characters in base64"


def _indented(text: str) -> Sequence[str]:
    return [f"  {line}" for line in text.split("\n")] if text else ()
