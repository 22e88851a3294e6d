"""Items in, batches out: the bounded queue between two stages of one stream.

Order is kept and nothing is lost silently: what a reader never took is counted as discarded. One writer, one reader.
The writer ends the queue with `close()` (that was all) or `fail(error)`; the reader gets all items before it learns
which.

Theory of operation. A stage that only works and never waits need not be woken for each item: while its task has
nothing to do it lends the stage to the queue, and whoever puts runs `stage.take` in its own turn. That saves the switch
from task to task, 7 to 10 us a chunk; what goes through is counted all the same. So a queue is, for its reader:

    idle        the reader's task sleeps, its stage is lent (`_idle`): an offer runs it at once and stores nothing
    corked      as idle, but more items are coming in this turn (`cork`): they are stored, and `uncork` runs the stage
                once for all of them
    behind      the stage could not finish (`take` gave False): it was taken back, and the reader's task awaits
                `stage.flush()`; offers are stored
    broken      the stage raised: it was taken back with its error (`_fault`), which the reader's task raises
    working     the reader's task runs between two waits; offers are stored

and independently of that, for its writer:

    open        `offer` stores what has room, in items, in bytes and in the process's budget; an empty queue has room
                for any one item. `put` waits for room, `put_timeout` seconds at most, then raises QueueOverflow
    ended       by `close` or `fail`; what is stored is still read
    discarding  the reader is gone (`discard`): what is stored and what may still come is counted and dropped, and a
                writer that waits goes on

Only the reader's task leaves `behind` and `broken`; only the writer ends the queue; only the reader's side discards.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Generic, Protocol, TypeVar

from app.errors import GatewayError, QueueOverflow
from telemetry import QueueStats, TimeLedger

T = TypeVar("T")
Item = TypeVar("Item", contravariant=True)


class Stage(Protocol[Item]):
    """What a queue hands its items to."""

    def take(self, items: Sequence[Item]) -> bool:
        """Work on the items, without waiting. False if something is left that has to wait before it can go on."""

    async def flush(self) -> None:
        """Wait until what `take` left has gone on."""


class ByteBudget:
    """The bytes that all queues of a process may hold together. An empty queue may take one item beyond it, so that no
    stream is starved for good by the others."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._waiting: set[Callable[[], None]] = set()
        self.used = 0

    def has_room(self, size: int) -> bool:
        """Whether `size` bytes more are within the limit."""
        return self.used + size <= self.limit

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
    ) -> None:
        self.stats = stats
        self._size_of = size_of
        self._put_timeout = put_timeout
        self._budget = budget
        self._ledger = ledger
        self._waiting: deque[tuple[Sequence[T], int, float]] = deque()
        """What came together, its bytes, and when."""
        self._ended = False
        self._discarding = False
        self._error: GatewayError | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writer: asyncio.Future[None] | None = None
        self._idle: Stage[T] | None = None
        """The stage of a reader that waits; taken away when the stage fell behind or failed (`_fault`)."""
        self._fault: Exception | None = None
        self._is_lent = False
        """The stage was lent before its reader's task had a turn."""
        self._corked = False

    @property
    def has_ended(self) -> bool:
        """Whether the writer has closed or failed the queue."""
        return self._ended

    def lend(self, stage: Stage[T]) -> None:
        """Lend the stage of a reader whose task is still to have its first turn: it is idle from the start, so what is
        put meanwhile goes through it. The reader then calls `drain_into` with the same stage."""
        self._idle = stage
        self._is_lent = True

    def offer(self, *items: T) -> bool:
        """Put without waiting. False, with nothing put, if there is not room for all the items."""
        size = self._size_of(items[0]) if len(items) == 1 else sum(map(self._size_of, items))
        idle = self._idle
        if idle is not None and not (self._waiting or self._corked):
            stats, count = self.stats, len(items)
            stats.passed += count
            stats.drained_at = now = perf_counter()
            if count > stats.depth_peak_window or size > stats.bytes_max:
                stats.note_peak(count, size, now)
            self._run(idle, items)
            return True
        if not self._has_room(len(items), size):
            return False
        self._accept(items, size)
        return True

    async def put(self, *items: T) -> None:
        """Put the items, and wait for room where there is none. Raises QueueOverflow after the put timeout."""
        if self.offer(*items):
            return
        for item in items:
            size = self._size_of(item)
            if not self._has_room(1, size):
                await self._wait_for_room(size)
            self._accept((item,), size)

    def cork(self) -> None:
        """Say that more items come in this turn: an idle stage is run once for all of them, by `uncork`."""
        self._corked = True

    def uncork(self) -> None:
        """Run an idle stage on what was put since `cork`."""
        self._corked = False
        if self._idle is not None and self._waiting:
            self._run(self._idle, self._take_all())

    async def get_batch(self) -> list[T]:
        """Wait for items and take all that are there; an empty list once the queue was closed and emptied.

        Raises the error it was failed with, after the last item.
        """
        if not self._waiting and not self._ended:
            await self._wait_for_items()
        if not self._waiting and self._error is not None:
            raise self._error
        return self._take_all()

    async def drain_into(self, stage: Stage[T]) -> None:
        """Hand every item to `stage` until the queue was closed and emptied.

        Raises what the stage raised, or the error that the queue was failed with, after the last item.
        """
        if self._is_lent:
            await self._take_back(stage)
        while True:
            if not self._waiting and not self._ended:
                await self._wait_with(stage)
            elif self._waiting:
                if not stage.take(self._take_all()):
                    await stage.flush()
            elif self._error is not None:
                raise self._error
            else:
                return

    def close(self) -> None:
        """End the queue well. Further calls change nothing."""
        self._ended = True
        _wake(self._reader)

    def fail(self, error: GatewayError) -> None:
        """End the queue with the error that the reader is to get. Ignored after `close()`: a clean end stays one."""
        if not self._ended:
            self._error = error
        self.close()

    def discard(self) -> None:
        """Count and drop what the reader, which is gone, left behind, and what may still come."""
        self._discarding = True
        self.stats.discarded += len(self._take_all())
        _wake(self._writer)

    def _has_room(self, items: int, size: int) -> bool:
        stats = self.stats
        if not self._waiting and items == 1:
            return True
        return (
            stats.depth + items <= stats.capacity_items
            and stats.bytes + size <= stats.capacity_bytes
            and self._budget.has_room(size)
        )

    def _accept(self, items: Sequence[T], size: int) -> None:
        if self._discarding:
            self.stats.discarded += len(items)
            return
        now = perf_counter()
        self._waiting.append((items, size, now))
        self._budget.take(size)
        self._ledger.queued(len(items))
        self.stats.put(len(items), size, now)
        _wake(self._reader)

    def _run(self, stage: Stage[T], items: Sequence[T]) -> None:
        """Do the idle reader's work in the writer's turn. What it leaves or raises is for the reader's own task."""
        try:
            if stage.take(items):
                return
        except Exception as error:
            self._fault = error
        self._idle = None
        _wake(self._reader)

    def _take_all(self) -> list[T]:
        if not self._waiting:
            return []
        now = perf_counter()
        taken: list[T] = []
        size = 0
        for items, item_size, since in self._waiting:
            taken += items
            size += item_size
            self.stats.residence(now - since, len(items))
        self._waiting.clear()
        self.stats.took(len(taken), size, now)
        self._budget.give_back(size)
        self._ledger.queued(-len(taken))
        _wake(self._writer)
        return taken

    async def _wait_with(self, stage: Stage[T]) -> None:
        """Wait until there is something for the reader's own task to do, with the stage lent to the writer."""
        self._idle = stage
        try:
            await self._wait_for_items()
        except BaseException:
            self._idle = None
            raise
        await self._take_back(stage)

    async def _take_back(self, stage: Stage[T]) -> None:
        """End the lending of the stage, and do what it left or raised meanwhile."""
        fell_behind, self._idle, self._is_lent = self._idle is None, None, False
        if self._fault is not None:
            raise self._fault
        if fell_behind:
            await stage.flush()

    async def _wait_for_items(self) -> None:
        since = perf_counter()
        self._reader = asyncio.get_running_loop().create_future()
        try:
            await self._reader
        finally:
            self._reader = None
            self.stats.get_wait_s += perf_counter() - since

    async def _wait_for_room(self, size: int) -> None:
        since = perf_counter()
        self._budget.wake_when_freed(self._wake_writer)
        try:
            async with asyncio.timeout(self._put_timeout):
                while not (self._discarding or self._has_room(1, size)):
                    self._writer = asyncio.get_running_loop().create_future()
                    await self._writer
        except TimeoutError:
            # An event loop that was held up runs the timer before the reader's turn that made room.
            if self._discarding or self._has_room(1, size):
                return
            self.stats.overflows += 1
            raise QueueOverflow(
                f"The client did not read its stream within {self._put_timeout:g} s.",
                detail=f"queue {self.stats.name} was full for {self._put_timeout:g} s",
            ) from None
        finally:
            self._budget.forget(self._wake_writer)
            self._writer = None
            self.stats.put_blocked_s += perf_counter() - since

    def _wake_writer(self) -> None:
        _wake(self._writer)


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)
