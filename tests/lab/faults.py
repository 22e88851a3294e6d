"""Faults of a TCP connection as values, in toxiproxy's terms. Each is about one direction; several work in turn, like
filters in a pipe. Sizes in bytes, times in seconds; offsets count the bytes of that direction.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, assert_never


@dataclass(frozen=True)
class Latency:
    """Each piece that is read comes so much later."""

    seconds: float


@dataclass(frozen=True)
class Bandwidth:
    bytes_per_second: float


@dataclass(frozen=True)
class Slicer:
    """No piece is larger than `size`."""

    size: int = 1
    delay: float = 0.0


@dataclass(frozen=True)
class LimitData:
    """After so many bytes the connection is closed properly, both ways."""

    bytes: int


@dataclass(frozen=True)
class ResetPeer:
    """After so many bytes both ends are reset."""

    after: int = 0


@dataclass(frozen=True)
class HalfClose:
    """After so many bytes this direction ends; the other goes on."""

    after: int = 0


@dataclass(frozen=True)
class Blackhole:
    """After so many bytes nothing more comes through but the connection's end."""

    after: int = 0


@dataclass(frozen=True)
class SlowClose:
    """The end of the connection is passed on so much later."""

    seconds: float


Fault = Latency | Bandwidth | Slicer | LimitData | ResetPeer | HalfClose | Blackhole | SlowClose
Ending = Literal["close", "reset", "half"]


class Ended(Exception):
    """A fault ends the connection."""

    def __init__(self, how: Ending) -> None:
        super().__init__(how)
        self.how = how


@dataclass
class Held:
    """How long faults have kept bytes back, by the clock rather than by their wish: a busy machine sleeps longer."""

    seconds: float = field(default=0.0)

    async def sleep(self, seconds: float) -> None:
        since = time.monotonic()
        try:
            await asyncio.sleep(seconds)
        finally:
            self.seconds += time.monotonic() - since


def through(faults: Sequence[Fault], pieces: AsyncIterator[bytes], held: Held) -> AsyncIterator[bytes]:
    """The pieces that come out at the other end. Raises Ended where a fault ends the connection."""
    for fault in faults:
        pieces = _through_one(fault, pieces, held)
    return pieces


def _through_one(fault: Fault, pieces: AsyncIterator[bytes], held: Held) -> AsyncIterator[bytes]:
    match fault:
        case Latency(seconds):
            return _late(pieces, seconds, held)
        case Bandwidth(rate):
            return _slow(pieces, rate, held)
        case Slicer(size, delay):
            return _sliced(pieces, size, delay, held)
        case LimitData(limit):
            return _cut(pieces, limit, "close")
        case ResetPeer(after):
            return _cut(pieces, after, "reset")
        case HalfClose(after):
            return _cut(pieces, after, "half")
        case Blackhole(after):
            return _swallowed(pieces, after)
        case SlowClose(seconds):
            return _lingering(pieces, seconds, held)
        case other:
            assert_never(other)


async def _late(pieces: AsyncIterator[bytes], seconds: float, held: Held) -> AsyncIterator[bytes]:
    async for piece in pieces:
        await held.sleep(seconds)
        yield piece


async def _slow(pieces: AsyncIterator[bytes], rate: float, held: Held) -> AsyncIterator[bytes]:
    async for piece in pieces:
        await held.sleep(len(piece) / rate)
        yield piece


async def _sliced(pieces: AsyncIterator[bytes], size: int, delay: float, held: Held) -> AsyncIterator[bytes]:
    async for piece in pieces:
        for start in range(0, len(piece), size):
            yield piece[start : start + size]
            if delay:
                await held.sleep(delay)


async def _cut(pieces: AsyncIterator[bytes], limit: int, how: Ending) -> AsyncIterator[bytes]:
    left = limit
    if not left:
        raise Ended(how)
    async for piece in pieces:
        yield piece[:left]
        left -= len(piece[:left])
        if not left:
            raise Ended(how)


async def _swallowed(pieces: AsyncIterator[bytes], after: int) -> AsyncIterator[bytes]:
    left = after
    async for piece in pieces:
        if not left:
            continue
        yield piece[:left]
        left -= len(piece[:left])


async def _lingering(pieces: AsyncIterator[bytes], seconds: float, held: Held) -> AsyncIterator[bytes]:
    async for piece in pieces:
        yield piece
    await held.sleep(seconds)
