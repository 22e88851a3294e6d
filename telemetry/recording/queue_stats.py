"""The counts of one queue of one stream. The queue writes the plain fields; the sampler and the queue's span read them.

Times are seconds of the transaction's clock. `items_out` is all that left the queue, `discarded` what went to nobody.
"""

from collections.abc import Callable

from telemetry.names import HIGH_WATER_MARKS
from telemetry.recording.log_buckets import LogBuckets

_NEVER = 1 << 62


class QueueStats:
    """The counts of one queue. `on_high_water` is called once each with 50, 80 and 100: percent of the capacity, in
    items or in bytes."""

    __slots__ = (
        "_marks",
        "_next_bytes",
        "_next_items",
        "_on_high_water",
        "_passed",
        "_residences",
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
        "items_in",
        "items_out",
        "name",
        "overflows",
        "put_blocked_s",
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
        self.items_in = self.items_out = self.depth = self.depth_max = self.depth_peak_window = 0
        self.bytes = self.bytes_max = 0
        self.overflows = self.discarded = 0
        self.put_blocked_s = self.get_wait_s = 0.0
        self._residences = LogBuckets()
        self._passed = 0
        self.first_put_at: float | None = None
        self.drained_at: float | None = None
        self._on_high_water = on_high_water
        self._marks = list(HIGH_WATER_MARKS)
        self._aim()

    def put(self, items: int, size: int, now: float) -> None:
        """Count `items` that were put in, of `size` bytes together."""
        if self.first_put_at is None:
            self.first_put_at = now
        self.items_in += items
        self.depth = depth = self.depth + items
        self.bytes = held = self.bytes + size
        if depth > self.depth_peak_window or held > self.bytes_max:
            self._note_peak(depth, held)

    def took(self, items: int, size: int, now: float) -> None:
        self.items_out += items
        self.depth -= items
        self.bytes -= size
        if not self.depth:
            self.drained_at = now

    def passed(self, items: int, size: int, now: float) -> None:
        """Count `items` that a waiting reader took at once: like `put` and `took` together, without residence."""
        if self.first_put_at is None:
            self.first_put_at = now
        self.drained_at = now
        self.items_in += items
        self.items_out += items
        self._passed += items
        if items > self.depth_peak_window or size > self.bytes_max:
            self._note_peak(items, size)

    def residence(self, seconds: float, items: int) -> None:
        """Note how long `items` were in the queue."""
        self._residences.add(seconds, items)

    @property
    def residences(self) -> LogBuckets:
        """How long each item that left was in the queue."""
        self._residences.add(0.0, self._passed)
        self._passed = 0
        return self._residences

    def residence_percentile(self, share: float) -> float:
        return self.residences.percentile(share)

    def take_peak(self) -> int:
        """The greatest depth since the last call."""
        peak = self.depth_peak_window
        self.depth_peak_window = self.depth
        return peak

    def _note_peak(self, depth: int, held: int) -> None:
        self.depth_peak_window = max(depth, self.depth_peak_window)
        self.depth_max = max(depth, self.depth_max)
        self.bytes_max = max(held, self.bytes_max)
        while self._marks and (depth >= self._next_items or held >= self._next_bytes):
            mark = self._marks.pop(0)
            self._aim()
            if self._on_high_water is not None:
                self._on_high_water(self, mark)

    def _aim(self) -> None:
        mark = self._marks[0] if self._marks else None
        self._next_items = _NEVER if mark is None else -(-self.capacity_items * mark // 100)
        self._next_bytes = _NEVER if mark is None else -(-self.capacity_bytes * mark // 100)
