"""Items in, batches out: the bounded queue between two stages of one stream.

Order is kept and nothing is lost silently: what a reader never took is counted as discarded. One writer, one reader.
The writer ends the queue with `close()` (that was all) or `fail(error)`; the reader gets all items before it learns
which.

Theory of operation. A queue is a source (`app.stages`): what is put while its reader's stage is idle goes through the
stage in the writer's turn, and is counted all the same. It knows two more states of its reader:

    lent        as idle, but the stage has no task yet (`lend`): it gets one (`start`) when it needs one
    corked      as idle, but more items are coming in this turn (`cork`): they are stored, and `uncork` runs the stage
                once for all of them

and independently of that, for its writer:

    open        `offer` stores what has room, in items, in bytes and in the process's budget; an empty queue has room
                for any one item, however many it stands for. `put` waits for room, `put_timeout` seconds at most, then
                raises QueueOverflow
    ended       by `close` or `fail`; what is stored is still read
    discarding  the reader is gone (`discard`): what is stored and what may still come is counted and dropped, and a
                writer that waits goes on

Only the writer ends the queue; only the reader's side discards.
"""

import asyncio
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Protocol, TypeVar

from app.errors import GatewayError, QueueOverflow
from app.stages import Borrower, Stage, Taker
from telemetry import QueueStats, TimeLedger

T = TypeVar("T")
Item = TypeVar("Item", contravariant=True)


class LentStage(Stage[Item], Protocol[Item]):
    """A stage that is lent to its queue before it has a task."""

    def start(self) -> None:
        """Have a task of its own read the queue from now on."""


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


class StageQueue(Borrower[T]):
    """`size_of` gives an item's bytes, `count_of` for how many it stands, where that may be several; `stats` counts,
    `ledger` learns when items wait here."""

    def __init__(
        self,
        stats: QueueStats,
        *,
        size_of: Callable[[T], int],
        count_of: Callable[[T], int] | None = None,
        put_timeout: float,
        budget: ByteBudget,
        ledger: TimeLedger,
    ) -> None:
        super().__init__()
        self.stats = stats
        self._size_of = size_of
        self._count_of = count_of
        self._put_timeout = put_timeout
        self._budget = budget
        self._ledger = ledger
        self._waiting: list[tuple[Sequence[T], int, int, float]] = []
        """What came together, for how many items it stands, its bytes, and when."""
        self._ended = False
        self._discarding = False
        self._error: GatewayError | None = None
        self._writer: asyncio.Future[None] | None = None
        self._lent: LentStage[T] | None = None
        """A stage that has no task yet."""
        self._idle_since: float | None = None
        self._corked = False

    @property
    def has_ended(self) -> bool:
        """Whether the writer has closed or failed the queue."""
        return self._ended

    def lend(self, stage: LentStage[T]) -> None:
        """Lend a stage that has no task yet: what is put goes through it, up to the moment that it needs one. Whoever
        reads the queue then, or after its end, calls `drain_into` with the same stage."""
        self._idle = self._lent = stage
        self._idle_since = perf_counter()

    def offer(self, *items: T) -> bool:
        """Put without waiting. False, with nothing put, if there is not room for all the items."""
        size = self._size_of(items[0]) if len(items) == 1 else sum(map(self._size_of, items))
        count = len(items) if self._count_of is None else sum(map(self._count_of, items))
        idle = self._idle
        if idle is not None and not (self._waiting or self._corked):
            stats = self.stats
            stats.passed += count
            stats.drained_at = now = perf_counter()
            if count > stats.depth_peak_window or size > stats.bytes_max:
                stats.note_peak(count, size, now)
            try:
                if not idle.take(items):
                    self._give_back()
            except Exception as error:
                self._give_back(error)
            return True
        if not self._has_room(items, count, size):
            return False
        self._accept(items, count, size)
        return True

    async def put(self, *items: T) -> None:
        """Put the items, and wait for room where there is none. Raises QueueOverflow after the put timeout."""
        if self.offer(*items):
            return
        for item in items:
            one = (item,)
            count = 1 if self._count_of is None else self._count_of(item)
            size = self._size_of(item)
            if not self._has_room(one, count, size):
                await self._wait_for_room(one, count, size)
            self._accept(one, count, size)

    def cork(self) -> None:
        """Say that more items come in this turn: an idle stage is run once for all of them, by `uncork`."""
        self._corked = True

    def uncork(self) -> None:
        """Run an idle stage on what was put since `cork`."""
        self._corked = False
        if self._idle is not None and self._waiting:
            try:
                if not self._idle.take(self._take_all()):
                    self._give_back()
            except Exception as error:
                self._give_back(error)

    async def get_batch(self) -> list[T]:
        """Wait for items and take all that are there; an empty list once the queue was closed and emptied.

        Raises the error it was failed with, after the last item.
        """
        if not self._waiting and not self._ended:
            await self._wait()
        if not self._waiting and self._error is not None:
            raise self._error
        return self._take_all()

    async def pass_to(self, taker: Taker[T]) -> bool:
        """Hand on what comes, as `app.stages` says; raises the error that the queue was failed with."""
        if self._idle_since is not None and self._take_back():
            return True
        while True:
            if self._waiting:
                if not taker.take(self._take_all()):
                    return True
            elif not self._ended:
                if await self._wait(taker):
                    return True
            elif self._error is not None:
                raise self._error
            else:
                return False

    async def drain_into(self, stage: Stage[T]) -> None:
        """Hand every item to `stage` until the queue was closed and emptied. Raises as `pass_to` does."""
        while await self.pass_to(stage):
            await stage.flush()

    def close(self) -> None:
        """End the queue well. Further calls change nothing. A stage without a task is read out by whoever ended the
        first queue."""
        self._ended = True
        if self._lent is None:
            self._wake()

    def fail(self, error: GatewayError) -> None:
        """End the queue with the error that the reader is to get. Ignored after `close()`: a clean end stays one."""
        if not self._ended:
            self._ended = True
            self._error = error
            self._wake()

    def discard(self) -> None:
        """Count and drop what the reader, which is gone, left behind, and what may still come."""
        self._discarding = True
        self._note_wait()
        if self._waiting:
            self.stats.discarded += self.stats.depth
            self._take_all()
        if self._writer is not None:
            self._wake_writer()

    def _has_room(self, items: Sequence[T], count: int, size: int) -> bool:
        stats = self.stats
        if not self._waiting and len(items) == 1:
            return True
        return (
            stats.depth + count <= stats.capacity_items
            and stats.bytes + size <= stats.capacity_bytes
            and self._budget.has_room(size)
        )

    def _accept(self, items: Sequence[T], count: int, size: int) -> None:
        if self._discarding:
            self.stats.discarded += count
            return
        now = perf_counter()
        self._waiting.append((items, count, size, now))
        self._budget.take(size)
        self._ledger.queued(count)
        self.stats.put(count, size, now)
        self._wake()

    def _wake(self) -> None:
        """Have the reader's task go on."""
        lent, self._lent = self._lent, None
        if lent is None:
            super()._wake()
        else:
            lent.start()

    def _take_all(self) -> list[T]:
        if not self._waiting:
            return []
        now = perf_counter()
        taken: list[T] = []
        count = size = 0
        for items, their_count, their_size, since in self._waiting:
            taken += items
            count += their_count
            size += their_size
            self.stats.residence(now - since, their_count)
        self._waiting.clear()
        self.stats.took(count, size, now)
        self._budget.give_back(size)
        self._ledger.queued(-count)
        if self._writer is not None:
            self._wake_writer()
        return taken

    async def _wait(self, taker: Taker[T] | None = None) -> bool:
        self._idle_since = perf_counter()
        try:
            return await super()._wait(taker)
        finally:
            self._note_wait()

    def _take_back(self) -> bool:
        self._lent = None
        self._note_wait()
        return super()._take_back()

    def _note_wait(self) -> None:
        if self._idle_since is not None:
            self.stats.get_wait_s += perf_counter() - self._idle_since
            self._idle_since = None

    async def _wait_for_room(self, items: Sequence[T], count: int, size: int) -> None:
        since = perf_counter()
        self._budget.wake_when_freed(self._wake_writer)
        try:
            async with asyncio.timeout(self._put_timeout):
                while not (self._discarding or self._has_room(items, count, size)):
                    self._writer = asyncio.get_running_loop().create_future()
                    await self._writer
        except TimeoutError:
            # An event loop that was held up runs the timer before the reader's turn that made room.
            if self._discarding or self._has_room(items, count, size):
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
        if self._writer is not None and not self._writer.done():
            self._writer.set_result(None)
