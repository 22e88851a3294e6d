"""What a client got when it was recorded, beside what it gets in a replay. Pure.

Ids and times that a gateway makes are other ones each time, where it writes an answer's events itself; and comments
that keep a silent stream alive come by the clock. Two answers that differ in nothing else are the same.
"""

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from app.recorder.masks import is_same_behind_masks
from app.recorder.recording import Piece, Recording
from app.transcripts.answers import read_answer
from app.transcripts.differences import Line, difference
from app.transcripts.plain import answer_lines

_TIMES = re.compile(rb'"(created|created_at|completed_at)":\s*\d+')
_MASK = "*"
_LIMIT = re.compile(r"(?<=within )[\d.]+(?= s\b)")
_LIMIT_OF_EVENT = re.compile(rb'("error":.{0,300}?within )[\d.]+(?= s\b)')
"""A limit in the words of an error. A replay that does not wait has other limits than the gateway had."""
_ALIVE = re.compile(rb'(?:^|(?<=\n))(?::[^\n]*\n\n|event: ping\ndata: \{"type": ?"ping"\}\n\n)')
"""Comments, and the event that stands for one in Anthropic's API."""


class Comparison(Struct, frozen=True):
    """Two answers: then, and now."""

    outcomes: tuple[str, str]
    """How the transactions ended, with the type of the error where there was one."""
    statuses: tuple[int, int]
    events: tuple[int, int]
    bytes: tuple[int, int]
    are_equal: bool
    """Whether the client got the same bytes."""
    are_alike: bool
    """Whether it did but for what a gateway makes anew each time: ids, times, comments."""
    are_masked: bool
    """Whether the answers read the same but for masks in the recording."""
    lines: tuple[Line, ...]
    """What differs of the answer as it reads."""

    @property
    def is_same(self) -> bool:
        return (self.are_alike or self.are_masked) and not self.reads_otherwise

    @property
    def reads_otherwise(self) -> bool:
        """Whether outcome, status or what the answer says differ."""
        return bool(self.lines) or self.outcomes[0] != self.outcomes[1] or self.statuses[0] != self.statuses[1]


def compare(recording: Recording, replayed: Recording) -> Comparison:
    then, now = _body(recording.answer), _body(replayed.answer)
    before, after = read_answer(recording.answer), read_answer(replayed.answer)
    lines, now_lines = _without_limits(answer_lines(before)), _without_limits(answer_lines(after))
    has_failed = recording.entry.outcome != "ok"
    are_masked = bool(recording.concealed) and _are_same_behind_masks(lines, now_lines, has_failed=has_failed)
    return Comparison(
        outcomes=(_outcome(recording), _outcome(replayed)),
        statuses=(recording.entry.status, replayed.entry.status),
        events=(before.events, after.events),
        bytes=(len(then), len(now)),
        are_equal=then == now,
        are_alike=_lasting(then, recording) == _lasting(now, replayed),
        are_masked=are_masked,
        lines=() if are_masked else difference(lines, now_lines),
    )


def _without_limits(lines: Iterable[str]) -> list[str]:
    return [_LIMIT.sub("…", line) if line.startswith("error: ") else line for line in lines]


def _are_same_behind_masks(then: Sequence[str], now: Sequence[str], *, has_failed: bool) -> bool:
    """Where an answer `has_failed`, its policies may have held a few characters back then, which are masked. No policy
    holds masks back, so they may come behind the text now."""
    return len(then) == len(now) and all(
        is_same_behind_masks(one, other) or (has_failed and other.rstrip(_MASK) == one.rstrip(_MASK))
        for one, other in zip(then, now, strict=True)
    )


def _outcome(recording: Recording) -> str:
    outcome, error_type = recording.entry.outcome, recording.entry.error_type
    return outcome if error_type is None or error_type == outcome else f"{outcome} ({error_type})"


def _body(pieces: Sequence[Piece]) -> bytes:
    return b"".join([piece.data for piece in pieces])


def _lasting(body: bytes, recording: Recording) -> bytes:
    """A body without what a gateway makes anew each time."""
    body = body.replace(recording.entry.transaction_id.removeprefix("txn_").encode(), b"")
    return _LIMIT_OF_EVENT.sub(rb"\1", _TIMES.sub(rb'"\1":0', _ALIVE.sub(b"", body)))
