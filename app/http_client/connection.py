"""One connection to a server: the protocol of its socket, which carries one exchange at a time.

    idle        in the pool. Whatever comes now ends it: the end of the connection, or bytes that nobody asked for, as
                the 408 that some servers send before they close
    waiting     the request goes out, the head of the response is waited for
    receiving   the head has come. The rest of a large body may still go out: a response of success is read meanwhile,
                any other ends the sending, for the server does not want the rest
    closed

A request is written at once if it is small, else in pieces, a piece for each turn of the event loop and each time the
socket has room again: other exchanges go on meanwhile. The response is read into its body, which pauses the socket
while too much of it waits to be read. With the last byte of the response the connection goes back to its pool, whether
or not the body was read, if each of these holds: the request was written whole, nothing came behind the response, both
sides keep the connection, and the reader has not given it up. Else it is closed. It is always closed by `abort`:
nothing that is unsent then is of use to anybody.

The end of the connection ends a body that has neither length nor chunks; by TLS, only where that says so, if the event
loop can tell (uvloop can, asyncio cannot). It cuts off any other. Before the first byte
of a response it is `ClosedWithoutResponse`: on a connection that had waited in the pool, the server may have closed it
before it saw the request.
"""

import asyncio
import select
from typing import Protocol

from app.bodies.decompression import known_codings
from app.http_client.body import DecodedBody, ResponseBody
from app.http_client.errors import BodyIncomplete, ClosedWithoutResponse, ConnectionLost, HttpError
from app.http_client.parser import ResponseParser
from app.http_client.response import UpstreamResponse

_AT_ONCE = 1024**2
"""Bytes of a body that are written at once with the head."""
_COPIED = 64 * 1024
"""Bytes of a body that are copied behind the head, which costs less than a record of TLS for the head alone."""
_PIECE = 128 * 1024
"""Bytes of a larger body that are written at once."""


class Owner(Protocol):
    """The pool of a connection."""

    def released(self, connection: "Connection") -> None:
        """Its exchange is over, and it can have another."""

    def lost(self, connection: "Connection") -> None:
        """It is closed."""


class Connection(asyncio.Protocol):
    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._loop = asyncio.get_running_loop()
        self._parser = ResponseParser()
        self._transport: asyncio.Transport | None = None
        self._beneath: asyncio.Transport | None = None
        """The transport that reads the socket: below TLS, or the same."""
        self._is_aborted = False
        self._poll: select.poll | None = None
        self._head: asyncio.Future[UpstreamResponse] | None = None
        """The head that is waited for."""
        self._body: ResponseBody | None = None
        """The body that is being received."""
        self._unsent: memoryview | None = None
        self._stopped_sending = False
        self._writing_paused = False
        self._given_up = False
        self.exchanges = 0
        """How many it has begun."""
        self.idle_since = 0.0
        """The event loop's time at which it went back to the pool."""

    @property
    def is_closed(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    @property
    def peer(self) -> tuple[str, int] | None:
        """Address and port at its other end, in numbers."""
        found = None if self._transport is None else self._transport.get_extra_info("peername")
        return None if found is None else (found[0], found[1])

    def is_usable(self) -> bool:
        """Whether an idle connection can have an exchange: the socket has nothing to read, which could only be its
        end."""
        if self._transport is None or self._transport.is_closing():
            return False
        return self._poll is None or not self._poll.poll(0)

    async def exchange(self, method: str, head: bytes, body: bytes) -> UpstreamResponse:
        """Send a request and return the head of its response. Raises ConnectionLost, MalformedResponse."""
        transport = self._transport
        if transport is None or transport.is_closing():
            raise ClosedWithoutResponse("the connection was closed before the request was written")
        self.exchanges = number = self.exchanges + 1
        self._parser.expect(method)
        waiting: asyncio.Future[UpstreamResponse] = self._loop.create_future()
        self._head = waiting
        if len(body) <= _COPIED:
            transport.write(head + body)
        elif len(body) <= _AT_ONCE:
            transport.writelines((head, body))
        else:
            transport.write(head)
            self._unsent = memoryview(body)
            self._send_more()
        try:
            return await waiting
        except BaseException:
            # The response may have come whole a moment ago: the connection may be another request's by now.
            if self.exchanges == number:
                self.abort()
            raise

    def abort(self) -> None:
        """Close at once; what is unsent is dropped."""
        self._unsent, self._is_aborted = None, True
        if self._transport is not None:
            self._transport.abort()

    def encrypted(self, transport: asyncio.Transport, beneath: asyncio.Transport) -> None:
        """It is made, by TLS over the transport beneath."""
        self.connection_made(transport)
        self._beneath = beneath
        if self._is_aborted:
            # Something came before it was asked for.
            transport.abort()

    # What the body of a response says. Not TLS is paused but the socket: uvloop's TLS goes on to read, and throws away
    # what it holds for who has paused it as soon as it sees the end of the connection.

    def pause_reading(self) -> None:
        if not self.is_closed and self._beneath is not None and not self._beneath.is_closing():
            self._beneath.pause_reading()

    def resume_reading(self) -> None:
        if not self.is_closed and self._beneath is not None and not self._beneath.is_closing():
            self._beneath.resume_reading()

    def give_up(self, number: int) -> None:
        if self.exchanges == number:
            self.abort()
        else:
            self._given_up = True

    # What the loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = self._beneath = transport
        found = transport.get_extra_info("socket")
        if found is not None and hasattr(select, "poll"):
            self._poll = select.poll()
            self._poll.register(found.fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        parser, body = self._parser, self._body
        if body is None and self._head is None:
            self.abort()
            return
        try:
            parser.feed(data)
        except HttpError as error:
            self._take(len(data))
            self._fail(error, BodyIncomplete("the framing of the body is broken"))
            self.abort()
            return
        if body is None:
            self._take(len(data))
        elif parser.pieces:
            body.add(parser.pieces, len(data))
        if parser.ended:
            self._end()

    def eof_received(self) -> bool:
        """The server sends nothing more. What is still to be sent would not be answered, so both ways end."""
        if self._parser.end_of_input() and self._body is not None:
            self._end()
        self._closed_by(None)
        self.abort()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._closed_by(exc)
        self._transport = self._beneath = self._poll = self._unsent = None
        self._parser.close()
        self._owner.lost(self)

    def pause_writing(self) -> None:
        self._writing_paused = True

    def resume_writing(self) -> None:
        self._writing_paused = False
        self._send_more()

    def _send_more(self) -> None:
        if self._unsent is None or self._writing_paused or self.is_closed or self._transport is None:
            return
        if self._head is not None and self._poll is not None and self._poll.poll(0):
            # Perhaps a refusal, and the end of the connection behind it: to write would lose it before it is read.
            self._loop.call_soon(self._send_more)
            return
        piece, rest = self._unsent[:_PIECE], self._unsent[_PIECE:]
        self._unsent = rest or None
        self._transport.write(piece)
        if self._unsent is not None and not self._writing_paused:
            self._loop.call_soon(self._send_more)

    def _take(self, size: int) -> None:
        """Hand on what the parser has of a read of this many bytes."""
        parser, waiting, body = self._parser, self._head, self._body
        if waiting is not None:
            if (head := parser.head) is None:
                return
            self._head = None
            self._body = body = ResponseBody(self, self.exchanges)
            if self._unsent is not None and head.status >= 300:
                self._unsent, self._stopped_sending = None, True
            if not waiting.done():
                coding = head.headers.get("content-encoding")
                codings = known_codings(coding) if coding is not None else None
                waiting.set_result(UpstreamResponse(head, DecodedBody(body, codings) if codings else body))
        if parser.pieces and body is not None:
            body.add(parser.pieces, size)

    def _end(self) -> None:
        """The response is whole."""
        body, head, transport = self._body, self._parser.head, self._transport
        if body is None or head is None or transport is None:
            return
        self._body = None
        body.end()
        is_sent = self._unsent is None and not self._stopped_sending and not transport.get_write_buffer_size()
        is_usable = head.keeps_alive and not self._parser.has_excess and not self._given_up
        if is_sent and is_usable and not transport.is_closing():
            self._owner.released(self)
        else:
            self.abort()

    def _closed_by(self, cause: Exception | None) -> None:
        if self._head is not None:
            kind = ConnectionLost if self._parser.begun else ClosedWithoutResponse
            self._fail(kind("the server closed the connection"), None, cause)
        else:
            self._fail(None, BodyIncomplete("the server closed the connection"), cause)

    def _fail(self, of_head: HttpError | None, of_body: HttpError | None, cause: Exception | None = None) -> None:
        """Fail what is waited for: a head, or else a body."""
        waiting, body = self._head, self._body
        self._head = self._body = None
        if waiting is not None and of_head is not None:
            of_head.__cause__ = cause
            if not waiting.done():
                waiting.set_exception(of_head)
        elif body is not None and of_body is not None:
            of_body.__cause__ = cause or of_head
            body.fail(of_body)
