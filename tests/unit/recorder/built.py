"""Recordings made by hand, of a stream that stopped after two events unless a test says otherwise."""

from typing import Any

from msgspec.structs import replace

from app.recorder.recording import Body, Entry, Piece, RecordedAttempt, Recording
from tests.recordings import changed

EVENTS = (Piece(0.5, b'data: {"a": 1}\n\n'), Piece(2.5, b'data: {"a": 2}\n\n'))


def attempt(**changes: Any) -> RecordedAttempt:
    made = RecordedAttempt(
        deployment="east",
        provider="openai",
        model="gpt-5",
        began=0.0,
        ended=12.5,
        url="https://api.openai.com/v1/chat/completions",
        status=200,
        answer=EVENTS,
        answer_size=32,
    )
    return replace(made, **changes)


def recording(*attempts: RecordedAttempt, **changes: Any) -> Recording:
    """A recording; each change is of its entry or of itself, whichever has the field."""
    entry = Entry(
        transaction_id="txn_1",
        trace_id="0" * 32,
        started_at=1_000.0,
        duration_s=12.5,
        api="openai_chat",
        model="chat",
        provider="openai",
        stream=True,
        outcome="upstream_error",
        status=200,
        key="ada",
    )
    made = Recording(
        entry=entry, request=Body(), attempts=attempts, answer=EVENTS, answer_size=32, chunks_in=2, chunks_out=2
    )
    return changed(made, **changes)


def refused(status: int, body: bytes = b"", **changes: Any) -> Recording:
    """A recording of a request that was answered with a status before anything streamed."""
    nothing: dict[str, Any] = {"answer": (Piece(0.1, body),), "answer_size": len(body), "chunks_in": 0, "chunks_out": 0}
    attempts: tuple[RecordedAttempt, ...] = changes.pop("attempts", ())
    return recording(*attempts, status=status, **nothing, **changes)
