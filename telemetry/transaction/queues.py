"""The queues of one transaction: counted while they are in use, a span and metrics when they are done."""

from msgspec import Struct

from telemetry.guard import Defects, guarded
from telemetry.live.moments import QueueFilled
from telemetry.live.streams import Live, QueueFlow, StreamFlow
from telemetry.names.events import Event
from telemetry.names.spans import Attribute, Span, Value
from telemetry.recording.queue_stats import QueueStats
from telemetry.transaction.trace import TransactionTrace


class QueueTelemetry(Struct, eq=False):
    """Opens and closes the queues of a transaction; `close_all` closes those left open."""

    trace: TransactionTrace
    live: Live
    flow: StreamFlow

    @property
    def defects(self) -> Defects:
        return self.trace.defects

    def open(self, name: str, capacity_items: int, capacity_bytes: int) -> QueueStats:
        stats = QueueStats(name, capacity_items, capacity_bytes, self._high_water)
        self.flow.queues[stats] = QueueFlow(stats, self.flow.metrics.queues.children[name])
        return stats

    def close(self, stats: QueueStats) -> None:
        """Record a queue that is no longer used; the first call counts."""
        trace = self.trace
        try:
            flow = self.flow.queues.pop(stats, None)
            if flow is None:
                return
            flow.close(trace.exemplar)
            self.live.note_peak(stats)
            if trace.tape is not None:
                trace.tape.queues.append(stats)
            # It is known whether it is recorded, as whoever asks for an exemplar has it decided.
            if trace.span.recording and stats.first_put_at is not None:
                span = trace.child(f"{Span.QUEUE} {stats.name}", _span_attributes(stats), at=stats.first_put_at)
                span.end(trace.timeline.ns(None if stats.depth else stats.drained_at))
        except Exception as error:
            trace.defects.note("QueueTelemetry.close", error)

    def close_all(self) -> None:
        for queue in tuple(self.flow.queues):
            self.close(queue)

    @guarded
    def _high_water(self, stats: QueueStats, percent: int) -> None:
        self.trace.event(Event.QUEUE_HIGH_WATER, _event_attributes(stats, percent))
        if percent == 100:
            at, id = self.trace.timeline.unix_seconds(), self.trace.transaction_id
            self.live.moments.add(QueueFilled(at=at, transaction_id=id, queue=stats.name))


def _span_attributes(stats: QueueStats) -> dict[str, Value | None]:
    return {
        Attribute.QUEUE_NAME: stats.name,
        Attribute.QUEUE_CAPACITY: stats.capacity_items,
        Attribute.QUEUE_ITEMS_IN: stats.items_put + stats.passed,
        Attribute.QUEUE_ITEMS_OUT: stats.items_taken + stats.passed,
        Attribute.QUEUE_DEPTH_MAX: stats.depth_max,
        Attribute.QUEUE_BYTES_MAX: stats.bytes_max,
        Attribute.QUEUE_OVERFLOWS: stats.overflows,
        Attribute.QUEUE_PUT_BLOCKED: stats.put_blocked_s,
        Attribute.QUEUE_GET_WAIT: stats.get_wait_s,
        Attribute.QUEUE_RESIDENCE_P50: stats.residence_p50_s,
        Attribute.QUEUE_RESIDENCE_P99: stats.residence_p99_s,
        Attribute.QUEUE_DISCARDED: stats.discarded,
    }


def _event_attributes(stats: QueueStats, percent: int) -> dict[str, Value]:
    return {
        Attribute.QUEUE_NAME: stats.name,
        Attribute.QUEUE_PERCENT: percent,
        Attribute.QUEUE_DEPTH: stats.depth,
        Attribute.QUEUE_BYTES: stats.bytes,
        Attribute.QUEUE_CAPACITY: stats.capacity_items,
    }
