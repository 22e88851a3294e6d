"""Pooled connections to providers: a session per event loop and way to an origin, shared by all deployments that go it.

Bodies are asked for without compression, so that what is counted is what was sent. One that comes compressed all the
same is decompressed piece by piece, so the limits of what is read hold for what it decompresses to. Redirects are not
followed, cookies not kept, and no variable is read here: a deployment's settings say where a request goes, and by
which proxy. What differs in its origin, proxy or TLS is another way, whose connections nobody else uses.

Where aiohttp trusts a server, connections are guarded:

- aiohttp waits through any number of interim responses (100, 103 and the like), and keeps each until it has looked at
  it: a provider that sends nothing else would be read for as long as its request may take. None of them matters to the
  gateway, so they are dropped, and too many of them end the connection.
- Where the framing of a body breaks, aiohttp (3.14.5) closes the connection and raises for a reader of the head alone.
  A reader of the body would wait for ever, so the error is set on the body, too.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from time import monotonic
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary, WeakSet

import aiohttp
from aiohttp.abc import AbstractCookieJar, AbstractResolver, AbstractStreamWriter, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from app.backends.direct.tunnels import ProxyConnector
from app.backends.direct.upstream_tls import context_of
from app.certificates import BadCertificate
from app.errors import LocalFailure, UpstreamUnreachable
from app.lookups import Lookups, Question
from app.settings import UpstreamProxy, UpstreamTls
from telemetry import Attempt, AttemptTape
from telemetry.metrics.pools import PoolReading

_CONNECT_LIMIT = 10.0
"""Seconds for a connection, the wait for a free one included."""
_CONNECTIONS = 4096
"""Connections to one origin. Each stream holds one, so it bounds the streams; more wait for `_CONNECT_LIMIT`."""
_KEEPALIVE = 30.0
_LARGE_BODY = 2**20
_PIECE = 2**16
"""Bytes of a large body that are written at once."""
_HEADER_LIMIT = 64 * 1024
_CONNECTS = 4096
"""Connect times that are kept until they are read."""
INTERIM_LIMIT = 32
"""Interim responses before one answer."""
_SWITCHING_PROTOCOLS = 101
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
_USUAL_TLS = UpstreamTls()
_PROXY_HEADERS = {"User-Agent": "flowspan"}
_BASE_HEADERS = {
    "accept-encoding": "identity",
    "content-type": "application/json",
    "user-agent": "flowspan",
}


class UpstreamResponse(aiohttp.ClientResponse):
    """A response that can still close its connection when that has gone back to the pool, with the last byte."""

    read_piece: Callable[[], Awaitable[bytes]]
    """Reads what has come of the body, or waits for more; nothing at its end."""
    peer: tuple[str, int] | None = None
    """Address and port at the other end of the connection."""
    _handler: ResponseHandler | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        self._handler = connection.protocol
        if connection.transport is not None and (peer := connection.transport.get_extra_info("peername")) is not None:
            self.peer = peer[:2]
        started = await super().start(connection)
        self.read_piece = self.content.readany
        return started

    def tape(self, attempt: AttemptTape) -> None:
        """Have the attempt's tape get the head, and what is read of the body from now on."""
        attempt.responded(self.status, self.raw_headers)
        self.read_piece = attempt.reading(self.content.readany)

    def give_up(self) -> None:
        """Close the connection, whether or not the body was read to its end: no other request uses it."""
        self.close()
        if self._handler is not None:
            self._handler.close()


@dataclass
class _Shared:
    session: aiohttp.ClientSession
    users: "WeakSet[Connections]" = field(default_factory=WeakSet)
    """The shares that were not closed, and that somebody still uses."""


class _Way(NamedTuple):
    """All that makes one connection another one than the next."""

    origin: str
    proxy: UpstreamProxy | None
    tls: UpstreamTls


_sessions: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[_Way, _Shared]] = WeakKeyDictionary()


class Connections:
    """One deployment's share of the session for its way to the origin of `url`. The session is closed with its last
    share: where nobody closed that, with the next one that is closed."""

    def __init__(
        self,
        url: str,
        lookups: Lookups,
        *,
        proxy: UpstreamProxy | None = None,
        tls: UpstreamTls = _USUAL_TLS,
        limit: int = _CONNECTIONS,
        connect_limit: float = _CONNECT_LIMIT,
    ) -> None:
        self._lookups = lookups
        self._limit = limit
        self._connect_limit = connect_limit
        address = URL(url)
        self._way = _Way(str(address.origin()), proxy, tls)
        # Where there is no tunnel, what the proxy is to know goes along with each request.
        self._headers = _BASE_HEADERS if address.scheme == "https" else {**_BASE_HEADERS, **_authorization(proxy)}
        self._shared: _Shared | None = None

    async def request(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], attempt: Attempt | None = None
    ) -> UpstreamResponse:
        """Send a request and return the head of its response. The caller reads the body and closes the response, which
        ends the connection if anything is left unread. The attempt is told when the body goes out. Raises aiohttp's
        errors, and `LocalFailure` where no connection became free."""
        session, proxy = self._session(), self._way.proxy
        large = len(body) > _LARGE_BODY
        # A large body is written in pieces, so that other streams go on meanwhile.
        data = _pieces(body, attempt) if large else _WholeBody(body, attempt) if body else None
        length = {"content-length": str(len(body))} if large else {}
        try:
            answer = await session.request(
                method,
                url,
                data=data,
                headers={**self._headers, **headers, **length},
                allow_redirects=False,
                ssl=self._context,
                server_hostname=self._way.tls.server_name,
                proxy=None if proxy is None else proxy.address,
                proxy_headers=None if proxy is None else {**_PROXY_HEADERS, **_authorization(proxy)},
            )
        except aiohttp.ConnectionTimeoutError as error:
            if isinstance(session.connector, GuardedConnector) and session.connector.is_full:
                # Whoever holds them, the provider was not even asked.
                raise LocalFailure("connections", detail=f"all {self._limit} connections are in use") from error
            raise
        assert isinstance(answer, UpstreamResponse)
        if proxy is not None and attempt is not None and answer.peer is not None:
            attempt.connected_to(*answer.peer)
        return answer

    async def aclose(self) -> None:
        shared, self._shared = self._shared, None
        if shared is None:
            return
        shared.users.discard(self)
        pool = _sessions.get(asyncio.get_running_loop(), {})
        for way, one in list(pool.items()):
            if not one.users:
                del pool[way]
                await one.session.close()

    def _session(self) -> aiohttp.ClientSession:
        if self._shared is None:
            pool = _sessions.setdefault(asyncio.get_running_loop(), {})
            if self._way not in pool:
                # To a proxy, and from there to the provider.
                steps = 1 if self._way.proxy is None else 2
                pool[self._way] = _Shared(_new_session(self._lookups, self._limit, self._connect_limit, steps))
            self._shared = pool[self._way]
            self._shared.users.add(self)
        return self._shared.session

    @cached_property
    def _context(self) -> ssl.SSLContext | bool:
        try:
            return context_of(self._way.tls)
        except BadCertificate as error:
            # It was checked at the start, and has changed since.
            raise UpstreamUnreachable("The provider could not be reached.", detail=f"{error.part} {error}") from error


def pool_readings() -> list[PoolReading]:
    """What each pool of the running event loop holds; nothing where none runs any more."""
    try:
        pools = _sessions.get(asyncio.get_running_loop(), {})
    except RuntimeError:
        return []
    connectors = ((way.origin, shared.session.connector) for way, shared in pools.items())
    found: dict[str, PoolReading] = {}
    for origin, one in connectors:
        if isinstance(one, GuardedConnector):
            reading = one.reading(origin)
            found[origin] = found[origin].joined(reading) if origin in found else reading
    return list(found.values())


class _WholeBody(aiohttp.BytesPayload):
    """A body that is written at once, over a connection that stands by then."""

    def __init__(self, body: bytes, attempt: Attempt | None) -> None:
        super().__init__(body)
        self._attempt = attempt

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        if self._attempt is not None:
            self._attempt.sent()
        await super().write_with_length(writer, content_length)


async def _pieces(body: bytes, attempt: Attempt | None) -> AsyncIterator[bytes]:
    if attempt is not None:
        attempt.sent()
    for at in range(0, len(body), _PIECE):
        yield body[at : at + _PIECE]


def _authorization(proxy: UpstreamProxy | None) -> dict[str, str]:
    return {} if proxy is None or proxy.authorization is None else {"Proxy-Authorization": proxy.authorization}


def _new_session(lookups: Lookups, limit: int, connect_limit: float, steps: int) -> aiohttp.ClientSession:
    connector = GuardedConnector(
        limit=limit,
        keepalive_timeout=_KEEPALIVE,
        resolver=_Resolver(lookups),
        use_dns_cache=False,
        socket_factory=_socket,
    )
    cookies: AbstractCookieJar = aiohttp.DummyCookieJar()
    return aiohttp.ClientSession(
        connector=connector,
        timeout=aiohttp.ClientTimeout(
            total=None, connect=steps * connect_limit, sock_connect=connect_limit, sock_read=None
        ),
        cookie_jar=cookies,
        auto_decompress=True,
        response_class=UpstreamResponse,
        trust_env=False,
        max_line_size=_HEADER_LIMIT,
        max_field_size=_HEADER_LIMIT,
    )


def _socket(address: aiohttp.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A peer that vanished without a word is found out even where nobody is waiting for it.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return made


class TooManyInterimAnswers(HttpProcessingError):
    pass


class GuardedHandler(ResponseHandler):
    """aiohttp's protocol of one connection, which drops interim responses and fails bodies whose framing breaks."""

    _interim = 0

    def set_exception(self, exc: BaseException, exc_cause: BaseException | None = None) -> None:
        super().set_exception(exc, *(() if exc_cause is None else (exc_cause,)))
        body = self._payload
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError("The answer's framing is broken."), exc)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take a message: its head, and its body to come."""
        code = data[0].code
        if not 100 <= code < 200 or code == _SWITCHING_PROTOCOLS:
            if self._interim <= INTERIM_LIMIT:
                self._interim = 0
                super().feed_data(data, size)
            return
        self._interim += 1
        if self._interim == INTERIM_LIMIT + 1:
            self.set_exception(TooManyInterimAnswers())
            if self.transport is not None:
                self.transport.abort()


class GuardedConnector(ProxyConnector):
    """aiohttp's pool, with `GuardedHandler` for a protocol."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        # There is no public way to choose the protocol; a test holds that this one is in use.
        self._factory = partial(GuardedHandler, loop=self._loop)  # type: ignore[assignment]  # a subclass
        self._connects: deque[float] = deque(maxlen=_CONNECTS)

    @property
    def is_full(self) -> bool:
        """Whether all its connections are in use, so that the next request waits for one of these to end."""
        return bool(self.limit) and len(self._acquired) >= self.limit

    def reading(self, origin: str) -> PoolReading:
        """What the pool holds, and how long the connections took that were made since the last reading."""
        connects, self._connects = self._connects, deque(maxlen=_CONNECTS)
        idle, waiting = sum(map(len, self._conns.values())), sum(map(len, self._waiters.values()))
        return PoolReading(origin, len(self._acquired), idle, waiting, connects)

    # aiohttp's own tracing would cost each request, and tell of connections only there.
    async def _create_connection(self, *given: Any, **named: Any) -> ResponseHandler:
        began = monotonic()
        made = await super()._create_connection(*given, **named)
        self._connects.append(monotonic() - began)
        return made


class _Resolver(AbstractResolver):
    """The gateway's own look-up of names, for aiohttp."""

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Look a name up. Raises `socket.gaierror`."""
        found = await self._lookups.find(Question(host, family, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG))
        return [
            ResolveResult(
                hostname=host,
                host=_scoped(address),
                port=port,
                family=family,
                proto=proto,
                flags=_NUMERIC,
            )
            for family, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Do nothing: look-ups belong to the process, not to a session."""


def _scoped(address: tuple[object, ...]) -> str:
    """The host of a socket address, with the scope of a link-local IPv6 address (`fe80::1%2`)."""
    host = str(address[0])
    return f"{host}%{address[3]}" if len(address) > 3 and address[3] else host
