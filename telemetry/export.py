"""Items in, batches out by a thread of their own: bounded, and every loss counted with its reason.

Why a receiver takes nothing is logged once, again when the reason changes and every five minutes.

`offer` never waits: when the queue is full the item is lost. A batch that could not be sent is lost, not kept: the
sender has had its retries. `close` sends what is left for a bounded time; what a receiver that is down did not take by
then is lost too, and the thread, a daemon, is left behind.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from time import monotonic
from typing import Generic, TypeVar

from telemetry.delivery.rejections import Rejection
from telemetry.metrics.registry import ExportMetrics
from telemetry.names import DropReason, Signal

_log = logging.getLogger(__name__)
T = TypeVar("T")
_LARGE = 64 * 1024
"""Bytes from which on an item counts by its size, too: with captured content a few spans are as much as thousands."""
_LARGE_LIMIT = 64 * 1024**2
"""Bytes of large items that may wait."""
_BATCH_BYTES = 4 * 1024**2
"""Bytes of a batch of several items: a collector takes no more than 20 MiB, by gRPC 4 MiB."""
_REMINDER = 300.0
"""Seconds after which a line about the same failure is repeated."""


class Outages:
    """Counts the exports of a signal and what is lost with them, and logs when its `receiver` begins to take nothing,
    why, and when it takes it again."""

    def __init__(
        self, signal: Signal, metrics: ExportMetrics, receiver: str, clock: Callable[[], float] = monotonic
    ) -> None:
        self._signal = signal
        self._metrics = metrics
        self._receiver = receiver
        self._clock = clock
        self._logged: dict[str, float] = {}
        """When each reason of the present outage was logged."""

    def note(self, rejection: Rejection | None, count: int) -> None:
        """Note what came of a batch of `count` items."""
        self._metrics.exported(self._signal, "ok" if rejection is None else "failed")
        if rejection is not None:
            lost = count if rejection.items is None else min(count, rejection.items)
            self._metrics.dropped(self._signal, "export_failed", lost)
        if self._signal == "console":
            return
        if rejection is not None:
            self._log_failure(rejection.reason)
        elif self._logged:
            self._logged.clear()
            _log.info("%s takes %s again", self._receiver, self._signal)

    def note_end(self, count: int) -> None:
        """Note that the process ends with `count` items which the receiver has not taken. No scrape will show it."""
        self._metrics.dropped(self._signal, "shutdown", count)
        if self._signal != "console":
            _log.warning("%s did not take %d %s by the end, which are lost", self._receiver, count, self._signal)

    def _log_failure(self, reason: str) -> None:
        now = self._clock()
        if now - self._logged.get(reason, now - _REMINDER) >= _REMINDER:
            self._logged[reason] = now
            message = "%s does not take %s, which are lost, and counted: %s"
            _log.warning(message, self._receiver, self._signal, reason)


class Batcher(Generic[T]):
    """A bounded queue with a thread that empties it. `send` takes a batch and returns why it did not arrive, None where
    it did; what it raises counts as a failure. `receiver` is its name in log lines, `size_of` returns the bytes of an
    item, where they differ much."""

    def __init__(
        self,
        send: Callable[[Sequence[T]], Rejection | None],
        signal: Signal,
        metrics: ExportMetrics,
        *,
        queue_size: int,
        batch_size: int,
        delay: float,
        receiver: str = "the collector",
        abort: Callable[[], None] | None = None,
        size_of: Callable[[T], int] | None = None,
    ) -> None:
        self.receiver = receiver
        self._send = send
        self._signal = signal
        self._metrics = metrics
        self._queue: deque[T] = deque()
        self._queue_size = queue_size
        self._batch_size = min(batch_size, queue_size)
        self._delay = delay
        self._abort = abort
        self._size_of = size_of
        self._large = 0
        """Bytes of the large items that wait."""
        self._large_lock = threading.Lock()
        self._awake = threading.Event()
        self._closing = False
        self._abandoned = False
        self._in_flight = 0
        self._outages = Outages(signal, metrics, receiver)
        metrics.capacity[signal].set(queue_size)
        self._thread = threading.Thread(target=self._run, name=f"flowspan-export-{signal}", daemon=True)
        self._thread.start()

    def offer(self, *items: T) -> None:
        """Take items; each that there is no room for is lost."""
        queue, size_of = self._queue, self._size_of
        for item in items:
            size = 0 if size_of is None else size_of(item)
            waiting = len(queue)
            if self._closing:
                self.lose("shutdown")
            elif waiting >= self._queue_size or (size >= _LARGE and not self._admits_large(size)):
                self.lose("queue_full")
            else:
                queue.append(item)
                if waiting + 1 == self._batch_size or self._large >= _BATCH_BYTES:
                    self._awake.set()

    def lose(self, reason: DropReason, count: int = 1) -> None:
        self._metrics.dropped(self._signal, reason, count)

    @property
    def is_stuck(self) -> bool:
        """Whether it was closed while its receiver did not take a batch."""
        return self._abandoned

    def wake(self) -> None:
        """Send what is queued without waiting for a full batch or the next turn."""
        self._awake.set()

    def waiting(self) -> int:
        return len(self._queue)

    def close(self, timeout: float) -> None:
        """Send what is left, for `timeout` seconds at most. Further calls change nothing."""
        if self._closing:
            return
        self._closing = True
        self._awake.set()
        self._thread.join(timeout)
        if self._thread.is_alive():
            self._abandoned = True
            lost = len(self._queue) + self._in_flight
            self._queue.clear()
            if lost:
                self._outages.note_end(lost)
        if self._abort is not None:
            self._abort()

    def _run(self) -> None:
        while not self._closing:
            self._awake.wait(self._delay)
            self._awake.clear()
            self._send_turn()
        self._send_turn()

    def _send_turn(self) -> None:
        """Send what waits now, and what comes meanwhile as far as it fills a batch. The rest has its own turn: under
        load each batch would be followed by one of a few items."""
        queue, left = self._queue, len(self._queue)
        while queue and not self._abandoned and (left > 0 or len(queue) >= self._batch_size):
            batch = self._next_batch()
            left -= len(batch)
            self._in_flight = len(batch)
            rejection = self._try(batch)
            self._in_flight = 0
            if not self._abandoned:
                self._outages.note(rejection, len(batch))

    def _admits_large(self, size: int) -> bool:
        """Whether there is room for a large item, which is counted then."""
        with self._large_lock:
            if self._large + size > _LARGE_LIMIT:
                return False
            self._large += size
        return True

    def _next_batch(self) -> list[T]:
        batch: list[T] = []
        total = 0
        while self._queue and len(batch) < self._batch_size:
            size = 0 if self._size_of is None else self._size_of(self._queue[0])
            if batch and total + size > _BATCH_BYTES:
                break
            batch.append(self._queue.popleft())
            total += size
            if size >= _LARGE:
                with self._large_lock:
                    self._large -= size
        return batch

    def _try(self, batch: Sequence[T]) -> Rejection | None:
        try:
            return self._send(batch)
        except Exception as error:
            return Rejection(f"a batch could not be sent ({type(error).__name__})")
