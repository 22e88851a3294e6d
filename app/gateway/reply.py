"""The response side of one exchange: knows what was sent, and charges the client's time to the ledger.

A response starts with its first byte, so that everything that fails before is an HTTP status of its own.
"""

import asyncio
from collections.abc import Awaitable, Iterable

import msgspec
from starlette.types import Message, Send

from app.dialects.errors import RenderedError
from app.errors import ClientDisconnected, QueueOverflow
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
_LEAST_PATIENCE = 1.0
"""Seconds: no client reads a large answer in no time."""
_BUFFERED = 64 * 1024
"""Bytes that may be left to the server without looking at whether the client reads them."""
_LAST_WORD_TIMEOUT = 5.0
"""Seconds for the last event of a failed stream; then the connection is cut, which no SDK takes for success."""


class Reply:
    """`patience` is in seconds: for so long a client may read nothing of what it was sent."""

    def __init__(self, send: Send, connection: ClientConnection, obs: ObservabilityContext, patience: float) -> None:
        self._send = send
        self._connection = connection
        self._obs = obs
        self._patience = max(patience, _LEAST_PATIENCE)
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

    @property
    def is_sending(self) -> bool:
        """Whether something waits for the client to read what came before."""
        return self._busy

    async def send(self, data: bytes) -> None:
        """Send events of a stream; nothing to a client that has gone, where the stream is to be finished anyway. Raises
        QueueOverflow, with nothing of `data` sent, when the client reads nothing of what was sent before."""
        if self.client_is_gone:
            return
        await self._start(200, _EVENT_STREAM)
        await self._drained()
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
        await self._finish(b"")

    async def last_word(self, data: bytes) -> None:
        """The error event of a stream that failed. Cut off where the client does not read even that."""
        try:
            with Limit(_LAST_WORD_TIMEOUT):
                await self._body(data, more=True)
                self.complete = True
                await self._body(b"", more=False)
        except TimeoutError:
            await self.cut()

    async def cut(self) -> None:
        """End a reply that nobody reads: no client takes that for its clean end."""
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
        await self._finish(data)

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

    async def _finish(self, data: bytes) -> None:
        """The last of the body. The reply is complete only when the client has read it, up to what buffers hold; raises
        QueueOverflow when it reads nothing."""
        if len(data) > _BUFFERED:
            await self._body(data, more=True)
            data = b""
        await self._drained()
        self.complete = True
        await self._body(data, more=False)

    async def _drained(self) -> None:
        """Returns at once where the client reads as it should."""
        while (left := self._connection.unsent) > _BUFFERED:
            try:
                with Limit(self._patience):
                    # The server takes even nothing only when its buffer has room again.
                    await self._body(b"", more=True)
            except TimeoutError:
                if self._connection.unsent >= left:
                    raise QueueOverflow(
                        f"The client did not read its answer within {self._patience:g} s.",
                        detail=f"{left} bytes were not read for {self._patience:g} s",
                    ) from None

    async def _body(self, data: bytes, more: bool) -> None:
        self._busy = True
        self._obs.ledger.enter("client")
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": more})
        finally:
            self._obs.ledger.leave("client")
            self._busy = False
            self.idle_since = self._now()
        if data:
            self._obs.recorder.sent_bytes(len(data))


def _immediately(sending: Awaitable[None]) -> None:
    """Run a send of the server's that does not wait, without the loop."""
    steps = sending.__await__()
    try:
        next(steps)
    except StopIteration:
        return
    raise RuntimeError("the server waits although its connection is writable")
