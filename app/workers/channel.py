"""Messages over a socket between two processes: each a length of four bytes, big-endian, and so many bytes."""

import asyncio
import socket
from collections.abc import AsyncIterator

_LENGTH = 4
_UNSENT = 64 * 1024**2
"""Bytes that may wait for the other side. One that reads nothing of so much does nothing any more."""
_LONGEST = 256 * 1024**2
"""Bytes of one message."""


class Broken(Exception):
    """The other side has gone, or does not read; the channel is closed."""


class Channel:
    """One side's end of a socket, on its event loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def of(cls, connected: socket.socket) -> "Channel":
        """A channel over a connected socket, which it closes at its own end."""
        return cls(*await asyncio.open_connection(sock=connected))

    def send(self, message: bytes) -> None:
        """Send a message, or keep it until the other side reads. Raises Broken."""
        if self._writer.is_closing():
            raise Broken
        transport = self._writer.transport
        if transport.get_write_buffer_size() > _UNSENT:
            transport.abort()
            raise Broken
        self._writer.write(len(message).to_bytes(_LENGTH, "big") + message)

    async def messages(self) -> AsyncIterator[bytes]:
        """All messages, until the other side has gone."""
        try:
            while True:
                length = int.from_bytes(await self._reader.readexactly(_LENGTH), "big")
                if length > _LONGEST:
                    return
                yield await self._reader.readexactly(length)
        except (asyncio.IncompleteReadError, OSError):
            return

    def close(self) -> None:
        """Close it. What has not been sent goes on if the other side reads it; further calls change nothing."""
        self._writer.close()


def send_blocking(connected: socket.socket, message: bytes) -> None:
    """Send a message by a socket that blocks. Raises OSError."""
    connected.sendall(len(message).to_bytes(_LENGTH, "big"))
    connected.sendall(message)


def receive_blocking(connected: socket.socket) -> bytes | None:
    """The next message from a socket that blocks; None where the other side has gone. Raises OSError."""
    head = _exactly(connected, _LENGTH)
    return None if head is None else _exactly(connected, int.from_bytes(head, "big"))


def _exactly(connected: socket.socket, size: int) -> bytes | None:
    data = bytearray(size)
    view, at = memoryview(data), 0
    while at < size:
        count = connected.recv_into(view[at:])
        if not count:
            return None
        at += count
    return bytes(data)
