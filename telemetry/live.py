"""The transactions that are open now, and running totals: what the sampler walks and a live view shows.

A stream counts on plain integers; here they become metrics, as the difference to what was flushed before: once a second
by the sampler, and a last time when the queue or the stream closes. So nothing is counted twice and nothing is lost.
"""

from collections import Counter as Tally
from collections.abc import Mapping
from dataclasses import dataclass

from telemetry.flow_metrics import QueueChildren
from telemetry.ledger import TimeLedger
from telemetry.metrics import Metrics
from telemetry.names import OUTCOMES, WHERE, Outcome, Where
from telemetry.queue_stats import QueueStats
from telemetry.recorder import TransactionRecorder
from telemetry.traffic_metrics import Exemplar


class QueueFlow:
    """One queue of one stream on its way into the metrics."""

    def __init__(self, stats: QueueStats, children: QueueChildren) -> None:
        self.stats = stats
        self._children = children
        self._in = self._out = self._discarded = self._overflows = 0
        self._put_blocked = 0.0
        children.capacity.set(stats.capacity_items)

    def flush(self) -> None:
        stats, to = self.stats, self._children
        if stats.items_in != self._in:
            to.enqueued.inc(stats.items_in - self._in)
            self._in = stats.items_in
        if stats.items_out != self._out:
            to.dequeued.inc(stats.items_out - self._out)
            self._out = stats.items_out
        if stats.discarded != self._discarded:
            to.discarded.inc(stats.discarded - self._discarded)
            self._discarded = stats.discarded
        if stats.overflows != self._overflows:
            to.overflows.inc(stats.overflows - self._overflows)
            self._overflows = stats.overflows
        if stats.put_blocked_s > self._put_blocked:
            to.put_blocked.inc(stats.put_blocked_s - self._put_blocked)
            self._put_blocked = stats.put_blocked_s

    def close(self, exemplar: Exemplar) -> None:
        """The exemplar goes to the slowest bucket: that is the one worth a look."""
        self.flush()
        filled = self.stats.residences.filled()
        for at, (seconds, count) in enumerate(filled, 1):
            self._children.residence.observe_many(seconds, count, exemplar if at == len(filled) else None)
        self._children.high_water.observe(self.stats.depth_max / max(1, self.stats.capacity_items))


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
    """One open transaction on its way into the metrics."""

    def __init__(
        self, transaction_id: str, api: str, ledger: TimeLedger, recorder: TransactionRecorder, metrics: Metrics
    ) -> None:
        self.transaction_id = transaction_id
        self.api = api
        self.model = ""
        self.queues: list[QueueFlow] = []
        self._ledger = ledger
        self._recorder = recorder
        self._metrics = metrics
        self._chunks_in = self._bytes_out = 0
        self._flushed: Mapping[Where, float] = dict.fromkeys(WHERE, 0.0)

    def add_queue(self, stats: QueueStats) -> None:
        self.queues.append(QueueFlow(stats, self._metrics.queues.of(stats.name)))

    def remove_queue(self, stats: QueueStats, exemplar: Exemplar) -> bool:
        """Whether the queue was still there."""
        flow = next((flow for flow in self.queues if flow.stats is stats), None)
        if flow is None:
            return False
        self.queues.remove(flow)
        flow.close(exemplar)
        return True

    def flush(self, seconds: dict[Where, float]) -> None:
        """Move what happened since the last call into the metrics, and what it took also into `seconds`."""
        for queue in self.queues:
            queue.flush()
        self._flush_ends()
        parts = self._ledger.snapshot()
        for where, total in parts.items():
            moved = total - self._flushed[where]
            if moved > 0:
                self._metrics.stream_seconds[where].inc(moved)
                seconds[where] += moved
        self._flushed = parts

    def _flush_ends(self) -> None:
        """What came in from providers and what went out to the client."""
        recorder, to = self._recorder, self._metrics
        if recorder.chunks_in != self._chunks_in:
            to.upstream_chunks.inc(recorder.chunks_in - self._chunks_in)
            self._chunks_in = recorder.chunks_in
        if recorder.bytes_out != self._bytes_out:
            to.client_bytes.inc(recorder.bytes_out - self._bytes_out)
            self._bytes_out = recorder.bytes_out

    def view(self) -> StreamView:
        queued = {flow.stats.name: flow.stats.depth for flow in self.queues}
        return StreamView(
            self.transaction_id, self.api, self.model, self._ledger.total, self._ledger.waiting_for, queued
        )


class Live:
    """All open transactions, and what has been since the start."""

    def __init__(self) -> None:
        self.opened = 0
        self.outcomes: dict[Outcome, int] = dict.fromkeys(OUTCOMES, 0)
        self.seconds: dict[Where, float] = dict.fromkeys(WHERE, 0.0)
        self._streams: set[StreamFlow] = set()
        self._peaks: Tally[str] = Tally()

    def streams(self) -> tuple[StreamFlow, ...]:
        return tuple(self._streams)

    def open(self, stream: StreamFlow) -> None:
        self.opened += 1
        self._streams.add(stream)

    def flush(self, stream: StreamFlow) -> None:
        stream.flush(self.seconds)

    def close_queue(self, stream: StreamFlow, stats: QueueStats, exemplar: Exemplar) -> bool:
        if not stream.remove_queue(stats, exemplar):
            return False
        self._note_peak(stats.name, stats.take_peak())
        return True

    def close(self, stream: StreamFlow, outcome: Outcome) -> None:
        self.flush(stream)
        self._streams.discard(stream)
        self.outcomes[outcome] += 1

    def take_peaks(self) -> dict[str, int]:
        """By queue name, the fullest queue of any stream since the last call, closed ones included."""
        for stream in self._streams:
            for queue in stream.queues:
                self._note_peak(queue.stats.name, queue.stats.take_peak())
        peaks, self._peaks = self._peaks, Tally()
        return dict(peaks)

    def _note_peak(self, queue: str, peak: int) -> None:
        self._peaks[queue] = max(self._peaks[queue], peak)
