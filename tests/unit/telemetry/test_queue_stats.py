import pytest

from telemetry.queue_stats import QueueStats
from tests.unit.telemetry.fakes import ManualClock


def stats_with_marks(items: int = 10, size: int = 1000) -> tuple[QueueStats, list[int], ManualClock]:
    reached: list[int] = []
    clock = ManualClock()
    stats = QueueStats("sse", items, size, clock, lambda _, percent: reached.append(percent))
    return stats, reached, clock


def test_counts_what_goes_in_and_out() -> None:
    stats, _, _ = stats_with_marks()
    for size in (100, 50, 25):
        stats.put(size)
    stats.took(2, 150)
    assert (stats.items_in, stats.items_out, stats.depth, stats.depth_max) == (3, 2, 1, 3)
    assert (stats.bytes, stats.bytes_max) == (25, 175)


def test_each_high_water_mark_is_told_once() -> None:
    stats, reached, _ = stats_with_marks()
    for _ in range(3):
        for _ in range(10):
            stats.put(1)
        stats.took(10, 10)
    assert reached == [50, 80, 100]


def test_bytes_reach_the_marks_too() -> None:
    stats, reached, _ = stats_with_marks(items=1_000_000)
    stats.put(499)
    assert reached == []
    stats.put(301)
    assert reached == [50, 80]


def test_the_peak_starts_anew_with_each_sample() -> None:
    stats, _, _ = stats_with_marks()
    for _ in range(4):
        stats.put(1)
    stats.took(3, 3)
    assert stats.take_peak() == 4
    assert stats.take_peak() == 1
    stats.put(1)
    assert stats.take_peak() == 2
    assert stats.depth_max == 4


def test_its_time_goes_from_the_first_put_to_the_last_take() -> None:
    stats, _, clock = stats_with_marks()
    stats.put(1)
    clock.advance(1)
    stats.put(1)
    stats.took(1, 1)
    assert stats.drained_at is None
    clock.advance(1)
    stats.took(1, 1)
    assert stats.first_put_ns == 1000 * 10**9
    assert stats.drained_ns == 1002 * 10**9


def test_residence_has_percentiles() -> None:
    stats, _, _ = stats_with_marks()
    for milliseconds in range(1, 101):
        stats.residence(milliseconds / 1000)
    assert stats.residence_percentile(0.5) == pytest.approx(0.05, rel=0.13)
    assert stats.residence_percentile(0.99) == pytest.approx(0.099, rel=0.13)
