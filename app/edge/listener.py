"""Accepting clients' connections: so many in all, so many from one address, and never the last descriptors.

Connections beyond that get a 503 at once and are counted. Where the process or the system has no descriptor left,
accepting pauses for a moment: connections then wait in the system's queue, and are accepted when there is room. Where
several processes accept on the same sockets, one that has more connections than another steps back for a moment, too.
"""

import asyncio
import errno
import ipaddress
import logging
import resource
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from app.edge.connection import Connection
from app.edge.head import Refused
from app.edge.server_context import ServerContext
from app.figures import counted
from telemetry import ConnectionMetrics
from telemetry.names import ConnectionRefusal

_log = logging.getLogger("flowspan")
_BACKLOG = 2048
_AT_ONCE = 64
"""Connections accepted in one turn of the loop."""
_PAUSE = 0.2
"""Seconds without accepting, once there was no descriptor."""
_STEP_BACK = 0.001
"""Seconds for which another process may accept, before one that has more connections accepts one more."""
_OTHER_FILES = 256
"""Descriptors of the process that are neither a client's nor a provider's connection."""
_TURNED_AWAY = 128
"""Connections that linger at a time after their 503, so that the client can read it; further ones are closed."""
_EXHAUSTED = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
_LOG_INTERVAL = 10.0
"""Seconds from one warning about connections turned away to the next."""
_TOO_MANY = Refused(503, "Too many connections.")


class ConnectionSlots:
    """How many connections there may be, and are. `share` is the part of `most` that one address may have; connections
    that have none (None), as by a Unix socket, are held to `most` alone."""

    def __init__(self, most: int, share: float) -> None:
        self._by_address: Counter[str] = Counter()
        self.taken = 0
        self.resize(most, share)

    def resize(self, most: int, share: float) -> None:
        """Have so many from now on; connections beyond that stay until they end."""
        self._most = most
        self._most_of_one = max(1, int(most * share))

    def refusal(self, address: str | None) -> ConnectionRefusal | None:
        """Why one more connection from this address is refused; None if it is not."""
        if self.taken >= self._most:
            return "total"
        if address is None:
            return None
        return "address" if self._by_address[address] >= self._most_of_one else None

    def is_ahead(self) -> bool:
        """Whether another process that accepts on the same sockets has clearly fewer connections."""
        return False

    def acquire(self, address: str | None) -> None:
        """A connection from this address was accepted."""
        self.taken += 1
        if address is not None:
            self._by_address[address] += 1

    def release(self, address: str | None) -> None:
        """A connection from this address is gone."""
        self.taken -= 1
        if address is None:
            return
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]


class Listener:
    """Accepts connections on bound sockets; uvicorn uses it as an asyncio server: `sockets`, `close`, `wait_closed`."""

    def __init__(
        self,
        sockets: Sequence[socket.socket],
        context: ServerContext,
        slots: ConnectionSlots,
        metrics: ConnectionMetrics,
    ) -> None:
        self.sockets = sockets
        self._context = context
        self._slots = slots
        self._metrics = metrics
        self._turned_away = 0
        self._opening: set[asyncio.Task[object]] = set()
        self._refused: Counter[ConnectionRefusal] = Counter()
        """Connections turned away since the last warning, by reason."""
        self._warned_at = float("-inf")
        self._closed = False
        for one in sockets:
            one.listen(_BACKLOG)
            one.setblocking(False)
        self._listen()

    def close(self) -> None:
        """Stop accepting, and close the listening sockets. Further calls change nothing."""
        if self._closed:
            return
        self._closed = True
        for one in self.sockets:
            self._context.loop.remove_reader(one)
            one.close()

    async def wait_closed(self) -> None:
        """Return at once: there is nothing to wait for."""

    @property
    def opening(self) -> int:
        """Connections that were accepted and are being made."""
        return len(self._opening)

    async def opened(self, limit: float) -> None:
        """Wait for connections that are being made, for so many seconds at most."""
        if self._opening:
            await asyncio.wait(self._opening, timeout=limit)

    def report(self, now: float) -> None:
        """Set the metric of open connections, and warn where some were turned away. To be called once a second."""
        self._metrics.open.set(self._slots.taken)
        if self._refused and now - self._warned_at >= _LOG_INTERVAL:
            self._warned_at = now
            reasons = ", ".join(f"{count} {_REASONS[reason]}" for reason, count in self._refused.items())
            total = counted(self._refused.total(), "connection")
            _log.warning("%s of clients turned away: %s", total, reasons)
            self._refused.clear()

    def _listen(self) -> None:
        if not self._closed:
            for one in self.sockets:
                self._context.loop.add_reader(one, self._accept, one)

    def _pause(self, seconds: float, then: Callable[[], None]) -> None:
        for one in self.sockets:
            self._context.loop.remove_reader(one)
        self._context.loop.call_later(seconds, then)

    def _accept(self, listening: socket.socket) -> None:
        for _ in range(_AT_ONCE):
            if self._slots.is_ahead():
                self._pause(_STEP_BACK, self._return)
                return
            if not self._accept_one(listening):
                return

    def _return(self) -> None:
        """Listen again after having stepped back, and take what nobody else has taken."""
        if not self._closed:
            self._listen()
            for one in self.sockets:
                self._accept_one(one)

    def _accept_one(self, listening: socket.socket) -> bool:
        """Accept a connection. Returns whether there may be another one."""
        try:
            client, address = listening.accept()
        except (BlockingIOError, InterruptedError):
            return False
        except OSError as error:
            if error.errno in _EXHAUSTED:
                self._count("descriptors")
                self._pause(_PAUSE, self._listen)
                return False
            # Other errors concern the one connection, which is gone: those behind it are not to wait.
            self._count("aborted")
            return True
        # One that comes by a Unix socket has no address, and a proxy there has many clients.
        self._admit(client, None if client.family == socket.AF_UNIX else client_of(address[0]))
        return True

    def _admit(self, client: socket.socket, address: str | None) -> None:
        reason = self._slots.refusal(address)
        if reason is None:
            self._slots.acquire(address)
            self._open(client, Connection(self._context, partial(self._slots.release, address)))
            return
        self._count(reason)
        if self._turned_away >= _TURNED_AWAY:
            client.close()
            return
        self._turned_away += 1
        self._open(client, Connection(self._context, self._turned_away_closed, _TOO_MANY))

    def _open(self, client: socket.socket, connection: Connection) -> None:
        opening = self._context.loop.create_task(self._connect(client, connection))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _connect(self, client: socket.socket, connection: Connection) -> None:
        try:
            client.setblocking(False)
            if client.family == socket.AF_UNIX:
                await self._context.loop.connect_accepted_socket(lambda: connection, client)
            else:
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                await self._connect_by_port(client, connection)
        except OSError as error:
            # The client left before the loop had made a transport of its socket; or there is no TLS with it.
            client.close()
            if isinstance(error, ssl.SSLError | ConnectionAbortedError):
                self._count("handshake")
        finally:
            if not connection.was_made:
                connection.never_opened()

    async def _connect_by_port(self, client: socket.socket, connection: Connection) -> None:
        """Raises OSError, where TLS does not come about, too: SSLError, or ConnectionAbortedError after its time."""
        context = self._context
        if context.tls is None:
            await context.loop.connect_accepted_socket(lambda: connection, client)
            return
        await context.loop.connect_accepted_socket(
            lambda: connection,
            client,
            ssl=context.tls,
            ssl_handshake_timeout=context.limits.header_timeout,
            ssl_shutdown_timeout=context.limits.linger_timeout,
        )

    def _turned_away_closed(self) -> None:
        self._turned_away -= 1

    def _count(self, reason: ConnectionRefusal) -> None:
        self._refused[reason] += 1
        self._metrics.refused[reason].inc()


_REASONS: dict[ConnectionRefusal, str] = {
    "total": "beyond max_connections",
    "address": "beyond the share of one address",
    "descriptors": "times for want of file descriptors",
    "aborted": "broken off before they were accepted",
    "handshake": "without a TLS handshake, or a certificate that is asked for",
}


def most_connections(wanted: int) -> int:
    """How many clients' connections there may be: `wanted`, if the limit of descriptors leaves each of them one for its
    provider, too."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return wanted
    return max(1, min(wanted, (soft - min(_OTHER_FILES, soft // 2)) // 2))


def client_of(address: str) -> str:
    """The client that an address stands for: in IPv6 a client has a whole /64 of addresses."""
    if ":" not in address:
        return address
    parsed = ipaddress.IPv6Address(address.partition("%")[0])
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))


async def listening_sockets(host: str, port: int, *, reuse_port: bool = False) -> list[socket.socket]:
    """Bind one socket for each address of `host`; with `reuse_port` others may bind theirs, too. Raises OSError."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )
    sockets: list[socket.socket] = []
    try:
        for family, address in dict.fromkeys((family, address) for family, _, _, _, address in found):
            sockets.append(socket.create_server(address[:2], family=family, reuse_port=reuse_port))
    except OSError:
        for one in sockets:
            one.close()
        raise
    return sockets


def not_listening(host: str, port: int, error: OSError, options: str = "") -> str:
    """Why a port cannot be had, and which options choose another; `options` is what their names begin with."""
    flag = f"--{options.replace('_', '-')}"
    # asyncio adds the address, which is named already.
    reason = (error.strerror or str(error)).partition(" (while ")[0]
    return (
        f"cannot listen on {options.replace('_', ' ')}port {port} of {host}: {reason} (set by {flag}host and "
        f"{flag}port, or {options}host and {options}port in gateway.server; port 0 takes a free one)"
    )
