"""The connections of one route: who uses one, which wait to be used again, and who waits for one.

An idle connection is used before a new one is made, the latest first: those that are not needed grow old at the other
end, and are closed after `_KEEPALIVE`. One that the server closed meanwhile is never used: the pool hears of its end,
or finds its socket readable. If the server closed it, and nobody could know that yet, when a request went out, the
request goes out once more over a connection made for it: where its method may be repeated, or where the end came so
soon that it was on its way before the request was there (`_RACE`).

At most `limit` connections are in use or being made. More requests wait in turn; a connection, or the right to make
one, goes from whoever leaves to the first that waits, so no newcomer overtakes it.
"""

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import NamedTuple

from app.http_client.connecting import connect
from app.http_client.connection import Connection
from app.http_client.errors import ClosedWithoutResponse, ConnectionLost, NoFreeConnection
from app.http_client.heads import Resource, request_head
from app.http_client.response import UpstreamResponse
from app.http_client.route import Route
from app.lookups import Lookups
from telemetry import Attempt

_KEEPALIVE = 30.0
"""Seconds that a connection waits to be used again."""
_RACE = 1.0
"""Seconds: the end of an idle connection and a request may cross on their way for as long. A server that closes later
has perhaps done what it was asked to do."""
_REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})
"""Methods that may be repeated whatever became of the first request (RFC 9110, 9.2.2)."""
_CONNECTS = 4096
"""Connect times that are kept until they are read."""


class PoolNews(NamedTuple):
    """What happened in a pool since its news were last taken."""

    connects: deque[float]
    """Seconds that each connection took that was made, its look-up and handshake included."""
    resent: int
    """Requests that went out once more, as the server had closed the connection that they went out by."""


class PoolState(NamedTuple):
    """What a pool holds now."""

    active: int
    """Connections in use, or being made."""
    idle: int
    waiting: int
    """Requests that wait for a connection."""


class Pool:
    def __init__(self, route: Route, lookups: Lookups, *, limit: int, connect_limit: float) -> None:
        """`connect_limit`: seconds for a connection, the wait for a free one included; as much again by a proxy."""
        self.route = route
        self._lookups = lookups
        self._limit = limit
        self._connect_limit = connect_limit
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Connection, None] = {}
        """In the order in which they became idle."""
        self._used: set[Connection] = set()
        self._reserved = 0
        """Connections that are being made."""
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        """Each gets a connection, or the right to make one."""
        self._expiry: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._connects: deque[float] = deque(maxlen=_CONNECTS)
        self._resent = 0

    @property
    def state(self) -> PoolState:
        return PoolState(len(self._used) + self._reserved, len(self._idle), len(self._waiters))

    def take_news(self) -> PoolNews:
        """What has happened since the last call."""
        news = PoolNews(self._connects, self._resent)
        self._connects, self._resent = deque(maxlen=_CONNECTS), 0
        return news

    async def request(
        self, method: str, resource: Resource, headers: Mapping[str, str], body: bytes, attempt: Attempt | None
    ) -> UpstreamResponse:
        """Send a request and return the head of its response. The attempt is told when the request goes out.

        Raises HttpError (NoFreeConnection among them), OSError, and TimeoutError where no connection could be made in
        time."""
        host, target = resource.host, resource.target
        if (proxy := self.route.proxy) is not None and self.route.tls is None:
            target = f"http://{host}{target}"
            if proxy.authorization is not None:
                headers = {**headers, "proxy-authorization": proxy.authorization}
        head = request_head(method, host, target, headers, len(body))
        connection = self._reusable() or await self._acquire()
        if attempt is not None:
            if proxy is not None and (peer := connection.peer) is not None:
                attempt.connected_to(*peer)
            attempt.is_sent = True
        was_used, sent_at = connection.exchanges > 0, self._loop.time()
        try:
            return await connection.exchange(method, head, body)
        except ClosedWithoutResponse:
            if not was_used or (method not in _REPEATABLE and self._loop.time() - sent_at > _RACE):
                raise
        self._resent += 1
        connection = await self._acquire()
        return await connection.exchange(method, head, body)

    async def aclose(self) -> None:
        """Close all connections, those in use among them. Whoever waits for one gets none."""
        self._is_closed = True
        if self._expiry is not None:
            self._expiry.cancel()
        for connection in [*self._idle, *self._used]:
            connection.abort()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(ConnectionLost("the pool was closed"))
        # The sockets are closed in the loop's next turn.
        await asyncio.sleep(0)

    # What connections say.

    def released(self, connection: Connection) -> None:
        if self._is_closed:
            connection.abort()
        elif self._waiters and (waiter := self._next_waiter()) is not None:
            waiter.set_result(connection)
        else:
            self._used.discard(connection)
            connection.idle_since = self._loop.time()
            self._idle[connection] = None
            if self._expiry is None:
                self._expiry = self._loop.call_later(_KEEPALIVE, self._expire)

    def lost(self, connection: Connection) -> None:
        self._idle.pop(connection, None)
        if connection in self._used:
            self._used.discard(connection)
            self._pass_on_turn()

    # How a request comes by one.

    def _reusable(self) -> Connection | None:
        oldest = self._loop.time() - _KEEPALIVE
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.idle_since > oldest and connection.is_usable():
                self._used.add(connection)
                return connection
            connection.abort()
        return None

    async def _acquire(self) -> Connection:
        """A connection that was made now, or that another request has just left."""
        if self._is_closed:
            raise ConnectionLost("the pool was closed")
        # Through a proxy there are two steps, each with the limit of a connection.
        steps = 1 if self.route.proxy is None else 2
        deadline = self._loop.time() + steps * self._connect_limit
        while len(self._used) + self._reserved >= self._limit:
            try:
                async with asyncio.timeout_at(deadline):
                    given = await self._turn()
            except TimeoutError:
                raise NoFreeConnection(f"all {self._limit} connections are in use") from None
            if given is None:
                return await self._make(deadline)
            if not given.is_closed:
                return given
        self._reserved += 1
        return await self._make(deadline)

    async def _turn(self) -> Connection | None:
        """Wait for a connection, or for the right to make one (None), which is reserved then."""
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except BaseException:
            if not waiter.done() or waiter.cancelled() or waiter.exception() is not None:
                if waiter in self._waiters:
                    self._waiters.remove(waiter)
            elif (given := waiter.result()) is None:
                self._reserved -= 1
                self._pass_on_turn()
            elif not given.is_closed:
                self.released(given)
            raise

    async def _make(self, deadline: float) -> Connection:
        began = self._loop.time()
        try:
            async with asyncio.timeout_at(deadline):
                connection = await connect(self.route, self._lookups, self, self._connect_limit)
            if self._is_closed or connection.is_closed:
                connection.abort()
                raise ConnectionLost("the connection was closed as soon as it was made")
        except BaseException:
            self._reserved -= 1
            self._pass_on_turn()
            raise
        self._reserved -= 1
        self._used.add(connection)
        self._connects.append(self._loop.time() - began)
        return connection

    def _pass_on_turn(self) -> None:
        if len(self._used) + self._reserved < self._limit and (waiter := self._next_waiter()) is not None:
            self._reserved += 1
            waiter.set_result(None)

    def _next_waiter(self) -> asyncio.Future[Connection | None] | None:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                return waiter
        return None

    def _expire(self) -> None:
        self._expiry = None
        now = self._loop.time()
        for connection in list(self._idle):
            if connection.idle_since > now - _KEEPALIVE:
                self._expiry = self._loop.call_later(connection.idle_since + _KEEPALIVE - now, self._expire)
                return
            del self._idle[connection]
            connection.abort()
