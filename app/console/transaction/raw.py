"""Bytes as they came, legible: events with their times, controls as escapes, what is no text in hex. Pure."""

import re
from collections import Counter
from collections.abc import Sequence

from msgspec import Struct

from app.console.texts import excerpt
from app.recorder.recording import Piece
from app.transcripts.server_events import ServerEvent, is_event_stream, server_events

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SHORT = 150
_LONGEST = 8_000
"""Characters of one event that stand on a page."""
_HEX_WIDTH = 16
_COMMENT = "comment"


class RawEvent(Struct, frozen=True, kw_only=True):
    """An event, or a piece of a body that is no stream of events."""

    number: int
    at: float
    since: float
    """Seconds since the one before."""
    name: str
    size: int
    summary: str
    text: str
    """Its bytes, legible, or their beginning."""
    left_out: int = 0
    """Bytes that do not stand in `text`."""


class EventCount(Struct, frozen=True):
    """How often an event of this kind came from the provider, and went to the client."""

    name: str
    received: int
    sent: int


def raw_events(pieces: Sequence[Piece], first: int = 0, count: int | None = None) -> tuple[list[RawEvent], int]:
    """The events of one side from the number `first` on, and how many there are in all."""
    events = events_of(pieces)
    chosen = events[first : None if count is None else first + count]
    before = events[first - 1].at if 0 < first <= len(events) else 0.0
    found: list[RawEvent] = []
    for number, event in enumerate(chosen, first + 1):
        text = legible(event.raw[:_LONGEST])
        found.append(
            RawEvent(
                number=number,
                at=event.at,
                since=event.at - before,
                name=event.name,
                size=len(event.raw),
                summary=excerpt(legible((event.data or event.raw)[: 4 * _SHORT]), _SHORT),
                text=text,
                left_out=max(0, len(event.raw) - _LONGEST),
            )
        )
        before = event.at
    return found, len(events)


def events_of(pieces: Sequence[Piece]) -> list[ServerEvent]:
    """The events of a stream under their names, or the pieces of another body."""
    start = next((piece.data for piece in pieces if piece.data), b"")
    if not is_event_stream(start):
        return [ServerEvent(piece.at, piece.data, "bytes", piece.data) for piece in pieces]
    return [ServerEvent(event.at, event.raw, _name(event), event.data) for event in server_events(pieces)]


def _name(event: ServerEvent) -> str:
    """What an event is called: its name, or the kind that its object says it is of."""
    if event.is_comment:
        return _COMMENT
    if event.name:
        return event.name
    if event.data.startswith(b"[DONE]"):
        return "[DONE]"
    value = event.value or {}
    kind = value.get("type") or value.get("object")
    return kind if isinstance(kind, str) else "data"


def event_counts(received: Sequence[Piece], sent: Sequence[Piece]) -> list[EventCount]:
    """The kinds of events of both sides, in the order in which they first came."""
    ours, theirs = Counter(e.name for e in events_of(sent)), Counter(e.name for e in events_of(received))
    return [EventCount(name, theirs[name], ours[name]) for name in dict.fromkeys([*theirs, *ours])]


def legible(data: bytes) -> str:
    """UTF-8 as text, with escapes for controls and broken bytes; bytes that are no text as a table in hex."""
    if _is_binary(data):
        return "\n".join(_hex_lines(data))
    text = data.decode("utf-8", "backslashreplace")
    return _CONTROL.sub(lambda found: "\\r" if found[0] == "\r" else f"\\x{ord(found[0]):02x}", text)


def _is_binary(data: bytes) -> bool:
    head = data[:4096]
    odd = sum(byte < 9 or 13 < byte < 32 for byte in head) + head.decode("utf-8", "replace").count("\ufffd")
    return odd * 10 > len(head)


def _hex_lines(data: bytes) -> list[str]:
    return [
        f"{at:06x}  {data[at : at + _HEX_WIDTH].hex(' '):<47}  {_printable(data[at : at + _HEX_WIDTH])}"
        for at in range(0, len(data), _HEX_WIDTH)
    ]


def _printable(data: bytes) -> str:
    return "".join([chr(byte) if 32 <= byte < 127 else "." for byte in data])
