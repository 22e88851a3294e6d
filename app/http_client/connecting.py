"""From a route to a connection: the look-up of its name, the race of its addresses, the proxy's tunnel, TLS.

By way of a proxy there are two steps: to the proxy, where it makes a tunnel, and TLS through the tunnel. What goes
wrong in the first is the proxy's, and it has a limit of its own. A server whose address is http is asked by the proxy,
without a tunnel: its first step is the connection to the proxy alone. The caller bounds how long all of it may take.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import aiohappyeyeballs

from app.http_client.connection import Connection, Owner
from app.http_client.errors import ConnectionLost, HttpError, MalformedResponse, ProxyConnectionFailed
from app.http_client.heads import Origin, request_head
from app.http_client.parser import ResponseParser
from app.http_client.route import Proxy, Route, Tls
from app.lookups import Lookups, Question

_NEXT_ADDRESS = 0.25
"""Seconds after which the next address is tried beside the one before (RFC 8305, 5)."""
_NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV


async def connect(route: Route, lookups: Lookups, owner: Owner, proxy_limit: float) -> Connection:
    """Open a connection for its owner; `proxy_limit` is in seconds, for the way to a proxy and through it. Raises
    OSError (`socket.gaierror` and `ssl.SSLError` among them), and ProxyConnectionFailed."""
    connection = Connection(owner)
    proxy, tls = route.proxy, route.tls
    if proxy is None:
        await _open(connection, route.origin, tls, lookups)
    elif tls is None:
        async with _by_way_of(proxy, proxy_limit):
            await _open(connection, proxy.origin, proxy.tls, lookups)
    else:
        async with _by_way_of(proxy, proxy_limit):
            transport = await _tunnel(proxy, route.origin, lookups)
        await _start_tls(transport, connection, tls, route.origin.host)
    return connection


@asynccontextmanager
async def _by_way_of(proxy: Proxy, limit: float) -> AsyncIterator[None]:
    """A block whose failures are the proxy's."""
    name = proxy.origin.url
    try:
        async with asyncio.timeout(limit):
            yield
    except ProxyConnectionFailed:
        raise
    except TimeoutError as error:
        raise ProxyConnectionFailed(f"{name} did not answer in time") from error
    except (HttpError, OSError) as error:
        raise ProxyConnectionFailed(f"{name} could not be reached") from error


async def _open(protocol: "Connection | _Tunnel", origin: Origin, tls: Tls | None, lookups: Lookups) -> None:
    loop = asyncio.get_running_loop()
    addresses = await _addresses(origin, lookups)
    opened = await aiohappyeyeballs.start_connection(
        addresses, happy_eyeballs_delay=_NEXT_ADDRESS, interleave=1, loop=loop, socket_factory=_socket
    )
    try:
        first = protocol if tls is None else asyncio.Protocol()
        transport, _ = await loop.create_connection(lambda: first, sock=opened)
    except BaseException:
        # The loop closes it when it sees its end. To close it here would take its number from under a loop that still
        # watches it, and give it to the next connection.
        with suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)
        raise
    if tls is not None:
        await _start_tls(transport, protocol, tls, origin.host)


async def _addresses(origin: Origin, lookups: Lookups) -> list[aiohappyeyeballs.AddrInfoType]:
    try:
        # A number is asked of nobody.
        found = socket.getaddrinfo(origin.host, origin.port, type=socket.SOCK_STREAM, flags=_NUMERIC)
    except socket.gaierror:
        question = Question(origin.host, socket.AF_UNSPEC, socket.SOCK_STREAM, 0, socket.AI_ADDRCONFIG)
        return [
            (family, kind, proto, name, (address[0], origin.port, *address[2:]))
            for family, kind, proto, name, address in await lookups.find(question)
        ]
    return [(family, kind, proto, name, address) for family, kind, proto, name, address in found]


def _socket(address: aiohappyeyeballs.AddrInfoType) -> socket.socket:
    family, kind, protocol, _, _ = address
    made = socket.socket(family=family, type=kind, proto=protocol)
    made.setblocking(False)
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # A peer that vanished without a word is found out even where nobody is waiting for it.
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    return made


def _server_name(host: str) -> str:
    """A name without the dot of the root, which no certificate has, and an address without its scope."""
    return host.rstrip(".").partition("%")[0]


async def _tunnel(proxy: Proxy, origin: Origin, lookups: Lookups) -> asyncio.Transport:
    """The transport of a tunnel through a proxy, before TLS to the server behind it."""
    tunnel = _Tunnel()
    await _open(tunnel, proxy.origin, proxy.tls, lookups)
    headers = {"User-Agent": "flowspan"}
    if proxy.authorization is not None:
        headers["Proxy-Authorization"] = proxy.authorization
    status, transport = await tunnel.opened(request_head("CONNECT", origin.authority, origin.authority, headers, 0))
    if not 200 <= status < 300:
        transport.abort()
        raise ProxyConnectionFailed(f"{proxy.origin.url} made no tunnel", status)
    return transport


async def _start_tls(transport: asyncio.Transport, protocol: "Connection | _Tunnel", tls: Tls, host: str) -> None:
    name = tls.server_name or _server_name(host)
    try:
        encrypted = await asyncio.get_running_loop().start_tls(transport, protocol, tls.context, server_hostname=name)
        if encrypted is None:
            raise ConnectionLost("the connection ended during the TLS handshake")
    except BaseException:
        transport.abort()
        raise
    protocol.encrypted(encrypted, transport)


class _Tunnel(asyncio.Protocol):
    """Asks a proxy for a tunnel, and reads its response."""

    def __init__(self) -> None:
        self._parser = ResponseParser()
        self._transport: asyncio.Transport | None = None
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def opened(self, head: bytes) -> tuple[int, asyncio.Transport]:
        """Send CONNECT and return the status of the response, and the transport."""
        transport = self._transport
        if transport is None:
            raise ConnectionLost("the proxy closed the connection")
        self._parser.expect("CONNECT")
        transport.write(head)
        try:
            status = await self._status
            if self._parser.has_excess:
                raise MalformedResponse("bytes came out of the tunnel before any went in")
        except BaseException:
            transport.abort()
            raise
        return status, transport

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def encrypted(self, transport: asyncio.Transport, beneath: asyncio.Transport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed(data)
        except HttpError as error:
            self._fail(error)
        if self._parser.head is not None and not self._status.done():
            self._status.set_result(self._parser.head.status)

    def eof_received(self) -> bool:
        self._fail(ConnectionLost("the proxy closed the connection"))
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        error = ConnectionLost("the proxy closed the connection")
        error.__cause__ = exc
        self._fail(error)
        self._transport = None

    def _fail(self, error: HttpError) -> None:
        if not self._status.done():
            self._status.set_exception(error)
            # Whoever waited may have gone.
            self._status.exception()
