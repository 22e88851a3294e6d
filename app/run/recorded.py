"""What the recordings of a session say of it: the tools that were called, and why what failed did."""

from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic

from app.messages import ToolCallPart
from app.recorder.explaining import explain
from app.recorder.recording import Entry, Recording
from app.recorder.stores import Cursor, Filter, Store
from app.transcripts.answers import read_answer

_LIMIT = 2.0
"""Seconds that recordings are read for, the newest first: somebody waits for their prompt."""
_MOST_FAILURES = 3


@dataclass(frozen=True)
class Recorded:
    tools: tuple[str, ...] = ()
    """The names of the tools that models called, one for each call."""
    failures: tuple[str, ...] = ()
    """What the last failures were, a sentence or two for each."""
    read: int | None = None
    """How many answers were read, where there were too many to read them all; None where all were."""


def recorded(store: Store, since: float, limit: float = _LIMIT) -> Recorded:
    """What a store has of the transactions that were opened since then, in Unix time. Raises StoreFailed."""
    tools: list[str] = []
    failures: list[str] = []
    deadline, read = monotonic() + limit, None
    for number, entry in enumerate(_entries(store, since)):
        if monotonic() > deadline:
            read = number
            break
        failed = entry.outcome != "ok" and len(failures) < _MOST_FAILURES
        if (recording := store.recording(entry.transaction_id)) is not None:
            tools += _called(recording)
            failures += [explain(recording)] if failed else []
    return Recorded(tuple(tools), tuple(dict.fromkeys(failures)), read)


def _entries(store: Store, since: float) -> Iterator[Entry]:
    page, after = store.entries(Filter(since=since)), None
    while page:
        yield from page
        after = Cursor(page[-1].started_at, page[-1].transaction_id)
        page = store.entries(Filter(since=since), after)


def _called(recording: Recording) -> list[str]:
    choices = read_answer(recording.answer).choices
    return [part.name for choice in choices for part in choice.parts if isinstance(part, ToolCallPart)]
