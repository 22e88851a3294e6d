"""The body of a response, between a connection that brings it and whoever reads it.

What comes while the reader waits in `pass_to` goes through its stage in the connection's turn (`app.stages`). At most a
few hundred kilobytes wait here: reading from the connection is paused beyond `_ENOUGH`. It is paused for a turn, too,
after as much went through a stage at once: uvloop would read on, thirty times in the same turn, while no other
connection is served. The body knows its connection, and the connection knows it only as long as the exchange lasts.
"""

import asyncio
from typing import Protocol

from app.bodies.decompression import STEP, ArrivingDecompression, Undecodable
from app.http_client.errors import UndecodableBody
from app.stages import Borrower, Taker, pass_on

_ENOUGH = 128 * 1024
"""Bytes that wait to be read, or are worked on in one turn, while more are taken from the connection."""


class Connected(Protocol):
    """The connection that a body comes from, to its reader."""

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def give_up(self, number: int) -> None:
        """Close the connection, unless it has begun another exchange than the one of this number; in that case, after
        it."""


class ResponseBody(Borrower[bytes]):
    """One reader reads at a time: by `pass_to`, or by `read` until it gives nothing."""

    __slots__ = ("_error", "_number", "_paused", "_pieces", "_size", "_source", "is_whole")

    def __init__(self, source: Connected, number: int) -> None:
        super().__init__()
        self._source = source
        self._number = number
        self._pieces: list[bytes] = []
        self._size = 0
        self._paused = False
        self._error: BaseException | None = None
        self.is_whole = False
        """Whether all of it has come, read or not."""

    def at_eof(self) -> bool:
        """Whether all of it has come and was read."""
        return self.is_whole and not self._pieces

    async def read(self) -> bytes:
        """Read what has come, or wait for more; nothing at the end. Raises BodyIncomplete after all that came before
        the body was cut off."""
        if not (self._pieces or self.is_whole or self._error):
            await self._wait()
        if self._pieces:
            return self._take_all()
        if self._error is not None:
            raise self._error
        return b""

    async def pass_to(self, taker: Taker[bytes]) -> bool:
        """Hand on what comes, as `app.stages` says; raises as `read` does."""
        while True:
            if self._pieces:
                if not taker.take((self._take_all(),)):
                    return True
            elif self.is_whole:
                return False
            elif self._error is not None:
                raise self._error
            elif await self._wait(taker):
                return True

    def _take_all(self) -> bytes:
        pieces = self._pieces
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self._size = 0
        self._go_on()
        return data

    def _pause(self) -> None:
        self._paused = True
        self._source.pause_reading()

    def _go_on(self) -> None:
        """Have the connection be read, if that was paused and not too much waits."""
        if self._paused and self._size <= _ENOUGH:
            self._paused = False
            self._source.resume_reading()

    # What the connection says.

    def add(self, pieces: list[bytes], size: int) -> None:
        """Take what has come in one read of `size` bytes; the list is emptied."""
        if (idle := self._idle) is not None and not self._pieces:
            try:
                if not idle.take(pieces):
                    self._give_back()
            except Exception as error:
                self._give_back(error)
            pieces.clear()
            if size > _ENOUGH and not self._paused:
                self._pause()
                asyncio.get_running_loop().call_soon(self._go_on)
            return
        self._pieces += pieces
        self._size += sum(map(len, pieces))
        pieces.clear()
        if self._size > _ENOUGH and not self._paused:
            self._pause()
        self._wake()

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

    async def pass_to(self, taker: Taker[bytes]) -> bool:
        """As ResponseBody's, but in the reader's task: what it may have to wait for is the turn of others."""
        return await pass_on(self.read, taker)

    def close(self) -> None:
        self._body.close()

    def give_up(self) -> None:
        self._body.give_up()
