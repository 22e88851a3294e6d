"""The transactions that are open now, and running totals: what the sampler walks and a live view shows.

A stream counts on plain integers; here they become metrics, as the difference to what was flushed before: once a second
by the sampler, and a last time when the queue or the stream closes. So nothing is counted twice and nothing is lost.
"""

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass, field

from telemetry.live.moments import Ended, Moment, Moments
from telemetry.metrics.flow import QueueChildren
from telemetry.metrics.instruments import observe_each
from telemetry.metrics.registry import Metrics
from telemetry.metrics.traffic import Exemplar
from telemetry.names import OUTCOMES, QUEUES, WHERE, Outcome, Where
from telemetry.recording.ledger import TimeLedger
from telemetry.recording.queue_stats import QueueStats
from telemetry.recording.recorder import TransactionRecorder

STREAM_LIMIT = 100
"""Open streams that a snapshot names."""
_NOTHING: Mapping[Where, float] = dict.fromkeys(WHERE, 0.0)


class QueueFlow:
    """Carries the counts of one stream's queue into the metrics."""

    def __init__(self, stats: QueueStats, children: QueueChildren) -> None:
        self.stats = stats
        self._children = children
        self._in = self._out = self._discarded = self._overflows = 0
        self._put_blocked = 0.0
        children.capacity.cells[0] = float(stats.capacity_items)

    def flush(self) -> None:
        stats, to = self.stats, self._children
        items_in, items_out = stats.items_put + stats.passed, stats.items_taken + stats.passed
        if items_in != self._in:
            to.enqueued.cells[0] += items_in - self._in
            self._in = items_in
        if items_out != self._out:
            to.dequeued.cells[0] += items_out - self._out
            self._out = items_out
        if stats.discarded != self._discarded:
            to.discarded.cells[0] += stats.discarded - self._discarded
            self._discarded = stats.discarded
        if stats.overflows != self._overflows:
            to.overflows.cells[0] += stats.overflows - self._overflows
            self._overflows = stats.overflows
        if stats.put_blocked_s > self._put_blocked:
            to.put_blocked.cells[0] += stats.put_blocked_s - self._put_blocked
            self._put_blocked = stats.put_blocked_s

    def close(self, exemplar: Exemplar) -> None:
        """Close the queue, and count residences and peak depth, too. The exemplar goes to the slowest bucket."""
        stats, to = self.stats, self._children
        stats.close()
        self.flush()
        to.residence.observe_many(stats.residences, exemplar)
        observe_each(((to.high_water, stats.depth_max / max(1, stats.capacity_items), None),))


@dataclass(frozen=True)
class StreamView:
    """One open transaction, as a live view shows it."""

    transaction_id: str
    api: str
    model: str
    seconds: float
    waiting_for: Where
    queued: dict[str, int]


class StreamFlow:
    """Carries the counts of one open transaction into the metrics."""

    def __init__(
        self, transaction_id: str, api: str, ledger: TimeLedger, recorder: TransactionRecorder, metrics: Metrics
    ) -> None:
        self.transaction_id = transaction_id
        self.api = api
        self.model = ""
        self.queues: dict[QueueStats, QueueFlow] = {}
        """The queues that are open, with what carries their counts."""
        self.metrics = metrics
        self._ledger = ledger
        self._recorder = recorder
        self._chunks_in = self._bytes_out = 0
        self._flushed: Mapping[Where, float] = _NOTHING

    def flush(self) -> None:
        """Add what happened since the last call to the metrics."""
        for queue in self.queues.values():
            queue.flush()
        recorder, to = self._recorder, self.metrics
        ledger, flushed = self._ledger, self._flushed
        parts = ledger.seconds if ledger.is_closed else ledger.snapshot()
        for where, total in parts.items():
            moved = total - flushed[where]
            if moved > 0:
                to.stream_seconds[where].cells[0] += moved
        self._flushed = parts
        if recorder.chunks_in != self._chunks_in:
            to.upstream_chunks.cells[0] += recorder.chunks_in - self._chunks_in
            self._chunks_in = recorder.chunks_in
        if recorder.bytes_out != self._bytes_out:
            to.client_bytes.cells[0] += recorder.bytes_out - self._bytes_out
            self._bytes_out = recorder.bytes_out

    @property
    def waiting_for(self) -> Where:
        return self._ledger.waiting_for

    def view(self) -> StreamView:
        queued = {stats.name: stats.depth for stats in self.queues}
        return StreamView(
            self.transaction_id, self.api, self.model, self._ledger.total, self._ledger.waiting_for, queued
        )


class Live:
    """All open transactions, and how many began and how they ended since the process started."""

    def __init__(self) -> None:
        self.opened = 0
        self.outcomes: dict[Outcome, int] = dict.fromkeys(OUTCOMES, 0)
        self.moments = Moments()
        self._streams: dict[StreamFlow, None] = {}
        """In the order in which they were opened."""
        self._peaks: dict[str, int] = {}

    def streams(self) -> tuple[StreamFlow, ...]:
        return tuple(self._streams)

    def open(self, stream: StreamFlow) -> None:
        self.opened += 1
        self._streams[stream] = None

    def close(self, stream: StreamFlow, outcome: Outcome) -> None:
        stream.flush()
        self._streams.pop(stream, None)
        self.outcomes[outcome] += 1

    def take_peaks(self) -> dict[str, int]:
        """The peak depth of any stream's queue since the last call, by queue name; queues that closed count too."""
        for stream in self._streams:
            for stats in stream.queues:
                self.note_peak(stats)
        peaks, self._peaks = self._peaks, {}
        return peaks

    def note_peak(self, stats: QueueStats) -> None:
        """Note how full a queue was since this was last called; it may have closed."""
        peak, stats.depth_peak_window = stats.depth_peak_window, stats.depth
        if peak > self._peaks.get(stats.name, 0):
            self._peaks[stats.name] = peak


@dataclass(frozen=True)
class QueueView:
    """The queues of one name. `depth` and `bytes` are sums over all open streams; `fullest` and `capacity` are those of
    a single queue."""

    depth: int
    bytes: int
    fullest: int
    capacity: int


@dataclass(frozen=True)
class Snapshot:
    opened: int
    in_flight: dict[str, int]
    """All open transactions by API."""
    streams: tuple[StreamView, ...]
    """The oldest ones, a hundred at most."""
    queues: dict[str, QueueView]
    breakers: dict[str, str]
    """Each breaker's state, by its name."""
    outcomes: dict[Outcome, int]
    seconds: dict[Where, float]
    """The time ledger of all transactions since the start, as of the sampler's last turn."""
    waiting: dict[str, int]
    """How many of the open streams wait for whom: a part of the time ledger, or for `queue` the name of the last queue
    of the stream that holds something."""
    chunks_in: int = 0
    """Chunks that came from providers since the start, as of the sampler's last turn."""
    bytes_out: int = 0
    """Bytes that went to clients since the start, as of the sampler's last turn."""
    moments: tuple[Moment, ...] = ()
    """What happened lately, the newest last; of the ends those that did not go well."""
    ends: tuple[Ended, ...] = ()
    """The newest ends of transactions, the newest last."""
    admission: Mapping[str, int] = field(default_factory=dict)
    """How many requests wait for each deployment that is limited, by its id."""


def take_snapshot(live: Live, metrics: Metrics) -> Snapshot:
    streams = live.streams()
    sums = _Sums()
    for stream in streams:
        sums.add(stream)
    return Snapshot(
        live.opened,
        dict(sums.in_flight),
        tuple([stream.view() for stream in streams[:STREAM_LIMIT]]),
        {name: queue.view() for name, queue in sums.queues.items()},
        dict(metrics.breakers.states),
        dict(live.outcomes),
        {where: counter.value for where, counter in metrics.stream_seconds.items()},
        dict(sums.waiting),
        int(metrics.upstream_chunks.value),
        int(metrics.client_bytes.value),
        live.moments.newest(),
        live.moments.newest_ends(),
        {deployment: children.depth for deployment, children in metrics.admission.children.items()},
    )


class _QueueSums:
    __slots__ = ("bytes", "capacity", "depth", "fullest")

    def __init__(self) -> None:
        self.depth = self.bytes = self.fullest = self.capacity = 0

    def add(self, stats: QueueStats) -> None:
        depth = stats.depth
        self.depth += depth
        self.bytes += stats.bytes
        if depth > self.fullest:
            self.fullest = depth
        if stats.capacity_items > self.capacity:
            self.capacity = stats.capacity_items

    def view(self) -> QueueView:
        return QueueView(self.depth, self.bytes, self.fullest, self.capacity)


class _Sums:
    """What all open streams come to, in one pass over them: with thousands it counts, on the event loop."""

    def __init__(self) -> None:
        self.in_flight: Tally[str] = Tally()
        self.waiting: Tally[str] = Tally()
        self.queues = {name: _QueueSums() for name in QUEUES}

    def add(self, stream: StreamFlow) -> None:
        self.in_flight[stream.api] += 1
        where: str = stream.waiting_for
        in_queue = QUEUES[0]
        for stats in stream.queues:
            if (sums := self.queues.get(stats.name)) is not None:
                sums.add(stats)
            if stats.depth:
                in_queue = stats.name
        self.waiting[in_queue if where == "queue" else where] += 1
