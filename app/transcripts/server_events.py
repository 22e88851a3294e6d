"""The bytes of an answer as its events, each with the time at which it was complete. Pure."""

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec import Struct

from app.backends.direct.sse import BOM, EventReader, items_of
from app.bodies.halves import read_leniently, without_halves
from app.recorder.recording import Piece

_LONGEST = 64 * 1024**2
"""Bytes of one event; what is longer was recorded nowhere."""
_FIELDS = (b"data:", b"event:", b"id:", b"retry:", b":")
_decode = msgspec.json.Decoder().decode


class ServerEvent(Struct, frozen=True, gc=False):
    """An event of a stream. `at` is in seconds since the transaction was opened; `raw` has every byte since the event
    before, `data` is empty for a comment."""

    at: float
    raw: bytes
    name: str
    data: bytes

    @property
    def is_comment(self) -> bool:
        return not self.data

    @property
    def value(self) -> dict[str, Any] | None:
        """The JSON object that it carries; None where it carries none."""
        value = json_in(self.data)
        return value if isinstance(value, dict) else None


def is_event_stream(start: bytes) -> bool:
    """Whether a body that begins so is one of server-sent events."""
    return start.removeprefix(BOM).lstrip(b"\r\n").startswith(_FIELDS)


def server_events(pieces: Sequence[Piece]) -> list[ServerEvent]:
    """The events of a stream in their order; the last one may be cut."""
    reader = EventReader(_LONGEST)
    events: list[ServerEvent] = []
    at = 0.0
    for piece in pieces:
        at = piece.at
        events += [_event(at, *item) for item in items_of(reader.feed(piece.data))]
    return events + [_event(at, *item) for item in items_of(reader.finish())]


def _event(at: float, raw: bytes, name: bytes, data: bytes) -> ServerEvent:
    return ServerEvent(at, raw, name.decode("utf-8", "replace"), data)


def json_in(data: bytes) -> Any:
    """The JSON value in `data`, read leniently; None for what is none."""
    try:
        return _decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        pass
    try:
        return without_halves(read_leniently(data))
    except (ValueError, RecursionError):
        return None


def joined_bytes(pieces: Sequence[Piece]) -> bytes:
    return b"".join([piece.data for piece in pieces])
