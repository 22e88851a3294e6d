"""Bodies of requests and whole answers: how many bytes of them the process holds, and where large ones are worked on.

What is read, decoded or to be sent is held against one budget (`Held`); beyond it a request is refused at once.
Work on a large body (decoding, translating, encoding) is done by a thread of its own (`Bodies.work`), so that the event
loop goes on; that on a small one is done on the spot, which is faster.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import ParamSpec, TypeVar

from app.errors import Overloaded

SMALL = 128 * 1024
"""Bytes of a body that is worked on at once: a millisecond, where a thread would cost a tenth of one."""
_LARGE = 2 * 1024**2
"""Bytes of a body that others do not wait behind."""
_WAITING = 64
"""Bodies that may wait for a thread, or be worked on by it."""
_RETRY_AFTER = 1.0
_RESERVE = 8
"""The last of so many parts of the budget is for those who hold little."""
_PACE = 256 * 1024**2
"""Bytes per second of all large bodies that come in: many at once would leave the loop no time for others."""
_SHORTEST_WAIT = 0.0005
P = ParamSpec("P")
T = TypeVar("T")


class Held:
    """The bytes that one exchange or one response holds; at first, and with `resize`, so many whatever the limit is.
    Leaving the `with` gives them all back."""

    __slots__ = ("_bodies", "size")

    def __init__(self, bodies: "Bodies", size: int = 0) -> None:
        self._bodies = bodies
        self.size = size
        bodies.used += size

    def __enter__(self) -> "Held":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bodies.used -= self.size
        self.size = 0

    def check(self, size: int) -> None:
        """Check that there is room for `size` more bytes. Raises Overloaded."""
        self._bodies.check(self.size + size, size)

    def grow(self, size: int) -> None:
        """Hold `size` more bytes. Raises Overloaded where there is no room for them, and holds what it did."""
        bodies, grown = self._bodies, self.size + size
        # A small body has all of the budget, which is seen without another call.
        if grown > SMALL or bodies.used + size > bodies.limit:
            bodies.check(grown, size)
        bodies.used += size
        self.size = grown

    async def pace(self, size: int) -> None:
        """Wait until others had a turn, after `size` bytes of a large body came."""
        await self._bodies.pace(size)

    def resize(self, size: int) -> None:
        """Hold this many bytes, whatever the limit: what is in memory already has to be counted."""
        self._bodies.used += size - self.size
        self.size = size

    def release(self) -> None:
        self._bodies.used -= self.size
        self.size = 0


class Bodies:
    """The budget of the process, and its threads for large bodies; `limit` in bytes."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._pools = tuple(ThreadPoolExecutor(1, thread_name_prefix=f"bodies-{size}") for size in ("large", "huge"))
        self._working = [0, 0]
        self._paced = 0.0
        """The loop's time up to which the pace is used up."""
        self.used = 0

    async def pace(self, size: int) -> None:
        loop = asyncio.get_running_loop()
        self._paced = max(self._paced, loop.time()) + size / _PACE
        if (wait := self._paced - loop.time()) > _SHORTEST_WAIT:
            await asyncio.sleep(wait)

    def check(self, size: int, more: int) -> None:
        """Check whether somebody may come to hold `size` bytes, `more` of them new. Raises Overloaded."""
        limit = self.limit if size <= SMALL else self.limit - self.limit // _RESERVE
        if self.used + more > limit:
            raise Overloaded(
                "The gateway holds as many bytes of requests and answers as it may; try again later.",
                detail=f"{self.used} bytes of bodies are held, and {more} more would be too many",
                retry_after=_RETRY_AFTER,
            )

    async def work(self, size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` makes of a body of `size` bytes. Raises Overloaded where too many wait for the thread."""
        if size <= SMALL:
            return work(*args, **kwargs)
        lane = int(size > _LARGE)
        if self._working[lane] >= _WAITING:
            raise Overloaded("Too many large bodies wait to be read; try again later.", retry_after=_RETRY_AFTER)
        self._working[lane] += 1
        loop = asyncio.get_running_loop()
        done = self._pools[lane].submit(work, *args, **kwargs)
        # Also for a caller that does not wait for it any more.
        done.add_done_callback(lambda _: self._done_in_thread(loop, lane))
        return await asyncio.wrap_future(done)

    def close(self) -> None:
        """Begin nothing any more that still waits for a thread."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _done_in_thread(self, loop: asyncio.AbstractEventLoop, lane: int) -> None:
        # The loop may be gone by then.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(self._worked, lane)

    def _worked(self, lane: int) -> None:
        self._working[lane] -= 1
