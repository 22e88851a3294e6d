"""A client's connection: bytes to requests, one at a time, and a bounded end whatever the client does.

Bytes behind a complete request are held until it is answered, and reading is paused: one read of the loop is held at
most. The parser is given no byte before it is sure that the byte belongs to a request.

    waiting     for a head: `header_timeout` from its first byte on, `keep_alive` while there is none
    receiving   a body, which the application reads, and for which it sets the time limit
    answering   a complete request
    lingering   answered, or refused, before the request was complete: the rest of it is read and thrown away, so that
                the client can read its response (a closed socket would reset the connection under it), and no byte of
                it is ever taken for a request

No connection has a timer: each has the time until which its state may last (`ends_at`), and the server checks all of
them once a second (`close_overdue`).
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from secrets import token_hex
from typing import cast

from starlette.types import Message, Scope
from uvicorn.protocols.utils import get_remote_addr

from app.edge.flow import HIGH_WATER, Flow
from app.edge.head import Refused
from app.edge.parser import END, Event, Head, RequestHead, RequestParser
from app.edge.peer_watch import PeerWatch
from app.edge.request_cycle import RequestCycle, refusal_response
from app.edge.scopes import scope_of_connection, scope_of_head
from app.edge.server_context import ServerContext
from app.errors import ClientDisconnected
from telemetry.logs.records import is_logged, log_access
from telemetry.names import OTHER_ACCESS_LOGGER, REQUEST_PREFIX

_LINGER_IDLE = 5.0
"""Seconds without a byte after which a lingering connection is closed."""
_GOODBYE = 1.0
"""Seconds for an idle client to end TLS on its side."""
_TOO_LATE = "The head of the request did not arrive in time."


class Connection(asyncio.Protocol):
    """The protocol of one accepted socket. `on_closed` is called once, at its end. With `refused`, that refusal is all
    the client gets."""

    def __init__(self, context: ServerContext, on_closed: Callable[[], None], refused: Refused | None = None) -> None:
        self._context = context
        self._limits = context.limits
        self._on_closed = on_closed
        self._refused = refused
        """The response to the latest data, once the requests before it are answered; nothing is parsed any more."""
        self._parser = RequestParser(context.limits.header_size)
        self._held: memoryview | None = None
        """Data received while a complete request is being answered."""
        self._is_idle = False
        """Whether nothing was received since the last response."""
        self._reading: RequestCycle | None = None
        """The request whose body is being parsed."""
        self._running: RequestCycle | None = None
        self._parsed: list[RequestCycle] = []
        """Requests that were parsed in one step with the one before them."""
        self._head: Head | None = None
        """The head of the latest request, and what of its scope is made of it."""
        self._head_scope: Scope = {}
        self._lingering = False
        self._draining = False
        self.is_writable = True
        """Whether `write` fits into the transport's buffer."""
        self.was_made = False
        """Whether there was a connection that bytes could pass by; not so where its handshake failed."""
        self._when_lost: Callable[[], None] | None = None

    # The client's connection, as an exchange sees it.

    @property
    def unsent(self) -> int:
        """Bytes in the transport's buffer."""
        return self._transport.get_write_buffer_size()

    @property
    def is_lost(self) -> bool:
        """Whether the client has gone before its response was complete, so that nothing more reaches it."""
        return self._running is None or self._running.disconnected

    @property
    def announced(self) -> int:
        """Bytes of the request's body, as its head says; 0 where it does not."""
        return 0 if self._running is None else self._running.announced

    async def receive(self) -> Message:
        """ASGI's `receive` of the request that is being answered."""
        return {"type": "http.disconnect"} if self._running is None else cast(Message, await self._running.receive())

    def received(self) -> tuple[bytes, bool] | None:
        """What came of the request's body since it was asked for last, and whether there is more to come; None if
        nothing has happened since, or if the client has gone."""
        return None if self._running is None else self._running.received()

    def write(self, data: bytes) -> None:
        """Send a piece of a response body. Raises ClientDisconnected where it is lost."""
        if self._running is None or self._running.disconnected:
            raise ClientDisconnected("The client left before the end of its stream.")
        self._transport.write(self._running.response.piece(data))

    def end(self, data: bytes) -> None:
        """Send the rest of a response body. Does nothing where it is lost: whoever has the last event in hand may leave
        before the end behind it."""
        if self._running is not None and not self._running.disconnected:
            self._running.end(data)

    def when_lost(self, call: Callable[[], None]) -> None:
        """Call `call` once, when the client goes before its response is complete."""
        self._when_lost = call
        if not self._flow.is_reading:
            # A paused transport would not notice that its client has gone.
            self._flow.resume_reading()
        if self._transport.is_closing():
            self._context.loop.call_soon(self._notify_lost)

    def forget(self) -> None:
        """Drop the call that `when_lost` registered."""
        self._when_lost = None

    def abort(self) -> None:
        """Close at once and drop unsent data: an orderly close would wait for a client that reads nothing."""
        self._transport.abort()

    # What the loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.was_made = True
        self._draining = self._context.is_draining
        self._transport = transport
        encrypted = transport.get_extra_info("ssl_object")
        self._is_encrypted = encrypted is not None
        if self._is_encrypted:
            # Those of TLS are eight times as much as those of a plain connection.
            transport.set_write_buffer_limits(HIGH_WATER)
        self._flow = Flow(transport)
        self._watch = PeerWatch(transport, self._limits.stall)
        self._scope = scope_of_connection(transport)
        self._context.state.connections.add(self)  # type: ignore[arg-type]
        self.ends_at: float | None = self._context.loop.time() + self._limits.header_timeout
        """The time at which the present state has lasted long enough; None while an exchange bounds it."""
        if self._refused is not None:
            self._refuse()

    def connection_lost(self, exc: Exception | None) -> None:
        self._context.state.connections.discard(self)
        self._on_closed()
        if self._running is not None:
            self._running.disconnect()
        self._flow.resume_writing()
        self._held = self._reading = self._running = self._head = None
        self._head_scope = {}
        self._parsed.clear()
        self._notify_lost()

    def never_opened(self) -> None:
        """The socket was given up before the loop made a transport of it."""
        self._on_closed()

    def eof_received(self) -> None:
        """The transport closes itself: a client that has closed its side has gone. Nothing that is written between now
        and `connection_lost` would be sent."""
        if self._running is not None:
            self._running.disconnect()
        self._notify_lost()

    def pause_writing(self) -> None:
        self.is_writable = False
        self._flow.pause_writing()

    def resume_writing(self) -> None:
        self.is_writable = True
        self._flow.resume_writing()

    def data_received(self, data: bytes) -> None:
        if self._lingering:
            self._discard(len(data))
        elif self._held is not None:
            self._hold(memoryview(bytes(self._held) + data))
        else:
            if self._is_idle:
                self._is_idle = False
                self.ends_at = self._context.loop.time() + self._limits.header_timeout
            self._parse(memoryview(data))
            if self._reading is not None and len(data) > HIGH_WATER:
                # However little of it is body, other connections have their turn before the next read.
                self._flow.pause_reading()

    # From bytes to requests.

    def _parse(self, data: memoryview) -> None:
        """Parse up to the end of a request; hold the rest until that one is answered."""
        at = 0
        while at < len(data) and self._refused is None:
            if self._running is not None and self._reading is not self._running:
                self._hold(data[at:])
                return
            taken, events = self._parser.step(data[at:])
            at += taken
            self._handle(events)
            self._refused = self._parser.refused
        if self._refused is not None:
            self._refuse()

    def _handle(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, RequestHead):
                self._reading = cycle = self._cycle_of(event)
                if self._running is None:
                    self._start(cycle)
                else:
                    self._parsed.append(cycle)
            elif self._reading is None:
                raise RuntimeError("there is no request that this could belong to")
            elif event is END:
                self._reading.end_body()
                self._reading = None
            else:
                self._reading.receive_body(event)
                if self._reading.unread > HIGH_WATER:
                    self._flow.pause_reading()

    def _cycle_of(self, request: RequestHead) -> RequestCycle:
        known = request.known
        if known is not self._head:
            self._head, self._head_scope = known, scope_of_head(known, self._scope, self)
        scope = {**self._head_scope, "headers": request.fields, "state": self._context.app_state.copy()}
        return RequestCycle(
            scope,
            self._transport,
            self._flow,
            self._context.state,
            announced=int(request.length or 0),
            expects_continue=known.expects_continue,
            keep_alive=known.keep_alive and not self._draining,
            on_response=self._finished,
        )

    def _hold(self, data: memoryview) -> None:
        self._held = data
        self._flow.hold()

    # From requests to responses.

    def _start(self, cycle: RequestCycle) -> None:
        self.ends_at = None
        self._running = cycle
        task = self._context.loop.create_task(cycle.run(self._context.app))
        task.add_done_callback(self._context.state.tasks.discard)
        self._context.state.tasks.add(task)

    def _finished(self) -> None:
        self._context.state.total_requests += 1
        cycle, self._running = self._running, None
        assert cycle is not None
        if self._transport.is_closing():
            return
        if not cycle.response.keep_alive or self._reading is cycle:
            self._close(asks_for_more=self._reading is cycle or self._held is not None or bool(self._parsed))
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Continue with what was received while the last request was being answered."""
        if self._parsed:
            self._start(self._parsed.pop(0))
        else:
            self._is_idle = self._held is None and not self._parser.in_head
            timeout = self._limits.keep_alive if self._is_idle else self._limits.header_timeout
            self.ends_at = self._context.loop.time() + timeout
        if self._refused is not None:
            self._refuse()
            return
        if self._held is not None:
            held, self._held = self._held, None
            self._flow.release()
            self._parse(held)
        if not self._flow.is_reading and not self._transport.is_closing():
            self._flow.resume_reading()

    def _refuse(self) -> None:
        """Send the refusal in its turn: requests before it are answered first."""
        refused, running = self._refused, self._running
        assert refused is not None
        if running is not None and self._reading is not running:
            # No data that still comes is of any use.
            self._hold(memoryview(b""))
            return
        if running is not None and running.response.is_sent:
            self.abort()
            return
        self._write_refusal(refused)
        if running is not None:
            running.disconnect()
            self._notify_lost()
        self._linger()

    def _write_refusal(self, refused: Refused) -> None:
        """Answer what is no request to anybody. At `debug` alone it leaves a line: strangers can send any number."""
        id = REQUEST_PREFIX + token_hex(16)
        self._transport.write(refusal_response(refused, id))
        if is_logged("debug"):
            client = get_remote_addr(self._transport)
            address = client[0] if client else None
            fields = {"request_id": id, "status": refused.status, "client_address": address, "reason": refused.reason}
            log_access(f"refused {refused.status}", fields, "debug", OTHER_ACCESS_LOGGER)

    def _close(self, asks_for_more: bool) -> None:
        if asks_for_more and not self._draining:
            self._linger()
        else:
            self.ends_at = self._context.loop.time() + self._limits.linger_timeout
            self._transport.close()

    def _linger(self) -> None:
        self._lingering = True
        self._discarded = 0
        self._lingers_until = self._context.loop.time() + self._limits.linger_timeout
        self._held = self._reading = None
        self._flow.release()
        self._parsed.clear()
        self._discard(0)
        if self._transport.can_write_eof() and not self._transport.is_closing():
            self._transport.write_eof()
        self._flow.resume_reading()

    def _discard(self, size: int) -> None:
        self._discarded += size
        self.ends_at = min(self._lingers_until, self._context.loop.time() + _LINGER_IDLE)
        if self._discarded > self._limits.linger_size:
            self.abort()

    def _notify_lost(self) -> None:
        lost, self._when_lost = self._when_lost, None
        if lost is not None:
            lost()

    # What the server calls.

    def shutdown(self) -> None:
        """Close now if idle, else after the response under way."""
        self._draining = True
        if self._running is None or self._lingering:
            self._transport.close()
            if self._is_encrypted:
                # The end of TLS would wait for an idle client to say goodbye, too.
                self._context.loop.call_later(_GOODBYE, self._transport.abort)
        else:
            self._running.response.keep_alive = False

    def check(self, now: float) -> bool:
        """End the connection if its time is up. Returns whether that was for want of a request's head."""
        # Only where reading is paused has the transport not noticed that the client has gone.
        if self._watch.is_stalled(now) or (self._held is not None and self._watch.has_left()):
            self.abort()
        elif self.ends_at is not None and self.ends_at < now:
            return self._end()
        return False

    def _end(self) -> bool:
        self.ends_at = None
        if self._transport.is_closing():
            self.abort()
            return False
        if self._lingering:
            self._close(asks_for_more=False)
            return False
        # A connection on which nothing but empty lines was received ends without a response.
        if self._parser.in_head:
            self._write_refusal(Refused(408, _TOO_LATE))
        self._close(asks_for_more=False)
        return not self._is_idle


def close_overdue(connections: Iterable[object], now: float) -> int:
    """End every connection whose time is up. Returns how many of them had not sent a request's head in time."""
    return sum(isinstance(one, Connection) and one.check(now) for one in list(connections))
