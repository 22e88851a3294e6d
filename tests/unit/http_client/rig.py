"""Connections of the HTTP client without sockets, servers that a test tells what to send, and a loop that can jump."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from app.http_client import Pool, Route, Tls, UpstreamResponse, resource_of
from app.http_client.connection import Connection
from app.http_client.heads import Resource
from app.lookups import Lookups
from app.settings import DnsSettings

T = TypeVar("T")
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Transport(asyncio.Transport):
    """A transport that keeps what is written to it. With `room`, it takes that many bytes before it pauses writing."""

    def __init__(self, protocol: asyncio.Protocol | None = None, room: int | None = None) -> None:
        super().__init__()
        self.written = b""
        self._aborted = False
        self._paused = False
        self._protocol = protocol
        self._room = room
        self._unsent = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data
        if self._room is not None and self._protocol is not None:
            self._unsent += len(data)
            if self._unsent > self._room:
                self._protocol.pause_writing()

    def drain(self) -> None:
        """All that was written has gone out."""
        self._unsent = 0
        if self._protocol is not None:
            self._protocol.resume_writing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return default

    def get_write_buffer_size(self) -> int:
        return self._unsent

    def is_closing(self) -> bool:
        return self._aborted

    def is_reading(self) -> bool:
        return not self._paused

    def pause_reading(self) -> None:
        self._paused = True

    def resume_reading(self) -> None:
        self._paused = False

    def abort(self) -> None:
        if not self._aborted:
            self._aborted = True
            if self._protocol is not None:
                asyncio.get_running_loop().call_soon(self._protocol.connection_lost, None)


class Owner:
    """A pool that notes what connections say to it."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def released(self, connection: Connection) -> None:
        self.events.append("released")

    def lost(self, connection: Connection) -> None:
        self.events.append("lost")


def connected(room: int | None = None) -> tuple[Connection, Transport, Owner]:
    owner = Owner()
    connection = Connection(owner)
    transport = Transport(connection, room)
    connection.connection_made(transport)
    return connection, transport, owner


async def turns(count: int = 3) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def until(condition: Callable[[], object]) -> None:
    """Let the loop run until something is so."""
    for _ in range(100_000):
        if condition():
            return
        await asyncio.sleep(0)
    raise AssertionError("it never was so")


async def read_all(response: UpstreamResponse) -> bytes:
    pieces = []
    while piece := await response.read_piece():
        pieces.append(piece)
    return b"".join(pieces)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock a test puts forward."""

    def __init__(self) -> None:
        super().__init__()
        self._ahead = 0.0

    def time(self) -> float:
        return super().time() + self._ahead

    def jump(self, seconds: float) -> None:
        self._ahead += seconds


def run_jumping(main: Callable[[JumpingLoop], Coroutine[Any, Any, T]]) -> T:
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, JumpingLoop)

        async def bounded() -> T:
            async with asyncio.timeout(3600):
                return await main(loop)

        return runner.run(bounded())


@asynccontextmanager
async def served(serve: Serve, **options: Any) -> AsyncIterator[str]:
    """A server's URL. The task of a connection ends with the block, at the latest."""
    tasks: set[asyncio.Task[None]] = set()

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        try:
            await serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            tasks.discard(task)
            writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0, **options)
    scheme = "https" if "ssl" in options else "http"
    try:
        yield f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def head_of(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def request_of(reader: asyncio.StreamReader) -> bytes:
    """The body of a request, read whole."""
    length = re.search(rb"\r\ncontent-length: (\d+)\r\n", await head_of(reader))
    return await reader.readexactly(int(length[1]) if length else 0)


def responding(*responses: bytes) -> Serve:
    """Each connection gives these responses, one for each request, and then closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for response in responses:
            await request_of(reader)
            writer.write(response)
            await writer.drain()

    return serve


@asynccontextmanager
async def pool_at(
    url: str, limit: int = 100, connect_limit: float = 5.0, tls: Tls | None = None
) -> AsyncIterator[tuple[Pool, Resource]]:
    resource = resource_of(url)
    pool = Pool(Route(resource.origin, tls), Lookups(DnsSettings()), limit=limit, connect_limit=connect_limit)
    try:
        yield pool, resource
    finally:
        await pool.aclose()


async def asked(pool: Pool, resource: Resource, body: bytes = b"", method: str = "POST") -> bytes:
    """The body of a response, read whole."""
    response = await pool.request(method, resource, {}, body, None)
    try:
        return await read_all(response)
    finally:
        response.close()
