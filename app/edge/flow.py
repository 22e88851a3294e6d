"""Reading and writing of one connection, each as fast as whoever is at its other end takes it."""

import asyncio

HIGH_WATER = 64 * 1024
"""Bytes of a body that may wait for the application; and of a response, for its client."""


class Flow:
    """The two directions of one connection. Nothing is read between `hold` and `release`: whoever waits for a request's
    body, complete or not, has it read on."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self.is_reading = True
        self._is_holding = False
        self.write_paused = False
        self._writable: asyncio.Event | None = None
        """Set once the client has read enough, since it last had not; most clients always have."""

    def hold(self) -> None:
        self._is_holding = True
        self.pause_reading()

    def release(self) -> None:
        """Let it be read again, from the next `resume_reading` on."""
        self._is_holding = False

    def pause_reading(self) -> None:
        if self.is_reading:
            self.is_reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        if not self.is_reading and not self._is_holding:
            self.is_reading = True
            self._transport.resume_reading()

    def pause_writing(self) -> None:
        self.write_paused = True
        self._writable = asyncio.Event()

    def resume_writing(self) -> None:
        self.write_paused = False
        if self._writable is not None:
            self._writable.set()

    async def drain(self) -> None:
        """Wait until the client has read enough."""
        if self._writable is not None:
            await self._writable.wait()
