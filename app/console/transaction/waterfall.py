"""A transaction's spans, attempts, pieces and moments as rows on one time axis. Pure.

Positions are shares of the axis in percent, so that a picture of them has any width.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from app.figures import counted
from app.recorder.recording import Moment, Piece, RecordedSpan, Recording
from telemetry.names.spans import Attribute

RowKind = Literal["transaction", "attempt", "policy", "queue", "other", "pieces"]
_STEPS = (1, 2, 5)
_MARKS = 8
"""About how many marks the axis has."""
_TICKS = 400
"""Ticks of a row; those of pieces that came closer together are one."""
_MOST_ROWS = 60


class Tick(Struct, frozen=True):
    """Something at one moment: `x` in percent; `height` in percent of the row."""

    x: float
    height: float
    title: str


class Row(Struct, frozen=True, kw_only=True):
    kind: RowKind
    label: str
    title: str = ""
    depth: int = 0
    x: float = 0.0
    width: float = 0.0
    seconds: float | None = None
    is_failed: bool = False
    ticks: tuple[Tick, ...] = ()


class Waterfall(Struct, frozen=True):
    marks: tuple[tuple[float, float], ...]
    """Positions of the axis's marks in percent, and the seconds that they stand for."""
    rows: tuple[Row, ...]


def waterfall_of(recording: Recording) -> Waterfall:
    whole = _length(recording)
    rows = [*_span_rows(recording, whole), *_piece_rows(recording, whole)]
    if recording.moments:
        rows.append(_moment_row(recording.moments, whole))
    return Waterfall(tuple([(_percent(at, whole), at) for at in _marks(whole)]), tuple(rows))


def _length(recording: Recording) -> float:
    ends = [recording.entry.duration_s, *(span.ended for span in recording.spans)]
    ends += [attempt.ended for attempt in recording.attempts]
    return max(max(ends), 1e-6)


def _percent(at: float, whole: float) -> float:
    return round(100 * min(max(at / whole, 0.0), 1.0), 3)


def _marks(whole: float) -> list[float]:
    """Round numbers of seconds along the axis."""
    power = 10.0**-9
    while power * 10 < whole / _MARKS:
        power *= 10
    step = next((step * power for step in (*_STEPS, 10, 20, 50) if step * power * _MARKS >= whole), whole)
    return [number * step for number in range(int(whole / step * 1.0001) + 1)]


def _span_rows(recording: Recording, whole: float) -> Iterable[Row]:
    spans = recording.spans or _as_spans(recording)
    by_parent: dict[str, list[RecordedSpan]] = {}
    ids = {span.span_id for span in spans}
    for span in sorted(spans, key=lambda span: (span.began, -span.ended)):
        by_parent.setdefault(span.parent_id if span.parent_id in ids else "", []).append(span)
    rows: list[Row] = []
    waiting = [(0, span) for span in reversed(by_parent.get("", []))]
    seen: set[str] = set()
    while waiting and len(rows) < _MOST_ROWS:
        depth, span = waiting.pop()
        if span.span_id in seen:
            continue
        seen.add(span.span_id)
        rows.append(_row(span, depth, whole))
        waiting += [(depth + 1, child) for child in reversed(by_parent.get(span.span_id, []))]
    return rows


def _as_spans(recording: Recording) -> tuple[RecordedSpan, ...]:
    """The transaction and its attempts, where no spans were recorded."""
    entry = recording.entry
    root = RecordedSpan(f"{entry.operation} {entry.model}", "server", "root", "", 0.0, entry.duration_s)
    attempts = [
        RecordedSpan(one.deployment, "client", f"attempt {at}", "root", one.began, one.ended, one.error_type)
        for at, one in enumerate(recording.attempts)
    ]
    return (root, *attempts)


def _row(span: RecordedSpan, depth: int, whole: float) -> Row:
    x = _percent(span.began, whole)
    return Row(
        kind=_kind(span),
        label=span.name,
        title=span.error or "",
        depth=min(depth, 5),
        x=x,
        width=round(_percent(span.ended, whole) - x, 3),
        seconds=span.ended - span.began,
        is_failed=span.error is not None,
        ticks=tuple([Tick(_percent(event.at, whole), 100.0, _moment_title(event)) for event in span.events[:_TICKS]]),
    )


def _kind(span: RecordedSpan) -> RowKind:
    if span.kind == "server":
        return "transaction"
    if span.kind == "client":
        return "attempt"
    if Attribute.QUEUE_NAME in span.attributes or "queue" in span.name:
        return "queue"
    return "policy" if Attribute.HOOK in span.attributes or "policy" in span.name else "other"


def _piece_rows(recording: Recording, whole: float) -> Iterable[Row]:
    several = len(recording.attempts) > 1
    for number, attempt in enumerate(recording.attempts, 1):
        if attempt.answer:
            label = f"bytes from the provider{f', attempt {number}' if several else ''}"
            yield Row(kind="pieces", label=label, ticks=_piece_ticks(attempt.answer, whole))
    if recording.answer:
        yield Row(kind="pieces", label="bytes to the client", ticks=_piece_ticks(recording.answer, whole))


def _piece_ticks(pieces: Sequence[Piece], whole: float) -> tuple[Tick, ...]:
    """A tick for each piece, higher for larger ones; those that would stand upon each other are one."""
    buckets: dict[int, tuple[int, int]] = {}
    for piece in pieces:
        bucket = round(_TICKS * min(max(piece.at / whole, 0.0), 1.0))
        count, size = buckets.get(bucket, (0, 0))
        buckets[bucket] = count + 1, size + len(piece.data)
    largest = max(size for _, size in buckets.values()) or 1
    return tuple(
        [
            Tick(round(100 * bucket / _TICKS, 3), round(30 + 70 * size / largest, 1), _piece_title(count, size))
            for bucket, (count, size) in sorted(buckets.items())
        ]
    )


def _piece_title(count: int, size: int) -> str:
    return f"{counted(count, 'piece')}, {counted(size, 'byte')}"


def _moment_row(moments: Sequence[Moment], whole: float) -> Row:
    ticks = [Tick(_percent(moment.at, whole), 100.0, _moment_title(moment)) for moment in moments[:_TICKS]]
    return Row(kind="other", label="moments", ticks=tuple(ticks))


def _moment_title(moment: Moment) -> str:
    details = ", ".join(f"{short(name)} {value}" for name, value in list(moment.attributes.items())[:6])
    return f"{moment.at:.3f} s {moment.name}{f': {details}' if details else ''}"


def short(name: str) -> str:
    """An attribute's name without the namespace that all of them have."""
    return name.removeprefix("flowspan.")


def shortened(attributes: Mapping[str, object]) -> dict[str, str]:
    return {short(name): str(value) for name, value in attributes.items()}
