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


class Head(Struct, frozen=True, eq=False):
    """A request line and its header fields, but for the length of the body: the same object for all requests in a row
    on one connection that come with the same one, as clients send it again and again."""

    method: str
    version: str
    target: Target
    fields: Fields
    keep_alive: bool
    """Whether the client may send another request after this one."""
    expects_continue: bool
    """Whether the client waits for a 100 before it sends the body."""
    is_chunked: bool


class RequestHead(Struct, frozen=True, eq=False):
    """The head of one request. `length` is that of its body, where it is announced."""

    known: Head
    length: bytes | None

    @property
    def fields(self) -> Fields:
        """All header fields; the length of the body is the last one."""
        fields = self.known.fields
        return fields if self.length is None else [*fields, (b"content-length", self.length)]


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
        """As they came, but for the length of the body."""
        self._length: bytes | None = None
        self._known_of: object = None
        """What the head before was made of; `_known` is what became of it."""
        self._known: Head
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
        other = taken - self._body_size
        self._since_body = other if self._body_size else self._since_body + other
        self._allowance = min(self._limit, self._allowance + _FRAMING * self._body_size - other)
        if END in self._events:
            self._allowance, self._since_body = self._limit, 0
        elif self.refused is None and (
            self._allowance < 0 or self._since_body > self._limit or len(self._fields) > head.MOST_FIELDS
        ):
            self.refused = Refused(431, _TOO_LARGE)
        return taken, self._events

    def _continue_without_upgrade(self) -> None:
        """After a head that asks for another protocol llhttp takes the rest for data of that protocol. There is no
        other here, so a new llhttp gets that head without the question, and then what follows it."""
        first, self._llhttp = self._llhttp, _llhttp(self)
        fields = self._fields if self._length is None else [*self._fields, (b"content-length", self._length)]
        plain = head.without_upgrade(first.get_method(), self._url, first.get_http_version(), head.plain(fields))
        try:
            self._llhttp.feed_data(plain)
        except httptools.HttpParserError as error:
            self.refused = _refused_for(error)

    # What llhttp calls.

    def on_message_begin(self) -> None:
        self._url = b""
        # Never emptied: the head that is known may be made of them.
        self._fields = []
        self._length = None
        self.in_head = True

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self.in_head:
            # A trailer: nothing here wants one, and it must never pass for a field of the head.
            return
        if name.lower() == b"content-length":
            self._length = value.rstrip(b" \t")
        else:
            self._fields.append((name, value))

    def on_headers_complete(self) -> None:
        self.in_head = False
        made_of = (self._llhttp.get_method(), self._llhttp.get_http_version(), self._url, self._fields)
        if made_of != self._known_of:
            known = self._head_of(*made_of)
            if self._llhttp.should_upgrade():
                # It raises HttpParserUpgrade next, which tells where the head ends.
                return
            self._known_of, self._known = made_of, known
        self._body_left = None if self._known.is_chunked else int(self._length or b"0")
        self._events.append(RequestHead(self._known, self._length))

    def _head_of(self, named: bytes, version: str, url: bytes, received: Fields) -> Head:
        if len(received) > head.MOST_FIELDS:
            raise Refused(431, _TOO_LARGE)
        method, fields = named.decode("ascii"), head.plain(received)
        target = head.target_of(method, url)
        head.check(version, fields)
        return Head(
            method,
            version,
            target,
            head.with_authority(fields, target.authority),
            keep_alive=version == "1.1" and self._llhttp.should_keep_alive(),
            expects_continue=version == "1.1" and head.expects_continue(fields),
            is_chunked=head.is_chunked(fields),
        )

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
