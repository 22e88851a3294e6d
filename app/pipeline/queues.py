"""Items in, batches out: the bounded queue between two stages of one stream.

Order is kept and nothing is lost silently: what a reader never took is counted as discarded. `put` returns at once
while there is room; else it waits, `put_timeout` seconds at most, and then raises `QueueOverflow`. The writer ends the
queue with `close()` (all is said) or `fail(error)`; the reader gets all items before it sees which. One writer, one
reader.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from time import perf_counter
from typing import Generic, TypeVar

from app.errors import GatewayError, QueueOverflow
from telemetry.ledger import TimeLedger
from telemetry.queue_stats import QueueStats

T = TypeVar("T")


class ByteBudget:
    """The bytes that all queues of a process may hold together. An empty queue may always take one item: no stream can
    be starved for good by the others."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: set[Callable[[], None]] = set()
        self.used = 0

    def has_room(self, size: int) -> bool:
        return self.used + size <= self._limit

    def take(self, size: int) -> None:
        self.used += size

    def give_back(self, size: int) -> None:
        self.used -= size
        if self._waiting:
            for wake in tuple(self._waiting):
                wake()

    def wake_when_freed(self, wake: Callable[[], None]) -> None:
        self._waiting.add(wake)

    def forget(self, wake: Callable[[], None]) -> None:
        self._waiting.discard(wake)


class StageQueue(Generic[T]):
    """`size_of` gives an item's bytes; `stats` counts, `ledger` learns when items wait here."""

    def __init__(
        self,
        stats: QueueStats,
        *,
        size_of: Callable[[T], int],
        put_timeout: float,
        budget: ByteBudget,
        ledger: TimeLedger,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.stats = stats
        self._size_of = size_of
        self._put_timeout = put_timeout
        self._budget = budget
        self._ledger = ledger
        self._clock = clock
        self._items: deque[tuple[T, int, float]] = deque()
        self._ended = False
        self._discarding = False
        self._error: GatewayError | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None

    def offer(self, item: T) -> bool:
        """Put at once if there is room; whether there was."""
        size = self._size_of(item)
        if not self._has_room(size):
            return False
        self._append(item, size)
        return True

    async def put(self, item: T) -> None:
        """Raises QueueOverflow when there is no room within the put timeout."""
        size = self._size_of(item)
        if not self._has_room(size):
            await self._wait_for_room(size)
        self._append(item, size)

    def _has_room(self, size: int) -> bool:
        stats = self.stats
        return not self._items or (
            stats.depth < stats.capacity_items
            and stats.bytes + size <= stats.capacity_bytes
            and self._budget.has_room(size)
        )

    def _append(self, item: T, size: int) -> None:
        if self._discarding:
            self.stats.discarded += 1
            return
        now = self._clock()
        self._items.append((item, size, now))
        self._budget.take(size)
        self._ledger.queued(1)
        self.stats.put(size, now)
        _wake(self._reader)

    async def get_batch(self) -> list[T]:
        """All items that are there, at least one; an empty list once the queue was closed and emptied.

        Raises the error it was failed with, after the last item.
        """
        if not self._items and not self._ended:
            await self._wait_for_items()
        if not self._items and self._error is not None:
            raise self._error
        return self._take_all()

    def close(self) -> None:
        """The writer has said all; further calls change nothing."""
        self._ended = True
        _wake(self._reader)

    def fail(self, error: GatewayError) -> None:
        """The writer cannot go on. Ignored after `close()`: a clean end stays one."""
        if not self._ended:
            self._error = error
        self.close()

    def discard(self) -> None:
        """The reader is gone: count and drop what it left, and what may still come."""
        self._discarding = True
        self.stats.discarded += len(self._take_all())
        _wake(self._writer)

    def _take_all(self) -> list[T]:
        taken = list(self._items)
        if not taken:
            return []
        self._items.clear()
        now = self._clock()
        size = 0
        for _, item_size, since in taken:
            size += item_size
            self.stats.residence(now - since)
        self.stats.took(len(taken), size, now)
        self._budget.give_back(size)
        self._ledger.queued(-len(taken))
        _wake(self._writer)
        return [item for item, _, _ in taken]

    async def _wait_for_items(self) -> None:
        since = self._clock()
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None
            self.stats.get_wait_s += self._clock() - since

    async def _wait_for_room(self, size: int) -> None:
        since = self._clock()
        self._budget.wake_when_freed(self._wake_writer)
        try:
            async with asyncio.timeout(self._put_timeout):
                while not (self._discarding or self._has_room(size)):
                    self._writer = asyncio.get_running_loop().create_future()
                    await self._writer
        except TimeoutError:
            # An event loop that was held up runs the timer before the reader's turn that made room.
            if self._discarding or self._has_room(size):
                return
            self.stats.overflows += 1
            raise QueueOverflow(
                f"The client did not read its stream within {self._put_timeout:g} s.",
                detail=f"queue {self.stats.name} was full for {self._put_timeout:g} s",
            ) from None
        finally:
            self._budget.forget(self._wake_writer)
            self._writer = None
            self.stats.put_blocked_s += self._clock() - since

    def _wake_writer(self) -> None:
        _wake(self._writer)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
