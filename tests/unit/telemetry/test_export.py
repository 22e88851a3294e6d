import logging
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from msgspec.structs import replace
from prometheus_client import CollectorRegistry

from telemetry.delivery.rejections import Rejection
from telemetry.export import Batcher, Outages
from telemetry.limits import SPAN_LIMITS
from telemetry.metrics.registry import ExportMetrics
from telemetry.otlp import SpanExport
from telemetry.traces.otlp_encoding import EncodedSpan
from tests.unit.telemetry.fakes import ManualClock
from tests.unit.telemetry.traces.test_otlp_encoding import recorded


class Receiver:
    """Takes batches, refuses them, or holds the sender until it is let go."""

    def __init__(self, *, takes: bool = True, hold: bool = False) -> None:
        self.takes = takes
        self.batches: list[list[int]] = []
        self.called = threading.Event()
        self.go_on = threading.Event()
        if not hold:
            self.go_on.set()

    def send(self, batch: Sequence[int]) -> Rejection | None:
        self.called.set()
        self.go_on.wait(10)
        self.batches.append(list(batch))
        return None if self.takes else Rejection("it is closed today")

    @property
    def items(self) -> list[int]:
        return [item for batch in self.batches for item in batch]


class Losses:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.metrics = ExportMetrics(self.registry)

    def dropped(self, reason: str) -> float | None:
        labels = {"signal": "traces", "reason": reason}
        return self.registry.get_sample_value("flowspan_telemetry_items_dropped_total", labels)

    def exports(self, result: str) -> float | None:
        labels = {"signal": "traces", "result": result}
        return self.registry.get_sample_value("flowspan_telemetry_exports_total", labels)


@contextmanager
def batcher(
    receiver: Receiver, losses: Losses, *, queue_size: int = 100, batch_size: int = 10, delay: float = 60.0
) -> Iterator[Batcher[int]]:
    made = Batcher(receiver.send, "traces", losses.metrics, queue_size=queue_size, batch_size=batch_size, delay=delay)
    try:
        yield made
    finally:
        receiver.go_on.set()
        made.close(5)


def test_all_that_is_offered_arrives_in_order_by_the_close() -> None:
    receiver, losses = Receiver(), Losses()
    with batcher(receiver, losses) as made:
        for item in range(57):
            made.offer(item)
        made.close(5)
    assert receiver.items == list(range(57))
    assert max(len(batch) for batch in receiver.batches) <= 10
    assert losses.exports("ok") == len(receiver.batches)


def test_a_full_batch_does_not_wait_for_the_delay() -> None:
    receiver, losses = Receiver(), Losses()
    with batcher(receiver, losses, batch_size=3) as made:
        for item in range(3):
            made.offer(item)
        assert receiver.called.wait(5)


def test_what_comes_while_a_batch_is_sent_waits_until_there_is_another_one() -> None:
    losses = Losses()
    batches: list[list[int]] = []
    sent = threading.Semaphore(0)

    def send(batch: Sequence[int]) -> Rejection | None:
        batches.append(list(batch))
        made.offer(10 * len(batches))
        sent.release()
        return None

    made = Batcher(send, "traces", losses.metrics, queue_size=100, batch_size=3, delay=60)
    made.offer(1, 2, 3)
    assert sent.acquire(timeout=5)
    made.offer(4, 5)
    assert sent.acquire(timeout=5)
    assert batches == [[1, 2, 3], [10, 4, 5]]
    assert made.waiting() == 1
    made.close(5)
    assert batches[2:] == [[20]]


def test_what_finds_no_room_is_lost_and_counted() -> None:
    receiver, losses = Receiver(hold=True), Losses()
    with batcher(receiver, losses, queue_size=5, batch_size=1) as made:
        made.offer(0)
        assert receiver.called.wait(5)
        for item in range(1, 9):
            made.offer(item)
        assert made.waiting() == 5
        assert losses.dropped("queue_full") == 3
        receiver.go_on.set()
        made.close(5)
    assert receiver.items == [0, 1, 2, 3, 4, 5]


def test_what_is_refused_is_lost_and_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    receiver, losses = Receiver(takes=False), Losses()
    with batcher(receiver, losses, batch_size=2) as made:
        for item in range(6):
            made.offer(item)
        made.close(5)
    assert losses.dropped("export_failed") == 6
    assert losses.exports("failed") == len(receiver.batches)
    (line,) = [record.message for record in caplog.records if "does not take" in record.message]
    assert "it is closed today" in line


def test_an_outage_is_logged_by_reason_again_after_a_while_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    clock, losses = ManualClock(), Losses()
    outages = Outages("traces", losses.metrics, "the collector at x:1", clock)
    refused, late = Rejection("refused"), Rejection("late", 2)
    for rejection in (refused, refused, late, refused, None, None, refused):
        outages.note(rejection, 10)
    clock.advance(299)
    outages.note(refused, 10)
    clock.advance(2)
    outages.note(refused, 10)
    lines = [record.message.rpartition(": ")[2] for record in caplog.records]
    assert lines == ["refused", "late", "the collector at x:1 takes traces again", "refused", "refused"]
    # Of a batch that was taken in part only the rest is lost.
    assert losses.dropped("export_failed") == 6 * 10 + 2
    assert (losses.exports("ok"), losses.exports("failed")) == (2, 7)


def test_a_sender_that_raises_loses_its_batch_only() -> None:
    losses = Losses()
    taken: list[int] = []

    def send(batch: Sequence[int]) -> Rejection | None:
        if 1 in batch:
            raise OSError("broken")
        taken.extend(batch)
        return None

    made = Batcher(send, "traces", losses.metrics, queue_size=10, batch_size=1, delay=60)
    for item in range(3):
        made.offer(item)
    made.close(5)
    assert taken == [0, 2]
    assert losses.dropped("export_failed") == 1


def test_a_close_does_not_wait_for_a_receiver_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    receiver, losses = Receiver(hold=True), Losses()
    aborted = threading.Event()
    made = Batcher(receiver.send, "traces", losses.metrics, queue_size=10, batch_size=2, delay=60, abort=aborted.set)
    for item in range(5):
        made.offer(item)
    assert receiver.called.wait(5)
    made.close(0.01)
    assert aborted.is_set()
    assert losses.dropped("shutdown") == 5
    # No scrape will see that count.
    assert [record.message for record in caplog.records] == [
        "the collector did not take 5 traces by the end, which are lost"
    ]
    receiver.go_on.set()


def test_a_span_that_cannot_be_written_is_lost_alone_and_counted() -> None:
    batches: list[Sequence[EncodedSpan]] = []
    losses = Losses()
    made: Batcher[EncodedSpan] = Batcher(
        batches.append, "traces", losses.metrics, queue_size=10, batch_size=10, delay=60
    )
    good = recorded(SPAN_LIMITS, [], {"a": 1})
    with pytest.raises(struct.error):
        SpanExport(made).offer([good, replace(good, trace_id=1 << 200), good])
    made.close(5)
    assert [len(batch) for batch in batches] == [2]
    assert losses.dropped("defect") == 1


def test_what_comes_after_the_close_is_lost_and_counted() -> None:
    receiver, losses = Receiver(), Losses()
    with batcher(receiver, losses) as made:
        made.close(5)
        made.offer(1)
        made.close(5)
    assert losses.dropped("shutdown") == 1


def test_large_items_go_in_batches_of_some_megabytes_and_as_soon_as_there_are_enough() -> None:
    receiver, losses = Receiver(), Losses()
    made = Batcher(
        receiver.send,
        "traces",
        losses.metrics,
        queue_size=2048,
        batch_size=512,
        delay=60,
        size_of=lambda item: item * 1024**2,
    )
    for item in (1, 1, 1, 6, 0, 0, 3):
        made.offer(item)
    assert receiver.called.wait(5)
    made.close(5)
    assert receiver.items == [1, 1, 1, 6, 0, 0, 3]
    assert all(sum(batch) <= 4 or len(batch) == 1 for batch in receiver.batches)


def test_large_items_that_find_no_room_are_lost_and_counted_and_small_ones_are_not() -> None:
    receiver, losses = Receiver(hold=True), Losses()
    made = Batcher(
        receiver.send,
        "traces",
        losses.metrics,
        queue_size=2048,
        batch_size=512,
        delay=60,
        size_of=lambda item: item * 1024**2,
    )
    made.offer(5)
    assert receiver.called.wait(5)
    for item in (30, 30, 30, 0, 4):
        made.offer(item)
    receiver.go_on.set()
    made.close(5)
    assert receiver.items == [5, 30, 30, 0, 4]
    assert losses.dropped("queue_full") == 1
