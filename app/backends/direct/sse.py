"""Bytes of a server-sent event stream in, its events out. Pure; the events do not depend on how the bytes are split.

Each item is `(raw, event name, data)`. `raw` holds every byte since the item before, so all of them joined are the
body. Whatever comes before the first data (comments of a provider that is still thinking, a BOM) belongs to the first
event: the answer has not begun until then. Later a comment is an item of its own, without data: it shows that the
provider is alive. Lines end in LF, CRLF or CR; a last event without its blank line counts.

Items come in rows: events that follow each other, framed alike in the plain way (one `data` line, perhaps after the
same `event` line), as nearly all of a stream are, are one `Row`; any other is a row of its own.
"""

import re
from collections.abc import Iterable

Item = tuple[bytes, bytes, bytes]
Row = tuple[bytes, bytes, list[bytes]]
"""The bytes of some events, at least one, their name, and the data of each."""

BOM = b"\xef\xbb\xbf"
# Atomic: the LF of a CRLF must not pass for a line's end of its own.
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_PLAIN_ROW = re.compile(rb"(data: |event: [^\n]+\ndata: )([^\n]*)\n\n(?:\1[^\n]*\n\n)*+").match
_LONGEST_BLANK_LINE = 4
_CR = ord("\r")
"""As a number it is found in a quarter of the time."""
_FIELDS = (b"data:", b"event:", b"id:", b"retry:")


class EventReader:
    """Reads one stream: `feed` each piece, then `finish` once. After an event of more than `limit` bytes `too_large` is
    set, and nothing more is read."""

    def __init__(self, limit: int) -> None:
        self.too_large = False
        self._limit = limit
        self._pending = bytearray()
        self._block_start = 0
        """Where in `_pending` the block begins that has not ended yet; bytes before it belong to the first event."""
        self._has_cr = False
        self._at_start = True
        self._begun = False

    def feed(self, data: bytes, final: bool = False) -> list[Row]:
        """Every event that is whole with these bytes; the rest is kept. `final`: nothing comes behind them."""
        if _CR in data:
            self._has_cr = True
        buffer, block, searched = data, 0, 0
        if self._pending:
            block = self._block_start
            # No block ends before this.
            searched = block if final else max(block, len(self._pending) - _LONGEST_BLANK_LINE + 1)
            self._pending += data
            if self._end_of_block(self._pending, searched, final) < 0:
                self.too_large = self.too_large or len(self._pending) > self._limit
                return []
            buffer = bytes(self._pending)
        rows: list[Row] = []
        start = 0
        length = len(buffer)
        is_plain = not self._has_cr and length <= self._limit
        while not self.too_large:
            if is_plain and start == block and (row := _PLAIN_ROW(buffer, start)) is not None:
                # This is the hot path.
                self._begun, self._at_start = True, False
                data_start, data_end = row.span(2)
                end = row.end()
                if data_end + 2 == end:
                    events = [buffer[data_start:data_end]]
                else:
                    events = buffer[data_start : end - 2].split(b"\n\n" + buffer[start:data_start])
                name = buffer[start + 7 : data_start - 7] if data_start > start + 6 else b""
                rows.append((buffer[start:end], name, events))
                if end == length:
                    self._pending.clear()
                    return rows
                start = block = end
                continue
            end = self._end_of_block(buffer, max(block, searched), final)
            if end < 0:
                break
            if (row_of_one := self._row(buffer, start, block, end)) is not None:
                rows.append(row_of_one)
                start = end
            block = end
        self._pending = bytearray(buffer[start:])
        self._block_start = block - start
        self.too_large = self.too_large or len(self._pending) > self._limit
        return rows

    def _row(self, buffer: bytes, start: int, block: int, end: int) -> Row | None:
        """The event that ends with this block; None where it is still to come, or is too large."""
        self.too_large = end - start > self._limit
        name, data = self._parse(buffer[block:end])
        if data is not None:
            self._begun = True
        elif not self._begun or not buffer[start:end].strip():
            return None
        return None if self.too_large else (buffer[start:end], name, [data or b""])

    def finish(self) -> list[Row]:
        rows = self.feed(b"", final=True)
        if self._pending:
            name, data = self._parse(bytes(self._pending[self._block_start :]))
            rows.append((bytes(self._pending), name, [data or b""]))
            self._pending.clear()
        return rows

    def _end_of_block(self, buffer: bytes | bytearray, searched: int, final: bool) -> int:
        if not self._has_cr:
            found = buffer.find(b"\n\n", searched)
            return found + 2 if found >= 0 else -1
        match = _BLANK_LINE.search(buffer, searched)
        if match is None:
            return -1
        # Whether a CR at the very end is half of a CRLF shows with the next byte only.
        undecided = not final and match.end() == len(buffer) and buffer.endswith(b"\r")
        return -1 if undecided else match.end()

    def _parse(self, block: bytes) -> tuple[bytes, bytes | None]:
        """Name and data of a block's event. The data is None where the block has no data line at all."""
        if self._at_start:
            self._at_start = False
            block = block.removeprefix(BOM)
        return _parse_lines(block)


def event_bytes(name: bytes, data: bytes) -> bytes:
    """An event with this data, and with a name where it has one."""
    return b"%bdata: %b\n\n" % (b"event: %b\n" % name if name else b"", data)


def items_of(rows: Iterable[Row]) -> list[Item]:
    """The events of some rows, each by itself."""
    return [(raw if len(data) == 1 else event_bytes(name, one), name, one) for raw, name, data in rows for one in data]


def is_comment(block: bytes) -> bool:
    """Whether no line of the block is a field."""
    return all(line[:1] in (b"", b":") for line in _LINE_END.split(block))


def text_without_field(block: bytes) -> bytes:
    """The lines of a block that are neither a comment nor any field of an event. Readers of the format skip them;
    servers that fail amid a stream write the JSON of an error so."""
    lines = _LINE_END.split(block)
    return b"\n".join([line for line in lines if line[:1] not in (b"", b":") and not line.startswith(_FIELDS)])


def _parse_lines(block: bytes) -> tuple[bytes, bytes | None]:
    name, data = b"", []
    for line in _LINE_END.split(block):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return name, b"\n".join(data) if data else None
