"""Bytes of a server-sent event stream in, its events out. Pure; the events do not depend on how the bytes are split.

Each item is `(raw, event name, data)`. `raw` holds every byte since the item before, so all of them joined are the
body. Whatever comes before the first data (comments of a provider that is still thinking, a BOM) belongs to the first
event: the answer has not begun until then. Later a comment is an item of its own, without data: it shows that the
provider is alive. Lines end in LF, CRLF or CR; a last event without its blank line counts.
"""

import re

Item = tuple[bytes, bytes, bytes]

BOM = b"\xef\xbb\xbf"
# Atomic: the LF of a CRLF must not pass for a line's end of its own.
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_LONGEST_BLANK_LINE = 4
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

    def only_event(self, data: bytes) -> Item | None:
        """The event of a read that holds exactly one, of the plain form, as most do. None for any other read, which has
        to be given to `feed`."""
        end = len(data) - 2
        line = data.find(b"\n")
        if not self._begun or self._pending or self._has_cr or end > self._limit or not data.endswith(b"\n\n"):
            return None
        if line == end:
            return (data, b"", data[6:end]) if data.startswith(b"data: ") and b"\r" not in data else None
        if data.find(b"\n", line + 1) != end or not data.startswith(b"event: ") or b"\r" in data:
            return None
        return (data, data[7:line], data[line + 7 : end]) if data.startswith(b"data: ", line + 1) else None

    def feed(self, data: bytes) -> list[Item]:
        if not self._has_cr and b"\r" in data:
            self._has_cr = True
        if not self._pending:
            return self._take(data, 0, 0, False)
        searched = max(self._block_start, len(self._pending) - _LONGEST_BLANK_LINE + 1)
        self._pending += data
        if self._end_of_block(self._pending, searched, False) < 0:
            self.too_large = self.too_large or len(self._pending) > self._limit
            return []
        return self._take(bytes(self._pending), self._block_start, searched, False)

    def finish(self) -> list[Item]:
        rest = bytes(self._pending)
        items = self._take(rest, self._block_start, self._block_start, True)
        if self._pending:
            name, data = self._parse(bytes(self._pending[self._block_start :]))
            items.append((bytes(self._pending), name, data or b""))
            self._pending.clear()
        return items

    def _take(self, buffer: bytes, block: int, searched: int, final: bool) -> list[Item]:
        """Take every whole event out of `buffer`; the rest becomes `_pending`. No block ends before `searched`."""
        items: list[Item] = []
        start = 0
        is_plain = not self._has_cr and len(buffer) <= self._limit
        while not self.too_large:
            if is_plain and self._begun and start == block:
                start = block = _take_plain(buffer, start, items)
            end = self._end_of_block(buffer, max(block, searched), final)
            if end < 0:
                break
            self.too_large = end - start > self._limit
            name, data = self._parse(buffer[block:end])
            block = end
            if data is not None:
                self._begun = True
            elif not self._begun or not buffer[start:end].strip():
                continue
            if not self.too_large:
                items.append((buffer[start:end], name, data or b""))
            start = end
        self._pending = bytearray(buffer[start:])
        self._block_start = block - start
        self.too_large = self.too_large or len(self._pending) > self._limit
        return items

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


def is_comment(block: bytes) -> bool:
    """Whether no line of the block is a field."""
    return all(line[:1] in (b"", b":") for line in _LINE_END.split(block))


def text_without_field(block: bytes) -> bytes:
    """The lines of a block that are neither a comment nor any field of an event. Readers of the format skip them;
    servers that fail amid a stream write the JSON of an error so."""
    lines = _LINE_END.split(block)
    return b"\n".join([line for line in lines if line[:1] not in (b"", b":") and not line.startswith(_FIELDS)])


def _take_plain(buffer: bytes, start: int, items: list[Item]) -> int:
    """Append the plain events from `start` on (one `data` line, perhaps after one `event` line) up to the first that is
    not plain, and return where that begins. This is the hot path."""
    find, starts = buffer.find, buffer.startswith
    while (line := find(b"\n", start)) >= 0:
        if starts(b"data: ", start) and starts(b"\n", line + 1):
            items.append((buffer[start : line + 2], b"", buffer[start + 6 : line]))
            start = line + 2
            continue
        data = line + 7
        if not (starts(b"event: ", start) and starts(b"data: ", line + 1)):
            break
        end = find(b"\n", data)
        if end < 0 or not starts(b"\n", end + 1):
            break
        items.append((buffer[start : end + 2], buffer[start + 7 : line], buffer[data:end]))
        start = end + 2
    return start


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
