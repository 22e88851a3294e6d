"""Searches large texts without holding up the event loop: slice by slice, by turns (`app.time_slices`).

Work that nobody waits for any more (a client that left, a gateway that ends) stops with its slice. Small texts are
searched at once. Text that is not searched to its end is never passed on.
"""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Generic, NamedTuple, TypeVar

from app.policies.builtin.redact.json_redactor import JsonRedactor
from app.policies.builtin.redact.stream_redactor import Piece, StreamRedactor
from app.time_slices import SLICE, TimeSlices, cost_of

T = TypeVar("T")
SlicedWork = Generator[int, None, T]
"""Work in steps: each step yields how many characters it searched; the generator returns the result."""
Redactor = StreamRedactor | JsonRedactor

INLINE_LIMIT = 16_384
"""A text of up to so many characters is searched at once, in the event loop."""


class _Finished(NamedTuple, Generic[T]):
    result: T


class SliceScheduler:
    """The scheduler of one policy. `threaded` is for patterns that are not known to be fast: a thread searches then."""

    def __init__(self, threaded: bool) -> None:
        self._slices = TimeSlices()
        self._pool = ThreadPoolExecutor(1, "redact") if threaded else None

    async def feed(self, redactor: Redactor, text: str) -> str:
        """Feed `redactor` a text of any size; return what it gives."""
        return redactor.feed(text) if len(text) <= INLINE_LIMIT else await self.run(feed(redactor, text))

    async def pieces(self, redactor: StreamRedactor, text: str) -> list[Piece]:
        """As `feed`, with what the redactor gives in pieces."""
        return list(chain.from_iterable(await self.run(_in_slices(redactor.pieces, text))))

    async def run(self, work: SlicedWork[T]) -> T:
        """Do `work` to its end, one slice at a time; return its result."""
        while True:
            await self._slices.next()
            if (finished := await self._slice(work)) is not None:
                return finished.result

    async def _slice(self, work: SlicedWork[T]) -> _Finished[T] | None:
        if self._pool is None:
            return _slice_of(work)
        return await asyncio.get_running_loop().run_in_executor(self._pool, _slice_of, work)


def feed(redactor: Redactor, text: str) -> SlicedWork[str]:
    """The work of feeding `redactor` a text of any size, in steps."""
    return "".join((yield from _in_slices(redactor.feed, text)))


def _in_slices(take: Callable[[str], T], text: str) -> SlicedWork[list[T]]:
    """The work of giving `take` a text of any size, in steps. Returns what it gave, step by step."""
    out: list[T] = []
    for start in range(0, len(text), SLICE):
        piece = text[start : start + SLICE]
        out.append(take(piece))
        yield cost_of(piece)
    return out


def run_now(work: SlicedWork[T]) -> T:
    """Do `work` to its end without a pause; return its result."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: T = end.value
            return result


def _slice_of(work: SlicedWork[T]) -> _Finished[T] | None:
    spent = 0
    try:
        while spent < SLICE:
            spent += next(work)
    except StopIteration as end:
        return _Finished(end.value)
    return None
