"""Bytes to requests: llhttp, fed in steps, with a limit on all that is no body.

No I/O. A step returns events, in order: a `RequestHead`, pieces of its body, `END`; then the next request. Nobody but
the parser decides where a request ends, and it gets every byte once, as the client sent it. A step is small, so that
little of what follows a request is parsed along with it, and a step's end never changes what the bytes mean.
"""

from collections.abc import Sequence
from enum import Enum, auto
from typing import Literal

import httptools
from msgspec import Struct

from app.edge import head
from app.edge.head import Fields, Refused, Target

_STEP = 1024
"""Bytes given to llhttp at once; the rest of a body whose length is known is given whole."""
_FRAMING = 5
"""Bytes of framing that each byte of a body may have, beyond the limit of the head: as a chunk of a single byte has."""
_TOO_LARGE = "The head, the trailers or the framing of the request are too large."


class RequestHead(Struct, frozen=True, eq=False):
    """A request line and its header fields. `keep_alive`: the client may send another request after this one."""

    method: str
    version: str
    target: Target
    fields: Fields
    keep_alive: bool


class _End(Enum):
    END = auto()


END = _End.END
"""The request is complete."""
Event = RequestHead | bytes | Literal[_End.END]


class RequestParser:
    """Feed it with `step`, until `refused`. `limit` is in bytes: of what is no body, from the end of one request to the
    end of the next."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._allowance = limit
        """Bytes that may still come and be no body."""
        self._since_body = 0
        self._llhttp = _llhttp(self)
        self._events: list[Event] = []
        self.in_head = False
        """Whether a request's head has begun and not ended."""
        self._body_left: int | None = None
        """Bytes to come of a body whose length was announced."""
        self._body_size = 0
        self._url = b""
        self._fields: list[tuple[bytes, bytes]] = []
        self.refused: Refused | None = None
        """Why nothing is parsed any more. Events that a step returned before stay valid."""

    def step(self, data: memoryview) -> tuple[int, Sequence[Event]]:
        """Parse from the start of `data`: returns how many of its bytes were used, at least one, and their events."""
        self._events = []
        self._body_size = 0
        data = data[: self._body_left or _STEP]
        taken = len(data)
        try:
            self._llhttp.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            taken = int(upgrade.args[0])
            self._continue_without_upgrade()
        except httptools.HttpParserError as error:
            self.refused = _refused_for(error)
        self._account(taken)
        return taken, self._events

    def _continue_without_upgrade(self) -> None:
        """After a head that asks for another protocol llhttp takes the rest for data of that protocol. There is no
        other here, so a new llhttp gets that head without the question, and then what follows it."""
        first, self._llhttp = self._llhttp, _llhttp(self)
        plain = head.without_upgrade(first.get_method(), self._url, first.get_http_version(), self._fields)
        try:
            self._llhttp.feed_data(plain)
        except httptools.HttpParserError as error:
            self.refused = _refused_for(error)

    def _account(self, taken: int) -> None:
        other = taken - self._body_size
        self._since_body = other if self._body_size else self._since_body + other
        self._allowance = min(self._limit, self._allowance + _FRAMING * self._body_size - other)
        if END in self._events:
            self._allowance, self._since_body = self._limit, 0
        elif (self._allowance < 0 or self._since_body > self._limit) and self.refused is None:
            self.refused = Refused(431, _TOO_LARGE)

    # What llhttp calls.

    def on_message_begin(self) -> None:
        self._url = b""
        self._fields = []
        self.in_head = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_head:
            # A trailer: nothing here wants one, and it must never pass for a field of the head.
            return
        if len(self._fields) == head.MOST_FIELDS:
            raise Refused(431, _TOO_LARGE)
        self._fields.append((name.lower(), value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        self.in_head = False
        method, version = self._llhttp.get_method().decode("ascii"), self._llhttp.get_http_version()
        target = head.target_of(method, self._url)
        head.check(version, self._fields)
        if self._llhttp.should_upgrade():
            # It raises HttpParserUpgrade next, which tells where the head ends.
            return
        keep_alive = version == "1.1" and self._llhttp.should_keep_alive()
        self._body_left = head.length_of(self._fields)
        self._events.append(RequestHead(method, version, target, self._fields, keep_alive))

    def on_body(self, body: bytes) -> None:
        self._body_size += len(body)
        if self._body_left is not None:
            self._body_left -= len(body)
        self._events.append(body)

    def on_message_complete(self) -> None:
        if not self._llhttp.should_upgrade():
            self._events.append(END)


def _llhttp(parser: RequestParser) -> httptools.HttpRequestParser:
    llhttp = httptools.HttpRequestParser(parser)
    # Data after a request with `connection: close` is ignored, not an error that would spoil its response.
    llhttp.set_dangerous_leniencies(lenient_data_after_close=True)
    return llhttp


def _refused_for(error: httptools.HttpParserError) -> Refused:
    """The reason behind a parser error: httptools keeps what callbacks raise in the context of its own error."""
    if isinstance(error.__context__, Refused):
        # Its traceback would hold the parser, and the parser holds it.
        return error.__context__.with_traceback(None)
    return Refused(400, "This is no valid HTTP request.")
