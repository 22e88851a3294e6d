"""The body of a response, between a connection that brings it and whoever reads it.

At most a few hundred kilobytes wait here: reading from the connection is paused beyond `_ENOUGH`. The body knows its
connection, and the connection knows it only as long as the exchange lasts.
"""

import asyncio
from typing import Protocol

from app.bodies.decompression import STEP, ArrivingDecompression, Undecodable
from app.http_client.errors import UndecodableBody

_ENOUGH = 128 * 1024
"""Bytes that wait to be read while more are taken from the connection."""


class Source(Protocol):
    """The connection that a body comes from, to its reader."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def give_up(self, number: int) -> None:
        """Close the connection, unless it has begun another exchange than the one of this number; in that case, after
        it."""


class ResponseBody:
    """One reader reads at a time: `read`, until it gives nothing."""

    __slots__ = ("_error", "_loop", "_number", "_paused", "_pieces", "_size", "_source", "_waiter", "is_whole")

    def __init__(self, source: Source, number: int, loop: asyncio.AbstractEventLoop) -> None:
        self._source = source
        self._number = number
        self._loop = loop
        self._pieces: list[bytes] = []
        self._size = 0
        self._paused = False
        self._error: BaseException | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.is_whole = False
        """Whether all of it has come, read or not."""

    def at_eof(self) -> bool:
        """Whether all of it has come and was read."""
        return self.is_whole and not self._pieces

    async def read(self) -> bytes:
        """Read what has come, or wait for more; nothing at the end. Raises BodyIncomplete after all that came before
        the body was cut off."""
        pieces = self._pieces
        if not pieces and not self.is_whole and self._error is None:
            assert self._waiter is None, "a body has one reader"
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            self._size = 0
            if self._paused:
                self._paused = False
                self._source.resume_reading()
            return data
        if self._error is not None:
            raise self._error
        return b""

    # What the connection says.

    def add(self, pieces: list[bytes]) -> None:
        """Take what has come; the list is emptied."""
        self._pieces += pieces
        self._size += sum(map(len, pieces))
        pieces.clear()
        if self._size > _ENOUGH and not self._paused:
            self._paused = True
            self._source.pause_reading()
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def end(self) -> None:
        """All of it has come. The connection reads on, for whoever has it next."""
        self.is_whole = True
        if self._paused:
            self._paused = False
            self._source.resume_reading()
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Nothing more comes, and some is missing."""
        self._error = error
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the reader says.

    def close(self) -> None:
        """Close the connection if anything of the body has not come."""
        if not self.is_whole:
            self._source.give_up(self._number)

    def give_up(self) -> None:
        """Close the connection whether or not all of the body has come: no later request uses it."""
        self._source.give_up(self._number)


class DecodedBody:
    """A body without its content codings; nothing is decoded before it is read."""

    def __init__(self, body: ResponseBody, codings: tuple[str, ...]) -> None:
        self._body = body
        self._decompression = ArrivingDecompression(codings)
        self._has_ended = False
        self._may_have_more = False
        """What came may decode to more than was read."""

    def at_eof(self) -> bool:
        return self._has_ended

    async def read(self) -> bytes:
        """As ResponseBody's; raises UndecodableBody, too."""
        if self._may_have_more:
            # A few kilobytes may decode to gigabytes without a wait for the connection, the one place where others
            # would get their turn, and limits of time have their effect.
            await asyncio.sleep(0)
        data: bytes | None = None
        try:
            while not self._has_ended and not (data := self._decompression.step()):
                if data is None:
                    self._has_ended = True
                elif came := await self._body.read():
                    self._decompression.feed(came)
                else:
                    self._decompression.finish()
        except Undecodable as error:
            raise UndecodableBody(f"the body of the response {error}") from None
        self._may_have_more = data is not None and len(data) == STEP
        return data or b""

    def close(self) -> None:
        self._body.close()

    def give_up(self) -> None:
        self._body.give_up()
