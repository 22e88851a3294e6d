"""An HTTP proxy made of a TCP server, which does as a test wants and remembers what it was asked.

async with ForwardProxy(upstream.port) as proxy:
    ... proxy.url ... proxy.heads
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

_END = b"\r\n\r\n"
_TURNS = 5


class ForwardProxy:
    """Whatever host it is asked for, it leads to `port` of this machine. With `answers` it says these bytes instead, or
    nothing at all for ever, where they are None."""

    def __init__(self, port: int, answers: Callable[[bytes], bytes | None] | None = None) -> None:
        self._port = port
        self._answers = answers
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.heads: list[bytes] = []
        """The heads of what was asked; through a tunnel no more than the wish for it."""

    async def __aenter__(self) -> "ForwardProxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        # A server that is closed while it accepts a connection leaves that one open, with nobody to close it.
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                await self._lead(reader, writer)
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(_END)
        self.heads.append(head)
        if self._answers is not None:
            if (answer := self._answers(head)) is None:
                await reader.read()
            else:
                writer.write(answer)
                await writer.drain()
            return
        upstream_reader, upstream_writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            if head.startswith(b"CONNECT "):
                writer.write(b"HTTP/1.1 200 Connection established" + _END)
            else:
                upstream_writer.write(head)
            async with asyncio.TaskGroup() as group:
                group.create_task(_copy(reader, upstream_writer))
                group.create_task(_copy(upstream_reader, writer))
        finally:
            upstream_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(2**16):
        writer.write(data)
        await writer.drain()
    writer.write_eof()
