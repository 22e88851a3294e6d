"""The counts of one queue of one stream. The queue writes the plain fields; the sampler and the queue's span read them.

Most items pass through a queue without a stay, as its reader waits for them: for those the queue adds to `passed`, sets
`drained_at`, and calls `note_peak` where there were more at once than `depth_peak_window`, or `bytes_max`. Times are
seconds of the transaction's clock. `items_out` is all that left the queue, `discarded` what went to nobody.
"""

from collections.abc import Callable, Sequence

from telemetry.names import HIGH_WATER_MARKS
from telemetry.recording.log_buckets import LogBuckets, percentile


class QueueStats:
    """The counts of one queue. `on_high_water` is called once each with 50, 80 and 100: percent of the capacity, in
    items or in bytes."""

    __slots__ = (
        "_marks",
        "_on_high_water",
        "_waits",
        "bytes",
        "bytes_max",
        "capacity_bytes",
        "capacity_items",
        "depth",
        "depth_max",
        "depth_peak_window",
        "discarded",
        "drained_at",
        "first_put_at",
        "get_wait_s",
        "items_put",
        "items_taken",
        "name",
        "overflows",
        "passed",
        "put_blocked_s",
        "residence_p50_s",
        "residence_p99_s",
        "residences",
    )

    def __init__(
        self,
        name: str,
        capacity_items: int,
        capacity_bytes: int,
        on_high_water: Callable[["QueueStats", int], None] | None = None,
    ) -> None:
        self.name = name
        self.capacity_items = capacity_items
        self.capacity_bytes = capacity_bytes
        self.items_put = self.items_taken = self.depth = self.depth_max = self.depth_peak_window = 0
        self.bytes = self.bytes_max = 0
        self.overflows = self.discarded = 0
        self.put_blocked_s = self.get_wait_s = 0.0
        self.passed = 0
        """Items that a waiting reader took at once."""
        self._waits: LogBuckets | None = None
        """How long the others were in the queue."""
        self.residences: Sequence[tuple[float, int]] = ()
        """How long items were in the queue, in seconds and in order, with how many were about as long. This and the
        percentiles are known from `close` on."""
        self.residence_p50_s = self.residence_p99_s = 0.0
        self.first_put_at: float | None = None
        self.drained_at: float | None = None
        self._on_high_water = on_high_water
        self._marks: Sequence[int] = HIGH_WATER_MARKS

    @property
    def items_in(self) -> int:
        """All that came to the queue."""
        return self.items_put + self.passed

    @property
    def items_out(self) -> int:
        """All that left it."""
        return self.items_taken + self.passed

    def put(self, items: int, size: int, now: float) -> None:
        """Count `items` that were put in to wait, of `size` bytes together."""
        self.items_put += items
        self.depth = depth = self.depth + items
        self.bytes = held = self.bytes + size
        if depth > self.depth_peak_window or held > self.bytes_max:
            self.note_peak(depth, held, now)

    def took(self, items: int, size: int, now: float) -> None:
        self.items_taken += items
        self.depth -= items
        self.bytes -= size
        if not self.depth:
            self.drained_at = now

    def residence(self, seconds: float, items: int) -> None:
        """Note how long `items` waited in the queue."""
        if self._waits is None:
            self._waits = LogBuckets()
        self._waits.add(seconds, items)

    def note_peak(self, depth: int, held: int, now: float) -> None:
        """There are more items or bytes in the queue than before, or more than ever were passed on together."""
        if self.first_put_at is None:
            self.first_put_at = now
        if depth > self.depth_peak_window:
            self.depth_peak_window = depth
        if depth > self.depth_max:
            self.depth_max = depth
        if held > self.bytes_max:
            self.bytes_max = held
        while self._marks and (
            100 * depth >= self.capacity_items * self._marks[0] or 100 * held >= self.capacity_bytes * self._marks[0]
        ):
            mark, *self._marks = self._marks
            if self._on_high_water is not None:
                self._on_high_water(self, mark)

    def close(self) -> None:
        """No item will come or go any more."""
        if self._waits is not None:
            self._waits.add(0.0, self.passed)
            self.residences = self._waits.filled()
            self.residence_p50_s = percentile(self.residences, 0.5)
            self.residence_p99_s = percentile(self.residences, 0.99)
        elif self.passed:
            self.residences = ((0.0, self.passed),)
