"""One response as bytes: its head, how its body is framed, and whether it is as long as it says. Pure.

The head goes with the first bytes of the body, as ASGI has it: a whole answer is one write, and so is the first piece
of a stream. A body has the length that is announced, or comes in chunks; one without either ends with its connection,
for clients of HTTP/1.0, and there is none at all where HTTP knows none.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus

_FIELDS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9a-z-]+: [^\x00-\x08\x0a-\x1f\x7f]*\r\n)*")
"""Lines of header fields, their names in lower case as ASGI wants them."""
_WITHOUT_BODY = (204, 304)
_PHRASES = {one.value: one.phrase.encode() for one in HTTPStatus}
_STATUS_LINES = {status: b"HTTP/1.1 %d %b\r\n" % (status, _PHRASES.get(status, b"")) for status in range(200, 600)}


class Response:
    """`version` and `is_head` are those of the request. `keep_alive`, whether the client may send another one, is known
    with the head."""

    __slots__ = ("_has_body", "_head", "_is_chunked", "_left", "_version", "is_begun", "is_complete", "keep_alive")

    def __init__(self, version: str, *, is_head: bool, keep_alive: bool) -> None:
        self._version = version
        self._has_body = not is_head
        self.keep_alive = keep_alive
        self._head = b""
        """What is to go with the next bytes."""
        self._left: int | None = None
        """Bytes to come of a body whose length was announced."""
        self._is_chunked = False
        self.is_begun = False
        """Whether it has a head."""
        self.is_complete = False

    @property
    def is_sent(self) -> bool:
        """Whether something of it has left."""
        return self.is_begun and not self._head

    def begin(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        """Give it a head, which leaves with the first bytes of the body. Raises RuntimeError for one that no client
        could read, or that would be read as more than it is; nothing is changed then."""
        if self.is_begun:
            raise RuntimeError("a response has one head")
        if (status_line := _STATUS_LINES.get(status)) is None:
            raise RuntimeError(f"no response has the status {status}")
        lines, count, closes, length = b"", 0, not self.keep_alive, None
        for name, value in headers:
            if name == b"connection":
                closes = closes or b"close" in value.lower()
                continue
            if name == b"content-length":
                length = int(value)
            lines += b"%b: %b\r\n" % (name, value)
            count += 1
        if lines.count(b"\r\n") != count or not _FIELDS.fullmatch(lines):
            raise RuntimeError("a header of the response is not valid")
        if status in _WITHOUT_BODY:
            self._has_body = False
        is_unknown = length is None and self._has_body
        self._is_chunked = is_unknown and self._version != "1.0"
        self._left = length if self._has_body else None
        if is_unknown and not self._is_chunked:
            # Only its end tells where the body ends.
            closes = True
        framing = b"transfer-encoding: chunked\r\n" if self._is_chunked else b""
        end = b"connection: close\r\n\r\n" if closes else b"\r\n"
        self.keep_alive = not closes
        self._head = b"%b%b%b%b" % (status_line, lines, framing, end)
        self.is_begun = True

    def piece(self, data: bytes) -> bytes:
        """A piece of the body, as the client gets it. Raises RuntimeError where it has no place, or where there is more
        of it than was announced."""
        if self.is_complete or not self.is_begun:
            raise RuntimeError("a body has its place behind its head, up to its end")
        head = self._head
        if head:
            self._head = b""
        if self._is_chunked:
            return b"%b%x\r\n%b\r\n" % (head, len(data), data) if data else head
        if not self._has_body:
            return head
        if self._left is not None:
            self._left -= len(data)
            if self._left < 0:
                raise RuntimeError("a response is longer than it says")
        return head + data

    def last(self, data: bytes = b"") -> bytes:
        """The rest of the body, after which the response is complete. Raises RuntimeError where the body has not the
        length that was announced."""
        piece = self.piece(data)
        if self._left:
            raise RuntimeError("a response is shorter than it says")
        self.is_complete = True
        return piece + b"0\r\n\r\n" if self._is_chunked else piece
