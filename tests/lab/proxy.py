"""A TCP proxy with faults between any two: gateway and provider, gateway and collector, client and gateway.

    async with FaultProxy(upstream.port, down=[Slicer(1)]) as proxy: ... proxy.url ...

`down` is what the server says, `up` what the client says. With `links`, a function of their number, connections differ.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from types import TracebackType

from tests.lab.faults import Ended, Ending, Fault, Held, through

_READ = 1 << 16


@dataclass(frozen=True)
class Link:
    """The faults of one connection. One that is `refused` is reset as soon as it is accepted."""

    down: Sequence[Fault] = ()
    up: Sequence[Fault] = ()
    refused: bool = False


class FaultProxy:
    """`link` may be set anew at any time, for connections to come. `held` is the time that faults took so far."""

    def __init__(
        self,
        port: int,
        down: Sequence[Fault] = (),
        up: Sequence[Fault] = (),
        *,
        links: Callable[[int], Link] | None = None,
    ) -> None:
        self.link = Link(down, up)
        self.links = links
        self.held = Held()
        self.connections = 0
        """How many were ever opened."""
        self._to = port
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> "FaultProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=_READ)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.drop_all()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def drop_all(self) -> None:
        """Reset every connection that is open; it goes on listening."""
        for task in self._open:
            task.cancel()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        link = self.links(self.connections) if self.links else self.link
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            await self._join(link, reader, writer)
        except asyncio.CancelledError:
            # By `drop_all`; asyncio's server complains of a cancelled handler.
            _end(writer, "reset")
        finally:
            self._open.discard(task)

    async def _join(self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if link.refused:
            _end(writer, "reset")
            return
        try:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self._to, limit=_READ)
        except OSError:
            _end(writer, "reset")
            return
        ways = [
            asyncio.create_task(self._carry(link.up, reader, server_writer)),
            asyncio.create_task(self._carry(link.down, server_reader, writer)),
        ]
        how: Ending = "reset"
        try:
            how = await _first_end(ways)
        finally:
            _end(writer, how)
            _end(server_writer, how)
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _carry(
        self, faults: Sequence[Fault], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Ending:
        """How this direction ended. One that ends by itself is passed on as what it is: half a close."""
        try:
            async for piece in through(faults, _pieces(reader), self.held):
                writer.write(piece)
                await writer.drain()
        except Ended as ended:
            how = ended.how
        except OSError:
            return "reset"
        else:
            how = "half"
        if how == "half":
            with contextlib.suppress(OSError):
                writer.write_eof()
        return how


async def _first_end(ways: Sequence["asyncio.Task[Ending]"]) -> Ending:
    """A direction that ended in half leaves the other to go on; anything else is the end of both."""
    left = set(ways)
    while left:
        done, left = await asyncio.wait(left, return_when=asyncio.FIRST_COMPLETED)
        for way in done:
            if (how := way.result()) != "half":
                return how
    return "close"


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await reader.read(_READ):
        yield piece


def _end(writer: asyncio.StreamWriter, how: Ending) -> None:
    if how == "reset":
        raw: socket.socket | None = writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            if raw is not None:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
    else:
        writer.close()
