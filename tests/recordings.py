"""Recordings of transactions that never were, and stand-ins for what is taken of one."""

import json
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from app.recorder.recording import Body, Entry, Piece, RecordedAttempt, Recording, TokenCounts
from telemetry.names import Outcome

EPOCH = 2_000_000_000.0


def recorded(
    number: int,
    *,
    asked: str = "What is the weather?",
    answered: str = "It rains.",
    outcome: Outcome = "ok",
    model: str = "sonnet",
    key: str | None = "alice",
    team: str | None = None,
    conversation: str | None = None,
    agent: str | None = None,
    deployment: str | None = "sonnet-1",
    started_at: float | None = None,
    cost_usd: float | None = 0.01,
    intervened: bool = False,
    stream: bool = True,
) -> Recording:
    """The recording `txn_{number}` of a small streamed chat, begun `number` seconds after `EPOCH`."""
    request = json.dumps({"model": model, "messages": [{"role": "user", "content": asked}]}).encode()
    pieces = tuple(Piece(0.1 * index, event) for index, event in enumerate(_events(answered)))
    entry = Entry(
        transaction_id=f"txn_{number}",
        trace_id=f"{number:032x}",
        started_at=EPOCH + number if started_at is None else started_at,
        duration_s=1.5,
        api="openai_chat",
        model=model,
        provider="openai",
        deployment=deployment,
        stream=stream,
        outcome=outcome,
        status=200 if outcome == "ok" else 502,
        key=key,
        team=team,
        conversation=conversation,
        agent=agent,
        attempts=1,
        tokens=TokenCounts(input=10, cache_read=4, output=5),
        cost_usd=cost_usd,
        intervened=intervened,
        title=asked[:80],
    )
    attempt = RecordedAttempt(
        deployment="sonnet-1",
        provider="openai",
        model="gpt",
        began=0.0,
        ended=1.0,
        request=Body(data=request),
        answer=pieces,
    )
    body = Body(headers=(("content-type", "application/json"),), data=request, size=len(request))
    return Recording(entry=entry, request=body, attempts=(attempt,), answer=pieces)


def changed(made: Recording, **changes: Any) -> Recording:
    """The recording with other values: each change is of its entry, or of itself if the entry has no such field."""
    of_entry = {name: changes.pop(name) for name in list(changes) if name in Entry.__struct_fields__}
    return replace(made, entry=replace(made.entry, **of_entry), **changes)


def _events(text: str) -> list[bytes]:
    """Three letters to an event, as models are wont to cut words."""
    pieces = [text[start : start + 3] for start in range(0, len(text), 3)]
    events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    return [f"data: {json.dumps(event)}\n\n".encode() for event in events] + [b"data: [DONE]\n\n"]


@dataclass(frozen=True)
class TakenRecording:
    """A transaction that has ended, as it is offered to a recorder."""

    made: Recording
    size: int = 1000
    pinned: str | None = None

    @property
    def transaction_id(self) -> str:
        return self.made.entry.transaction_id

    @property
    def outcome(self) -> Outcome:
        return self.made.entry.outcome

    @property
    def model(self) -> str:
        return self.made.entry.model

    @property
    def key(self) -> str | None:
        return self.made.entry.key

    @property
    def conversation(self) -> str | None:
        return self.made.entry.conversation

    @property
    def deployment(self) -> str | None:
        return self.made.entry.deployment

    def recording(self) -> Recording:
        return self.made
