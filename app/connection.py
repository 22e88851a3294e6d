"""A client's connection: uvicorn's, as the exchanges see it (`gateway.connection.ClientConnection`), and with limits on
each request's head in time and size.

Nothing is timed per request: a connection notes since when it waits for a head, and the server looks once a second at
all of them (`end_late_heads`). That a request's body does not stall is the exchange's to see; a connection that is idle
between two requests is uvicorn's.
"""

import asyncio
import re
from collections.abc import Callable, Iterable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.gateway.connection import CONNECTION

_UPGRADE = re.compile(rb"(?<=\r\n)upgrade:[^\r\n]*\r\n", re.IGNORECASE)


class Connection(HttpToolsProtocol):
    """`head_limit` is in bytes; set by `connections_with`."""

    head_limit = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_since: float | None = None
        """When the wait for a request's head began; None while there is nothing to wait for."""
        self._head_size = 0
        self._has_begun = False
        self._lost: Callable[[], None] | None = None

    @property
    def is_writable(self) -> bool:
        return not self.flow.write_paused

    @property
    def unsent(self) -> int:
        return self.transport.get_write_buffer_size()

    def write(self, data: bytes) -> None:
        """As uvicorn frames a body without a length; its own way there, by a coroutine and a dict for each piece, takes
        as long as the system call."""
        if not self.cycle.disconnected:
            self.transport.write(b"%x\r\n%b\r\n" % (len(data), data))

    def when_lost(self, call: Callable[[], None]) -> None:
        self._lost = call
        # One whose reading is paused would not notice that its client has gone.
        self.flow.resume_reading()
        if self.transport.is_closing():
            self.loop.call_soon(self._tell_lost)

    def forget(self) -> None:
        self._lost = None

    def cut(self) -> None:
        """Closing it properly would wait for a client that reads nothing."""
        self.transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_since = self.loop.time()

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._tell_lost()

    def data_received(self, data: bytes) -> None:
        was_waiting = self._head_since is not None
        if b"pgrade:" in data and (was_waiting or not self._is_answering()):
            data = without_upgrade(data)
        super().data_received(data)
        if was_waiting and self._head_since is not None:
            self._head_size += len(data)
            if self._head_size > self.head_limit:
                self._refuse(b"431 Request Header Fields Too Large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {CONNECTION: {"connection": self}}
        self._head_since = self.loop.time() if self._head_since is None else self._head_since
        self._has_begun = True

    def on_headers_complete(self) -> None:
        self._head_since = None
        self._head_size = 0
        super().on_headers_complete()

    def is_late(self, since: float) -> bool:
        """Whether it waits for a head since before `since`, and for nothing else: an answer may still be on its way."""
        return self._head_since is not None and self._head_since < since and not self._is_answering()

    def end_late(self) -> None:
        """A connection on which nothing ever came is closed without a word."""
        if self._has_begun:
            self._refuse(b"408 Request Timeout")
        else:
            self.transport.close()

    def _tell_lost(self) -> None:
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, status: bytes) -> None:
        self._head_since = None
        if self._is_answering():
            # What the client sends ahead must not come between the pieces of its answer.
            self.cut()
            return
        self.transport.write(b"HTTP/1.1 %b\r\nconnection: close\r\ncontent-length: 0\r\n\r\n" % status)
        self.transport.close()


def without_upgrade(data: bytes) -> bytes:
    """A server may ignore the wish for another protocol, and this one has no other. The parser would not: after such a
    head it takes the body for words of that protocol, and the request for one without a body. Java's HTTP client asks
    every server for HTTP/2 in this way."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return _UPGRADE.sub(b"", head + end[:2]) + end[2:] + rest


def connections_with(head_limit: int) -> type[Connection]:
    return type("Connection", (Connection,), {"head_limit": head_limit})


def end_late_heads(connections: Iterable[object], since: float) -> int:
    """How many were ended."""
    late = [one for one in connections if isinstance(one, Connection) and one.is_late(since)]
    for connection in late:
        connection.end_late()
    return len(late)
