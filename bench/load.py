"""Clients made of raw sockets: cheap, so as not to be the limit, and strict: each response has to be complete."""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic, monotonic_ns
from typing import cast

CLIENT = b"{client}"
_STAMP = re.compile(rb"t~([a-j]{6,})")
_DIGITS = bytes.maketrans(b"abcdefghij", b"0123456789")
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_LATEST = 120.0
"""Seconds that one response may take."""


class Incomplete(Exception):
    """A response was incomplete or not the expected one."""


@dataclass(frozen=True)
class RequestKind:
    """One kind of request, in which `CLIENT` stands for the number of the client: `ending` is how the body of the
    response has to end, `chunks` how many stamped ones are in it."""

    request: bytes
    ending: bytes
    chunks: int = 0

    def of(self, client: int) -> "RequestKind":
        """The request as one of the clients sends it."""
        return replace(self, request=self.request.replace(CLIENT, b"%06d" % client, 1))


@dataclass
class Seen:
    """Delays in seconds: from request to first byte, and from a chunk's sending by the mock to its arrival here."""

    first_bytes: list[float] = field(default_factory=list)
    delays: list[float] = field(default_factory=list)


def ask(
    path: str, body: bytes, ending: bytes, chunks: int = 0, headers: Mapping[str, str] | None = None
) -> RequestKind:
    further = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\naccept: */*\r\n"
        f"anthropic-version: 2023-06-01\r\nauthorization: Bearer bench\r\nuser-agent: bench\r\n"
        f"{further}content-length: {len(body)}\r\n\r\n"
    )
    return RequestKind(head.encode() + body, ending, chunks)


async def drive(
    port: int, what: RequestKind, count: int, at_once: int, *, stamped: bool = False, spread: float = 0
) -> Seen:
    """`count` requests, `at_once` of them at any time, on connections that are kept. The clients begin within `spread`
    seconds: paced streams that began all at once would begin, go on and end all at once, which strangers do not."""
    seen = Seen()
    left = iter(range(count))
    async with asyncio.TaskGroup() as clients:
        for number in range(min(at_once, count)):
            clients.create_task(_client(port, what.of(number), left, seen, stamped, spread * number / at_once))
    return seen


async def hold(port: int, what: RequestKind, count: int) -> list[asyncio.BaseTransport]:
    """Open `count` streams and read the first chunk of each; the caller closes them."""
    connections = [await _connect(port) for _ in range(count)]
    for number, connection in enumerate(connections):
        connection.send(what.of(number), Seen(), stamped=False, until=b"t~")
    await asyncio.gather(*(asyncio.wait_for(connection.done, _LATEST) for connection in connections))
    return [connection.transport for connection in connections]


async def _client(
    port: int, what: RequestKind, left: Iterator[int], seen: Seen, stamped: bool, begin_after: float
) -> None:
    connection: _Connection | None = None
    await asyncio.sleep(begin_after)
    for _ in left:
        if connection is None or connection.is_closed:
            connection = await _connect(port)
        connection.send(what, seen, stamped)
        async with asyncio.timeout(_LATEST):
            await connection.done
    if connection is not None:
        connection.transport.close()


async def _connect(port: int) -> "_Connection":
    _, connection = await asyncio.get_running_loop().create_connection(_Connection, "127.0.0.1", port)
    return connection


class _Connection(asyncio.Protocol):
    transport: asyncio.Transport
    done: asyncio.Future[None]

    def __init__(self) -> None:
        self.is_closed = False
        self._data = bytearray()
        self._expected = -1
        self._until = b""
        self._stamped = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def send(self, what: RequestKind, seen: Seen, stamped: bool, until: bytes = b"") -> None:
        """A connection that reads one response. `done` is set when it is complete, or has `until` in it."""
        self.done = asyncio.get_running_loop().create_future()
        self._what, self._seen, self._stamped, self._until = what, seen, stamped, until
        self._data.clear()
        self._expected = -1
        self._asked_at = monotonic()
        self.transport.write(what.request)

    def data_received(self, data: bytes) -> None:
        if not self._data:
            self._seen.first_bytes.append(monotonic() - self._asked_at)
        if self._stamped:
            now = monotonic_ns()
            self._seen.delays.extend((now - int(stamp.translate(_DIGITS))) / 1e9 for stamp in _STAMP.findall(data))
        self._data += data
        if self._is_whole():
            self._check()

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_closed = True
        if hasattr(self, "done") and not self.done.done():
            self.done.set_exception(Incomplete(f"cut off after {bytes(self._data[-300:])!r}"))

    def _is_whole(self) -> bool:
        if self._until:
            return self._until in self._data
        if self._expected < 0 and (end := self._data.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._data, 0, end)
            self._expected = end + 4 + int(length[1]) if length else 0
        if self._expected > 0:
            return len(self._data) >= self._expected
        return self._expected == 0 and self._data.endswith(b"0\r\n\r\n")

    def _check(self) -> None:
        if self.done.done():
            return
        body = self._data if self._expected > 0 or self._until else self._data[: -len(b"\r\n0\r\n\r\n")]
        good = self._data.startswith(b"HTTP/1.1 200") and (self._until or body.endswith(self._what.ending))
        if good and self._data.count(b"t~") >= self._what.chunks:
            self.done.set_result(None)
        else:
            self.done.set_exception(Incomplete(f"{bytes(self._data[:200])!r} ... {bytes(self._data[-200:])!r}"))
