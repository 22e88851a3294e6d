"""Bytes to a response: llhttp, with a bound on all that is no body. No I/O.

One parser reads all responses of a connection. llhttp decides where a response ends; its leniencies are off, so a
length beside chunks, a second length, a bare LF and a header folded over lines are refused. Seen to here, besides:

- heads are bounded, and interim responses (1xx) before them are passed over, a few of them;
- so are the parts of chunks that are no body: sizes, extensions, trailers. Trailers are dropped;
- no other protocol is switched to, and no transfer coding but `chunked` is taken;
- what comes behind the end of a response was not asked for: the connection is not used again (`has_excess`).
"""

import httptools
from multidict import CIMultiDict

from app.http_client.errors import (
    HttpError,
    MalformedResponse,
    ResponseHeadTooLarge,
    TooManyInterimResponses,
)
from app.http_client.heads import Framing, ResponseHead, framing_of

HEAD_LIMIT = 64 * 1024
"""Bytes of a head, of the interim responses before it, and of framing without a body in between."""
INTERIM_LIMIT = 32
"""Interim responses before one response."""
_FIELDS_LIMIT = 512
"""Header fields of one head: each costs some hundred bytes of memory however short it is."""
_FRAMING = 5
"""Bytes of framing that each byte of a body may have: as a chunk of a single byte has."""
_SWITCHING_PROTOCOLS = 101


class _NotAskedFor(HttpError):
    """Another response begins behind the end of the one that was waited for."""


class ResponseParser:
    """Call `expect` for each request, then `feed` it, until `ended`: a `head` and then `pieces` of the body, which the
    reader takes out."""

    __slots__ = (
        "_allowance",
        "_fields",
        "_interim",
        "_llhttp",
        "_method",
        "begun",
        "ended",
        "has_excess",
        "head",
        "on_body",
        "pieces",
    )

    def __init__(self) -> None:
        self.head: ResponseHead | None = None
        self.pieces: list[bytes] = []
        self.on_body = self.pieces.append
        self.begun = False
        """Whether a byte of a response has come."""
        self.ended = True
        self.has_excess = False
        """Whether bytes came behind the end of a response."""
        self._method = ""
        self._fields: list[tuple[bytes, bytes]] = []
        self._interim = 0
        self._allowance = HEAD_LIMIT
        """Bytes that may still come and be no body."""
        self._llhttp = httptools.HttpResponseParser(self)

    def expect(self, method: str) -> None:
        """Wait for the response to a request with this method."""
        self._method = method
        self.head = None
        self.begun = self.ended = False
        self._interim = 0
        self._allowance = HEAD_LIMIT

    def feed(self, data: bytes) -> None:
        """Read what has come. Raises MalformedResponse, after which nothing is read any more; what was read before
        stays valid."""
        head, room = self.head, self._allowance
        self.begun = True
        try:
            if head is not None or len(data) <= room:
                self._llhttp.feed_data(data)
            else:
                view = memoryview(data)
                self._llhttp.feed_data(view[:room])
                if self.head is None:
                    raise ResponseHeadTooLarge(f"the head of the response has more than {HEAD_LIMIT} bytes")
                self._llhttp.feed_data(view[room:])
        except httptools.HttpParserError as error:
            self._refuse(error)
        if head is None:
            if (head := self.head) is None:
                self._allowance = room - len(data)
                return
            self._allowance = HEAD_LIMIT
            if head.framing is Framing.NONE and self.pieces:
                # Of a response to HEAD or CONNECT, which llhttp takes for one to any other method.
                self.pieces.clear()
                self.has_excess = True
        elif head.framing is Framing.CHUNKED:
            body = sum(map(len, self.pieces))
            self._allowance = min(HEAD_LIMIT, room + _FRAMING * body - (len(data) - body))
            if self._allowance < 0:
                raise MalformedResponse("the framing of the body is larger than the body")

    def end_of_input(self) -> bool:
        """Take note that nothing more comes. False where that cuts off a response."""
        if self.head is not None and self.head.framing is Framing.CLOSE:
            self.ended = True
        return self.ended

    def close(self) -> None:
        """Nothing is fed any more: let go of llhttp, which knows this parser."""
        del self._llhttp

    def _refuse(self, error: httptools.HttpParserError) -> None:
        """Raise what an error of llhttp stands for, unless the response was whole before it."""
        if self.ended:
            self.has_excess = True
            return
        if isinstance(error, httptools.HttpParserUpgrade):
            raise MalformedResponse("the response switches to another protocol") from None
        # httptools keeps what a callback raises in the context of its own error. Its traceback would hold the parser,
        # which holds it.
        if isinstance(error.__context__, HttpError):
            raise error.__context__.with_traceback(None) from None
        raise MalformedResponse(str(error)) from None

    # What llhttp calls; it calls `on_body` for pieces of a body.

    def on_message_begin(self) -> None:
        if self.ended:
            raise _NotAskedFor
        self._fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.head is not None:
            # A trailer: nothing here wants one, and it must never pass for a field of the head.
            return
        if len(self._fields) == _FIELDS_LIMIT:
            raise ResponseHeadTooLarge(f"the head of the response has more than {_FIELDS_LIMIT} fields")
        self._fields.append((name, value.rstrip(b" \t")))

    def on_headers_complete(self) -> None:
        status = self._llhttp.get_status_code()
        if status < 200:
            self._pass_over(status)
            return
        fields = self._fields
        headers = CIMultiDict(
            [
                (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
                for name, value in fields
            ]
        )
        framing = framing_of(self._method, status, headers)
        # A server of 1.0 that wants more requests is possible, and so rare that its word is not taken.
        keeps_alive = self._llhttp.should_keep_alive() and self._llhttp.get_http_version() == "1.1"
        if framing is Framing.NONE and status not in (204, 304):
            # llhttp does not know that the request was HEAD or CONNECT, and would wait for the body.
            keeps_alive, self.ended = False, True
        self.head = ResponseHead(status, tuple(fields), headers, framing, keeps_alive)

    def on_message_complete(self) -> None:
        if self.head is not None:
            self.ended = True

    def _pass_over(self, status: int) -> None:
        self._interim += 1
        if status == _SWITCHING_PROTOCOLS or status < 100:
            raise MalformedResponse(f"the response has the status {status}, which was not asked for")
        if self._interim > INTERIM_LIMIT:
            raise TooManyInterimResponses(f"more than {INTERIM_LIMIT} interim responses came before a response")
