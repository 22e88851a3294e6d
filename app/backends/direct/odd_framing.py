"""What servers write around an answer's JSON otherwise than the standards say, taken off or put right. Pure.

A mark of byte order or a stream's `[DONE]` around a whole body; `data: data: {...}`, `data: null`, other spellings of
`[DONE]` in a stream; and JSON lines in place of a stream's events, as servers of other APIs send them.
"""

import re
from typing import Any

from app.backends.direct.bodies import NOT_JSON, decode_json
from app.backends.direct.sse import BOM, Item, Row, event_bytes

_FIELD = b"data:"
_DONE = b"[DONE]"
_PLAIN = (b"{", _DONE)
_AROUND_A_WORD = b'"[] \t'
_COMMENT = b":\n\n"
_END_BEHIND = re.compile(rb"\s*(?:data:\s*)?\[DONE\]\s*\Z")
_LONGEST_END = 64


DONE: Item = (event_bytes(b"", _DONE), b"", _DONE)
"""The end of a stream of OpenAI's."""


def plain_item(item: Item) -> Item:
    """The event as others send it: its data is JSON or `[DONE]`, or it is a comment. The item itself where it is."""
    name, data = item[1:]
    if not data or data.startswith(_PLAIN):
        return item
    while data.startswith(_FIELD):
        data = data[len(_FIELD) :].lstrip()
    word = data.strip(_AROUND_A_WORD).lower()
    if word in (b"", b"null"):
        return _COMMENT, b"", b""
    if word == b"done":
        data = _DONE
    return item if data == item[2] else (event_bytes(name, data), name, data)


def whole_json(body: bytes) -> bytes:
    """The JSON of a whole body, without what some put before or behind it."""
    if body.startswith(BOM):
        body = body[len(BOM) :]
    if body.endswith(b"}"):
        return body
    end = _END_BEHIND.search(body, max(0, len(body) - _LONGEST_END))
    return body if end is None else body[: end.start()]


def is_line_of_chunks(start: bytes) -> bool:
    """Whether a body begins with a line that is an event of a chat's stream."""
    line = start.removeprefix(BOM).strip().partition(b"\n")[0]
    try:
        event = decode_json(line)
    except NOT_JSON:
        return False
    return isinstance(event, dict) and _is_chunk(event)


def _is_chunk(event: dict[str, Any]) -> bool:
    match event.get("choices"):
        case [{"delta": dict()}, *_]:
            return True
    return False


class LineReader:
    """Reads lines of JSON as an `EventReader` does events. The end of the body is that of the stream, where none comes
    before it."""

    def __init__(self, limit: int) -> None:
        self.too_large = False
        self._limit = limit
        self._pending = bytearray()
        self._is_done = False

    def feed(self, data: bytes) -> list[Row]:
        self._pending += data
        lines: list[bytes] = []
        if b"\n" in data:
            *lines, rest = bytes(self._pending).split(b"\n")
            self._pending = bytearray(rest)
        self.too_large = self.too_large or len(self._pending) > self._limit
        return [] if self.too_large else self._rows(lines)

    def finish(self) -> list[Row]:
        rest = bytes(self._pending)
        self._pending.clear()
        rows = self._rows([rest])
        return rows if self._is_done else [*rows, *self._rows([_DONE])]

    def _rows(self, lines: list[bytes]) -> list[Row]:
        rows: list[Row] = []
        for line in lines:
            data = line.strip().removeprefix(BOM)
            if data:
                raw, name, data = plain_item((event_bytes(b"", data), b"", data))
                self._is_done = self._is_done or data == _DONE
                rows.append((raw, name, [data]))
        return rows
