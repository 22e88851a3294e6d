import pytest

from tests.unit.telemetry.fakes import STARTED_NS, Bench, attributes_of


def test_a_queue_span_goes_from_the_first_put_to_the_drain() -> None:
    bench = Bench()
    obs = bench.open()
    stats = obs.queues.open("sse", 100, 1000)
    bench.clock.advance(1)
    stats.put(1, 40, bench.clock.now)
    stats.put(1, 60, bench.clock.now)
    bench.clock.advance(2)
    stats.took(2, 100, bench.clock.now)
    stats.residence(2.0, 1)
    bench.clock.advance(4)
    obs.queues.close(stats)
    obs.queues.close(stats)
    obs.finish("ok", status=200)
    queues = [span for span in bench.exporter.get_finished_spans() if span.name == "flowspan.queue sse"]
    assert len(queues) == 1
    assert queues[0].start_time == STARTED_NS + 10**9
    assert queues[0].end_time == STARTED_NS + 3 * 10**9
    attributes = attributes_of(queues[0])
    assert attributes["flowspan.queue.name"] == "sse"
    assert attributes["flowspan.queue.items_in"] == attributes["flowspan.queue.items_out"] == 2
    assert attributes["flowspan.queue.depth_max"] == 2
    assert attributes["flowspan.queue.bytes_max"] == 100
    assert attributes["flowspan.queue.residence_p50_s"] == pytest.approx(2.0, rel=0.13)


def test_a_queue_that_nobody_used_has_no_span() -> None:
    bench = Bench()
    obs = bench.open()
    obs.queues.open("sse", 10, 100)
    obs.finish("client_error", status=400)
    assert set(bench.spans()) == {"POST /v1/chat/completions"}


def test_high_water_marks_are_boundary_events_once_each() -> None:
    bench = Bench()
    obs = bench.open()
    stats = obs.queues.open("sse", 10, 1000)
    for _ in range(2):
        for _ in range(9):
            stats.put(1, 1, bench.clock.now)
        stats.took(9, 9, bench.clock.now)
    obs.finish("ok", status=200)
    marks = [event for event in bench.transaction().events if event.name == "queue.high_water"]
    assert [dict(mark.attributes or {})["flowspan.queue.percent"] for mark in marks] == [50, 80]
