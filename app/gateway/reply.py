"""The response side of one exchange: it knows what was sent, keeps a silent stream alive, and charges the client's time
to the ledger.

A response starts with its first byte, so that everything that fails before is an HTTP status of its own.

What a reply may still do depends on its state alone:

    NOT_STARTED   nothing was sent: an error can be an HTTP status with a body
    READY         the head was sent, and no send waits: bytes and comments may be written without waiting
    SENDING       a send waits until the client has read enough
    COMPLETE      the last byte was handed to the server
    CLIENT_GONE   the client has left, and its stream is finished without it: nothing more is sent
    ABORTED       the connection was closed before the end, which no client takes for a clean one

    NOT_STARTED -> READY             the head, which goes with the first bytes, or with a comment
    READY <-> SENDING                a send that cannot be done at once; one at a time, begun by the exchange's own task
    READY -> COMPLETE                `end`, `json`, and `fail` with the stream's last event
    READY, SENDING -> ABORTED        `fail`, where the client reads nothing or where no event could tell of the error
    all but COMPLETE, ABORTED -> CLIENT_GONE    `client_left`, called by the connection in between two steps of the rest

`client_left` and the timer of the comments come from outside the exchange's task, so they find a reply in any state;
whatever waits in SENDING then goes on, and leaves a state that is no longer SENDING as it finds it.
"""

import asyncio
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from contextlib import suppress
from enum import Enum, auto
from time import monotonic

import msgspec
from starlette.types import Message, Send

from app.dialects import RequestDialect
from app.dialects.errors import RenderedError
from app.dialects.passthrough import StreamFormatter
from app.errors import ClientDisconnected, GatewayError, QueueOverflow
from app.gateway.client_connection import ClientConnection
from app.limits import Limit
from app.settings import PipelineSettings
from telemetry import ObservabilityContext

_EVENT_STREAM = (
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Proxies such as nginx would collect a stream before they pass it on.
    (b"x-accel-buffering", b"no"),
)
_JSON = ((b"content-type", b"application/json"),)
_SHORTEST_TIMEOUT = 1.0
"""Seconds: no client reads a large answer in no time."""
_BUFFERED = 64 * 1024
"""Bytes that may be left to the server without looking at whether the client reads them."""
_LAST_EVENT_TIMEOUT = 5.0
"""Seconds for the last event of a failed stream; then the connection is aborted, which no SDK takes for success."""


class ReplyState(Enum):
    """What a reply may still do. The module's docstring has the transitions."""

    NOT_STARTED = auto()
    READY = auto()
    SENDING = auto()
    COMPLETE = auto()
    CLIENT_GONE = auto()
    ABORTED = auto()


_NOT_STARTED, _SENDING, _CLIENT_GONE = ReplyState.NOT_STARTED, ReplyState.SENDING, ReplyState.CLIENT_GONE
"""For `take`: a member of an enum class takes 0.2 us to look up, and it is called for every chunk."""


class Reply:
    """One response in the client's dialect: JSON, an error, or a stream of events. `close` it with its exchange."""

    def __init__(
        self,
        send: Send,
        connection: ClientConnection,
        dialect: RequestDialect,
        obs: ObservabilityContext,
        settings: PipelineSettings,
    ) -> None:
        self._send = send
        self._connection = connection
        self._dialect = dialect
        self._obs = obs
        self._timeout = max(settings.put_timeout, _SHORTEST_TIMEOUT)
        """Seconds for which a client may read nothing of what it was sent."""
        self._keepalive_interval = settings.keepalive_interval
        id = obs.transaction_id.encode()
        self._ids = ((b"x-request-id", id), (b"request-id", id))
        self._idle_since = monotonic()
        self._keepalive: asyncio.TimerHandle | None = None
        self._formatter: StreamFormatter | None = None
        self._sent_bytes = obs.recorder.sent_bytes
        self._tape = obs.tape
        self._relayed: dict[bytes, bytes] = {}
        self._advice: Mapping[bytes, bytes] = {}
        self._left = b""
        self.state = ReplyState.NOT_STARTED
        self.status = 0
        """The HTTP status that was sent; 0 before."""

    def relay(self, headers: Mapping[str, str]) -> None:
        """Send headers of the provider's, under lower-case names, if the reply's own head has not been sent."""
        self._relayed = {name.encode("latin-1"): value.encode("latin-1") for name, value in headers.items()}

    def advise(self, headers: Mapping[bytes, bytes]) -> None:
        """Send headers of the gateway's own, under lower-case names, in place of a provider's of the same names, if the
        reply's own head has not been sent."""
        self._advice = headers

    def stream_with(self, formatter: StreamFormatter) -> None:
        """Make the reply a stream: comments keep it alive from now on, and only its formatter may end it."""
        self._formatter = formatter
        if self._keepalive_interval:
            self._keep_alive_in(self._idle_since + self._keepalive_interval - monotonic())

    def close(self) -> None:
        """Stop the comments."""
        if self._keepalive is not None:
            self._keepalive.cancel()

    async def send(self, data: bytes) -> None:
        """Send events of a stream. Does nothing in CLIENT_GONE, where a stream is finished without its client. Raises
        QueueOverflow, with nothing of `data` sent, when the client reads nothing of what was sent before, and
        ClientDisconnected if it has left."""
        if self.state is ReplyState.CLIENT_GONE:
            return
        await self._start_stream()
        await self._wait_for_reader()
        if self.state is _CLIENT_GONE:
            return
        await self._body(data, more=True)
        # A server drops in silence what is sent to a client that has gone.
        if self._connection.is_lost and self.state is ReplyState.READY:
            raise ClientDisconnected("The client left before the end of its stream.")

    def take(self, pieces: Sequence[bytes]) -> bool:
        """Send without waiting. False, with nothing sent, if the connection is not writable: `flush` sends it then.
        Raises ClientDisconnected if the client has left."""
        state = self.state
        if state is _CLIENT_GONE:
            return True
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if state is _SENDING or not self._connection.is_writable:
            self._left = data
            return False
        if state is _NOT_STARTED:
            self._start_stream_now()
        self._connection.write(data)
        self._idle_since = monotonic()
        self._sent_bytes(len(data))
        if self._tape is not None:
            self._tape.answer.add(data)
        return True

    async def flush(self) -> None:
        """Send what `take` left, as `send` does; it is still left when that fails."""
        if self._left:
            await self.send(self._left)
            self._left = b""

    async def end(self) -> None:
        """End a stream cleanly. Raises QueueOverflow when the client reads nothing, ClientDisconnected if it has
        left."""
        if self.state is ReplyState.CLIENT_GONE:
            raise ClientDisconnected("The client left before the end of its stream.")
        await self._start_stream()
        await self._complete(b"")

    async def json(self, status: int, body: object) -> None:
        """Send `body`, encoded, as the whole response. Raises as `end` does."""
        await self.json_bytes(status, msgspec.json.encode(body))

    async def json_bytes(self, status: int, data: bytes, headers: Iterable[tuple[bytes, bytes]] = ()) -> None:
        """Send a body that is JSON already as the whole response. Raises as `end` does."""
        if self.state is ReplyState.CLIENT_GONE:
            raise ClientDisconnected("The client left before its answer.")
        await self._send(self._head(status, (*_JSON, (b"content-length", b"%d" % len(data)), *headers)))
        await self._complete(data)

    async def fail(self, error: GatewayError) -> None:
        """Tell the client of the error in the way that is still open: a status and a body, the stream's last event, or
        an aborted connection."""
        # Nobody is left to be told where the client goes meanwhile.
        with suppress(ClientDisconnected):
            match self.state:
                case ReplyState.NOT_STARTED:
                    await self._error(self._dialect.render_error(error, self._obs.transaction_id))
                case ReplyState.READY | ReplyState.SENDING if self._formatter is not None:
                    await self._last_event(self._formatter.fail(error))
                case ReplyState.READY | ReplyState.SENDING:
                    await self._abort()
                case ReplyState.COMPLETE | ReplyState.CLIENT_GONE | ReplyState.ABORTED:
                    pass

    def client_left(self) -> None:
        """From now on nothing is sent, and sending is no error."""
        self.state = ReplyState.CLIENT_GONE

    @property
    def is_delivered(self) -> bool:
        """Whether nothing is left to send that a client would wait for. SDKs hang up once they have read the last
        event, before the final HTTP chunk: a clean end. A formatter that has ended its stream has no more comments."""
        if self.state is ReplyState.COMPLETE:
            return True
        has_ended = self._formatter is not None and self._formatter.has_ended
        return has_ended and self.state is not ReplyState.SENDING

    def _keep_alive(self) -> None:
        """Send a comment after an interval without a byte; none to a client that is behind with reading."""
        now = monotonic()
        if now >= self._idle_since + self._keepalive_interval:
            self._idle_since = now
            if self.state in (ReplyState.NOT_STARTED, ReplyState.READY) and self._connection.is_writable:
                self._comment()
        self._keep_alive_in(self._idle_since + self._keepalive_interval - now)

    def _keep_alive_in(self, seconds: float) -> None:
        self._keepalive = asyncio.get_running_loop().call_later(seconds, self._keep_alive)

    def _comment(self) -> None:
        if self._formatter is None or self._connection.is_lost:
            return
        if comment := self._formatter.keepalive():
            if self.state is ReplyState.NOT_STARTED:
                self._start_stream_now()
            self._connection.write(comment)
            if self._tape is not None:
                self._tape.answer.add(comment)

    async def _error(self, rendered: RenderedError) -> None:
        # The rendered error bears the transaction's id, too. A header that comes twice is read as one value, "id, id".
        sent_anyway = {name for name, _ in self._ids} | self._relayed.keys() | self._advice.keys()
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in rendered.headers.items()]
        body = rendered.body if isinstance(rendered.body, bytes) else msgspec.json.encode(rendered.body)
        await self.json_bytes(rendered.status, body, [header for header in headers if header[0] not in sent_anyway])

    async def _last_event(self, data: bytes) -> None:
        try:
            with Limit(_LAST_EVENT_TIMEOUT):
                await self._body(data, more=True)
                await self._body(b"", more=False)
        except TimeoutError:
            await self._abort()

    async def _abort(self) -> None:
        self.state = ReplyState.ABORTED
        self._obs.log("warning", "connection cut: the client does not read")
        self._connection.abort()
        # The server learns of it in its own turn, and would complain of a reply that was left open.
        await asyncio.sleep(0)

    async def _start_stream(self) -> None:
        if self.state is ReplyState.NOT_STARTED:
            await self._send(self._head(200, _EVENT_STREAM))

    def _start_stream_now(self) -> None:
        """Send the head of a stream to a connection that is writable."""
        _immediately(self._send(self._head(200, _EVENT_STREAM)))

    def _head(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> Message:
        self.status = status
        self.state = ReplyState.READY
        relayed = {**self._relayed, **self._advice} if self._advice else self._relayed
        sent = [*headers, *self._ids, *relayed.items()]
        if self._tape is not None:
            self._tape.responded(status, sent)
        return {"type": "http.response.start", "status": status, "headers": sent}

    async def _complete(self, data: bytes) -> None:
        """Send the last of the body. The reply is complete only when the client has read it, up to what buffers hold;
        raises QueueOverflow when it reads nothing."""
        if len(data) > _BUFFERED:
            await self._body(data, more=True)
            data = b""
        if self._connection.unsent > _BUFFERED:
            await self._wait_for_reader()
        await self._body(data, more=False)

    async def _wait_for_reader(self) -> None:
        """Wait until the client has read what is beyond the buffers; raise QueueOverflow where it reads nothing in
        time."""
        while (left := self._connection.unsent) > _BUFFERED:
            try:
                with Limit(self._timeout):
                    # The server takes even nothing only when its buffer has room again.
                    await self._body(b"", more=True)
            except TimeoutError:
                if self._connection.unsent >= left:
                    raise QueueOverflow(
                        f"The client did not read its answer within {self._timeout:g} s.",
                        detail=f"{left} bytes were not read for {self._timeout:g} s",
                    ) from None

    async def _body(self, data: bytes, more: bool) -> None:
        """Send a piece of the body, or its end. Nobody waits where the connection is writable."""
        if self._tape is not None and data:
            # Before the wait: a client may have read of it what it wants by the time that it is over.
            self._tape.answer.add(data)
        if not self._connection.is_writable:
            await self._waiting(data, more)
        elif more:
            self._connection.write(data)
        else:
            self._connection.end(data)
            self.state = ReplyState.COMPLETE
        self._idle_since = monotonic()
        if data:
            self._sent_bytes(len(data))

    async def _waiting(self, data: bytes, more: bool) -> None:
        if not more:
            # Whoever has read all of it may leave before the server says that it is sent.
            self.state = ReplyState.COMPLETE
        elif self.state is ReplyState.READY:
            self.state = ReplyState.SENDING
        self._obs.ledger.enter("client")
        try:
            await self._send({"type": "http.response.body", "body": data, "more_body": more})
        finally:
            self._obs.ledger.leave("client")
            if self.state is ReplyState.SENDING:
                self.state = ReplyState.READY


def _immediately(sending: Awaitable[None]) -> None:
    """Run a send of the server's that does not wait, without the loop."""
    steps = sending.__await__()
    try:
        next(steps)
    except StopIteration:
        return
    raise RuntimeError("the server waits although its connection is writable")
