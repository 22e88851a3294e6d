"""A recorded stream of chat completions, and what went wrong with it."""

import json
from typing import Any

from msgspec.structs import replace

from app.recorder.recording import Body, Entry, Piece, RecordedAttempt, Recording
from tests.recordings import changed

_HEAD = (("content-type", "application/json"),)
MESSAGES = [{"role": "user", "content": "Where is Ada?"}]


def event(text: str, reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": reason}
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5", "choices": [choice]}
    return b"data: %b\n\n" % json.dumps(chunk).encode()


BEGINNING = tuple(Piece(0.5 + at / 10, event(text)) for at, text in enumerate(("Ask ", "ada@example", ".com ")))
END = (Piece(1.9, event("", "stop")), Piece(2.0, b"data: [DONE]\n\n"))


def body(**fields: Any) -> bytes:
    return json.dumps({"model": "chat", "stream": True, "messages": MESSAGES, **fields}).encode()


def recording(pieces: tuple[Piece, ...] = BEGINNING + END, asked: bytes = b"", **changes: Any) -> Recording:
    """A recording of a stream that passed as it came. `asked` is another body of the client's request; changes are of
    its attempt, its entry or itself."""
    asked = asked or body()
    sent = body(model="gpt-5", stream_options={"include_usage": True}, temperature=0.5)
    size = sum(len(piece.data) for piece in pieces)
    attempt = RecordedAttempt(
        deployment="east",
        provider="openai",
        model="gpt-5",
        began=0.1,
        ended=2.0,
        url="https://api.openai.com/v1/chat/completions",
        api="openai_chat",
        request=Body(_HEAD, sent, len(sent)),
        status=200,
        response_headers=(("content-type", "text/event-stream"),),
        answer=pieces,
        answer_size=size,
    )
    entry = Entry(
        transaction_id=f"txn_{0:032x}",
        trace_id="0" * 32,
        started_at=1_000.0,
        duration_s=2.1,
        api="openai_chat",
        path="/v1/chat/completions",
        model="chat",
        stream=True,
        outcome="ok",
        status=200,
        key="ada",
    )
    made = Recording(
        entry=entry,
        request=Body(_HEAD, asked, len(asked)),
        attempts=(attempt,),
        answer=pieces,
        answer_size=size,
    )
    of_attempt = {name: changes.pop(name) for name in list(changes) if name in RecordedAttempt.__struct_fields__}
    return changed(replace(made, attempts=(replace(attempt, **of_attempt),)), **changes)
