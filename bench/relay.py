"""The least that anything between a client and a provider costs: bytes from one socket to the other, with uvloop.

    python -m bench.relay PORT UPSTREAM_PORT

Nothing is parsed, so nothing could be counted, checked or refused: a lower bound, and no gateway.
"""

import asyncio
import sys
from typing import cast

import uvloop


class _Half(asyncio.Protocol):
    """One of the two connections of a pair."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._transport: asyncio.Transport | None = None
        self._other: _Half | None = None
        self._waiting: list[bytes] = []
        """What came from the other side before there was a connection here."""

    def pair_with(self, other: "_Half") -> None:
        self._other = other

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports do not derive from asyncio's.
        self._transport = cast(asyncio.Transport, transport)
        for data in self._waiting:
            self._transport.write(data)

    def data_received(self, data: bytes) -> None:
        assert self._other is not None
        self._other.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._other is not None:
            self._other.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def write(self, data: bytes) -> None:
        if self._transport is None:
            self._waiting.append(data)
        else:
            self._transport.write(data)


class _Client(_Half):
    """A client's connection, which opens another to the provider as soon as it is there."""

    def __init__(self, loop: asyncio.AbstractEventLoop, upstream: int) -> None:
        super().__init__(loop)
        self._upstream = upstream
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        other = _Half(self._loop)
        other.pair_with(self)
        self.pair_with(other)
        self._connecting = self._loop.create_task(self._connect(other))

    async def _connect(self, other: _Half) -> None:
        await self._loop.create_connection(lambda: other, "127.0.0.1", self._upstream)


async def main(port: int, upstream: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Client(loop, upstream), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
