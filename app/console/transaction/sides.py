"""What a client sent and got, beside what a provider got and sent: the differences between the two. Pure.

Conversations are compared in the common form, so that another API of the provider is no difference by itself.
"""

from itertools import islice
from typing import Any

from msgspec import Struct

from app.recorder.recording import Body, RecordedAttempt, Recording
from app.transcripts.answers import ReadAnswer, read_answer
from app.transcripts.differences import Line, difference, readable_json
from app.transcripts.plain import answer_lines, conversation_lines
from app.transcripts.requests import ReadRequest, read_request
from app.transcripts.server_events import joined_bytes, json_in

_LARGEST = 6 * 1024**2
"""Bytes of a body that is laid out as JSON for a comparison."""
_MOST_LINES = 50_000
_BEGINNING = f"It is long: only its first {_MOST_LINES:,} lines were compared."


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
    before, now = (list(islice(conversation_lines(one), _MOST_LINES)) for one in (request, received))
    is_beginning = _MOST_LINES in (len(before), len(now))
    return RequestDifference(
        is_known=True,
        conversation=difference(before, now),
        body=_body_difference(recording.request, sent),
        note=received.note or request.note or (_BEGINNING if is_beginning else None),
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
