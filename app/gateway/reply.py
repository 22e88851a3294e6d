"""The response side of one exchange: knows what was sent, and charges the client's time to the ledger.

A response starts with its first byte, so that everything that fails before is an HTTP status of its own.
"""

import asyncio
from collections.abc import Awaitable, Iterable

import msgspec
from starlette.types import Message, Send

from app.dialects.errors import RenderedError
from app.errors import ClientDisconnected
from app.gateway.connection import ClientConnection
from app.limits import Limit
from telemetry.context import ObservabilityContext

_EVENT_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Proxies such as nginx would collect a stream before they pass it on.
    (b"x-accel-buffering", b"no"),
)
_JSON = ((b"content-type", b"application/json"),)
_LAST_WORD_TIMEOUT = 5.0
"""Seconds for the last event of a failed stream; then the connection is cut, which no SDK takes for success."""


class Reply:
    def __init__(self, send: Send, connection: ClientConnection, obs: ObservabilityContext) -> None:
        self._send = send
        self._connection = connection
        self._obs = obs
        self._ids = tuple((name, obs.transaction_id.encode()) for name in (b"x-request-id", b"request-id"))
        self.status = 0
        """0 until the response has started."""
        self.complete = False
        self._now = asyncio.get_running_loop().time
        self.idle_since = self._now()
        self.client_is_gone = False
        self._busy = False
        self._sent_bytes = obs.recorder.sent_bytes

    @property
    def started(self) -> bool:
        return self.status != 0

    async def send(self, data: bytes) -> None:
        """Send events of a stream; nothing to a client that has gone, where the stream is to be finished anyway."""
        if self.client_is_gone:
            return
        await self._start(200, _EVENT_STREAM)
        await self._body(data, more=True)

    def send_now(self, data: bytes) -> bool:
        """The same, if it needs no waiting; whether it was done."""
        if self.client_is_gone:
            return True
        if self._busy or not self._connection.is_writable:
            return False
        if not self.status:
            self._begin()
        self._connection.write(data)
        self.idle_since = self._now()
        self._sent_bytes(len(data))
        return True

    def keepalive(self, comment: bytes) -> None:
        """A comment between events; none to a client that is behind with reading, or to whom a send is under way."""
        self.idle_since = self._now()
        if self._connection.is_writable and not (self._busy or self.complete or self.client_is_gone):
            self._begin()
            self._connection.write(comment)

    async def end(self) -> None:
        """The clean end of a stream."""
        if self.client_is_gone:
            raise ClientDisconnected("The client left before the end of its stream.")
        await self._start(200, _EVENT_STREAM)
        self.complete = True
        await self._body(b"", more=False)

    async def last_word(self, data: bytes) -> None:
        """The error event of a stream that failed. Cut off where the client does not read even that."""
        try:
            with Limit(_LAST_WORD_TIMEOUT):
                await self._body(data, more=True)
                self.complete = True
                await self._body(b"", more=False)
        except TimeoutError:
            self._obs.log("warning", "connection cut: the client does not read")
            self._connection.cut()
            # The server learns of it in its own turn, and would complain of a reply that was left open.
            await asyncio.sleep(0)

    async def json(self, status: int, body: object, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        await self.json_bytes(status, msgspec.json.encode(body), headers)

    async def json_bytes(self, status: int, data: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """A body that is JSON already."""
        if self.client_is_gone:
            raise ClientDisconnected("The client left before its answer.")
        await self._start(status, (*_JSON, (b"content-length", str(len(data)).encode()), *headers))
        self.complete = True
        await self._body(data, more=False)

    async def error(self, rendered: RenderedError) -> None:
        # Its id is among those that every reply bears: a header that comes twice is read as one value, "id, id".
        own = {name for name, _ in self._ids}
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in rendered.headers.items()]
        await self.json(rendered.status, rendered.body, [header for header in headers if header[0] not in own])

    async def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        if not self.started:
            await self._send(self._head(status, headers))

    def _head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> Message:
        self.status = status
        return {"type": "http.response.start", "status": status, "headers": [*headers, *self._ids]}

    def _begin(self) -> None:
        """The head of a stream, to a connection that takes it at once."""
        if not self.started:
            _immediately(self._send(self._head(200, _EVENT_STREAM)))

    async def _body(self, data: bytes, more: bool, counts: bool = True) -> None:
        self._busy = True
        self._obs.ledger.enter("client")
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": more})
        finally:
            self._obs.ledger.leave("client")
            self._busy = False
            self.idle_since = self._now()
        if counts and data:
            self._obs.recorder.sent_bytes(len(data))


def _immediately(sending: Awaitable[None]) -> None:
    """Run a send of the server's that does not wait, without the loop."""
    steps = sending.__await__()
    try:
        next(steps)
    except StopIteration:
        return
    raise RuntimeError("the server waits although its connection is writable")
