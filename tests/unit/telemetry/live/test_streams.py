import asyncio
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telemetry import QueueStats
from telemetry.names import WHERE
from tests.support import run
from tests.unit.telemetry.fakes import Bench

ACTIONS = ("put", "take", "sample", "overflow", "discard", "blocked", "wait")


def act(bench: Bench, stats: QueueStats, action: str) -> None:
    match action:
        case "put":
            stats.put(1, 10, bench.clock.now)
        case "take" if stats.depth:
            stats.took(1, 10, bench.clock.now)
            stats.residence(0.01, 1)
        case "overflow":
            stats.overflows += 1
        case "discard":
            stats.discarded += 1
        case "blocked":
            stats.put_blocked_s += 0.25
        case "sample":
            bench.telemetry.sampler.sample()
        case _:
            bench.clock.advance(0.5)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1)), max_size=60))
def test_what_streams_count_reaches_the_metrics_once(script: list[tuple[str, int]]) -> None:
    bench = Bench()
    streams = [bench.open(), bench.open()]
    queues = [obs.queues.open("sse", 1000, 1_000_000) for obs in streams]
    for action, which in script:
        act(bench, queues[which], action)
    for obs in streams:
        obs.finish("ok", status=200)
    expected = {
        "flowspan_queue_enqueued_items_total": sum(stats.items_in for stats in queues),
        "flowspan_queue_dequeued_items_total": sum(stats.items_out for stats in queues),
        "flowspan_queue_discarded_items_total": sum(stats.discarded for stats in queues),
        "flowspan_queue_overflows_total": sum(stats.overflows for stats in queues),
        "flowspan_queue_put_blocked_seconds_total": sum(stats.put_blocked_s for stats in queues),
        "flowspan_queue_residence_seconds_count": sum(count for stats in queues for _, count in stats.residences),
        "flowspan_queue_high_water_ratio_count": 2,
    }
    assert {name: bench.value(name, queue="sse") for name in expected} == pytest.approx(expected)
    seconds = sum(bench.value("flowspan_stream_seconds_total", where=where) or 0 for where in WHERE)
    assert seconds == pytest.approx(sum(obs.ledger.total for obs in streams), abs=1e-6)
    assert sum(bench.telemetry.snapshot().seconds.values()) == pytest.approx(seconds, abs=1e-6)


def test_counters_move_while_a_stream_is_open() -> None:
    bench = Bench()
    obs = bench.open()
    stats = obs.queues.open("sse", 100, 1000)
    seen = []
    for _ in range(3):
        stats.put(1, 1, bench.clock.now)
        bench.clock.advance(1)
        bench.telemetry.sampler.sample()
        seen.append(bench.value("flowspan_queue_enqueued_items_total", queue="sse"))
    assert seen == [1, 2, 3]
    # Items that wait, and nothing else active: the queue owns the time.
    assert bench.value("flowspan_stream_seconds_total", where="format") == 3


def test_gauges_add_up_the_open_streams_and_fall_to_zero() -> None:
    bench = Bench()
    streams = [bench.open() for _ in range(3)]
    for obs in streams:
        obs.queues.open("policy_out", 100, 1000).put(1, 7, bench.clock.now)
    bench.telemetry.sampler.sample()
    assert bench.value("flowspan_queue_depth_items", queue="policy_out") == 3
    assert bench.value("flowspan_queue_bytes", queue="policy_out") == 21
    assert bench.value("flowspan_queue_capacity_items", queue="policy_out") == 100
    assert bench.value("flowspan_streams_in_flight", api="openai_chat") == 3
    for obs in streams:
        obs.finish("ok", status=200)
    bench.telemetry.sampler.sample()
    assert bench.value("flowspan_queue_depth_items", queue="policy_out") == 0
    assert bench.value("flowspan_streams_in_flight", api="openai_chat") == 0


def test_the_peak_is_remembered_for_a_minute_also_of_a_stream_that_ended_between_samples() -> None:
    bench = Bench()
    obs = bench.open()
    stats = obs.queues.open("sse", 100, 1000)
    for _ in range(9):
        stats.put(1, 1, bench.clock.now)
    stats.took(9, 9, bench.clock.now)
    obs.finish("ok", status=200)
    peaks = []
    for _ in range(61):
        bench.telemetry.sampler.sample()
        peaks.append(bench.value("flowspan_queue_depth_peak_items", queue="sse"))
    assert peaks[0] == peaks[59] == 9
    assert peaks[60] == 0
    assert all(earlier >= later for earlier, later in pairwise(peaks) if earlier is not None and later is not None)


def test_a_snapshot_shows_what_is_open() -> None:
    bench = Bench()
    obs = bench.open()
    stats = obs.queues.open("sse", 100, 1000)
    stats.put(1, 5, bench.clock.now)
    obs.ledger.enter("upstream")
    bench.clock.advance(2)
    snapshot = bench.telemetry.snapshot()
    assert snapshot.in_flight == {"openai_chat": 1}
    assert snapshot.queues["sse"].depth == 1
    assert snapshot.queues["sse"].capacity == 100
    (stream,) = snapshot.streams
    assert (stream.model, stream.seconds, stream.waiting_for) == ("gpt-5", 2, "upstream")
    assert stream.queued == {"sse": 1}
    assert stream.transaction_id == obs.transaction_id


def test_a_snapshot_counts_all_streams_where_they_wait_and_names_the_oldest() -> None:
    bench = Bench()
    streams = []
    for _ in range(250):
        streams.append(bench.open())
        bench.clock.advance(1)
    for obs in streams[:200]:
        obs.ledger.enter("upstream")
    for obs in streams[200:]:
        for name in ("policy_out", "sse"):
            obs.queues.open(name, 10, 100).put(1, 1, bench.clock.now)
        obs.ledger.queued(2)
    snapshot = bench.telemetry.snapshot()
    assert snapshot.waiting == {"upstream": 200, "sse": 50}
    assert sum(snapshot.in_flight.values()) == 250
    assert [stream.transaction_id for stream in snapshot.streams] == [obs.transaction_id for obs in streams[:100]]


def test_the_sampler_takes_a_last_sample_when_it_is_cancelled() -> None:
    bench = Bench()
    obs = bench.open()

    async def main() -> None:
        task = asyncio.create_task(bench.telemetry.run())
        await asyncio.sleep(0)
        obs.queues.open("sse", 10, 100).put(1, 1, bench.clock.now)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert bench.value("flowspan_queue_enqueued_items_total", queue="sse") == 1
