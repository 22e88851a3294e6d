"""What a client sent and got, beside what a provider got and sent: the differences between the two. Pure.

Conversations are compared in the common form, so that another API of the provider is no difference by itself.
"""

from collections.abc import Iterator, Sequence
from typing import Any

from msgspec import Struct

from app.console.blocks import text_of
from app.messages import (
    DocumentPart,
    ImagePart,
    InputMessage,
    OpaquePart,
    Part,
    RedactedThinkingPart,
    TextPart,
    ToolCallPart,
    ToolDefinition,
    ToolResultPart,
)
from app.recorder.recording import Body, RecordedAttempt, Recording
from app.transcripts.answers import ReadAnswer, read_answer
from app.transcripts.changes import name_of
from app.transcripts.differences import Line, difference, readable_json
from app.transcripts.requests import ReadRequest, read_request
from app.transcripts.server_events import joined_bytes, json_in

_LARGEST = 6 * 1024**2
"""Bytes of a body that is laid out as JSON for a comparison."""


class RequestDifference(Struct, frozen=True, kw_only=True):
    """A client's request beside the one that a provider got in an attempt."""

    is_known: bool
    """Whether the attempt's request was recorded at all."""
    is_same: bool = False
    """Whether not a byte differs."""
    conversation: tuple[Line, ...] = ()
    body: tuple[Line, ...] = ()
    note: str | None = None


class AnswerDifference(Struct, frozen=True, kw_only=True):
    """A provider's answer beside the one that the client got."""

    is_known: bool
    is_same: bool = False
    texts: tuple[Line, ...] = ()


def request_difference(recording: Recording, request: ReadRequest, attempt: RecordedAttempt) -> RequestDifference:
    sent = attempt.request
    if not sent.data:
        return RequestDifference(is_known=False)
    if sent.data == recording.request.data:
        return RequestDifference(is_known=True, is_same=True)
    received = read_request(attempt.api or None, sent, attempt.url)
    return RequestDifference(
        is_known=True,
        conversation=difference(list(conversation_lines(request)), list(conversation_lines(received))),
        body=_body_difference(recording.request, sent),
        note=received.note or request.note,
    )


def _body_difference(before: Body, now: Body) -> tuple[Line, ...]:
    if max(len(before.data), len(now.data)) > _LARGEST:
        return ()
    return difference(_json_lines(before.data), _json_lines(now.data))


def _json_lines(data: bytes) -> list[str]:
    value: Any = json_in(data)
    return readable_json(value) if value is not None else data.decode("utf-8", "replace").split("\n")


def answer_difference(recording: Recording, answer: ReadAnswer) -> AnswerDifference:
    """The last attempt's answer beside the client's."""
    received = recording.attempts[-1].answer if recording.attempts else ()
    if not received:
        return AnswerDifference(is_known=False)
    if joined_bytes(received) == joined_bytes(recording.answer):
        return AnswerDifference(is_known=True, is_same=True)
    texts = difference(list(answer_lines(read_answer(received))), list(answer_lines(answer)))
    return AnswerDifference(is_known=True, texts=texts)


def conversation_lines(request: ReadRequest) -> Iterator[str]:
    """A request as lines of text, alike for all APIs."""
    for tool in request.tools:
        yield from _tool_lines(tool)
    for message in request.messages:
        yield from _message_lines(message)


def answer_lines(answer: ReadAnswer) -> Iterator[str]:
    for choice in answer.choices:
        for part in choice.parts:
            yield from _part_lines(part)
    if answer.error is not None:
        yield f"error: {answer.error}"
    if answer.plain:
        yield from answer.plain.split("\n")


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
