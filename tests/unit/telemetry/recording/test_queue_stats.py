import pytest

from telemetry import QueueStats
from tests.unit.telemetry.fakes import ManualClock


def stats_with_marks(items: int = 10, size: int = 1000) -> tuple[QueueStats, list[int], ManualClock]:
    reached: list[int] = []
    clock = ManualClock()
    stats = QueueStats("sse", items, size, lambda _, percent: reached.append(percent))
    return stats, reached, clock


def test_counts_what_goes_in_and_out() -> None:
    stats, _, clock = stats_with_marks()
    for size in (100, 50, 25):
        stats.put(1, size, clock.now)
    stats.took(2, 150, clock.now)
    assert (stats.items_in, stats.items_out, stats.depth, stats.depth_max) == (3, 2, 1, 3)
    assert (stats.bytes, stats.bytes_max) == (25, 175)


def test_each_high_water_mark_is_told_once() -> None:
    stats, reached, clock = stats_with_marks()
    for _ in range(3):
        for _ in range(10):
            stats.put(1, 1, clock.now)
        stats.took(10, 10, clock.now)
    assert reached == [50, 80, 100]


def test_bytes_reach_the_marks_too() -> None:
    stats, reached, clock = stats_with_marks(items=1_000_000)
    stats.put(1, 499, clock.now)
    assert reached == []
    stats.put(1, 301, clock.now)
    assert reached == [50, 80]


def test_a_peak_is_that_since_the_window_began_anew() -> None:
    stats, _, clock = stats_with_marks()
    for _ in range(4):
        stats.put(1, 1, clock.now)
    stats.took(3, 3, clock.now)
    assert stats.depth_peak_window == 4
    stats.depth_peak_window = stats.depth
    stats.put(1, 1, clock.now)
    assert (stats.depth_peak_window, stats.depth_max) == (2, 4)


def test_its_time_goes_from_the_first_put_to_the_last_take() -> None:
    stats, _, clock = stats_with_marks()
    stats.put(1, 1, clock.now)
    clock.advance(1)
    stats.put(1, 1, clock.now)
    stats.took(1, 1, clock.now)
    assert stats.drained_at is None
    clock.advance(1)
    stats.took(1, 1, clock.now)
    assert stats.first_put_at == 1000
    assert stats.drained_at == 1002


def test_residence_has_percentiles() -> None:
    stats, _, _ = stats_with_marks()
    for milliseconds in range(1, 101):
        stats.residence(milliseconds / 1000, 1)
    stats.close()
    assert stats.residence_p50_s == pytest.approx(0.05, rel=0.13)
    assert stats.residence_p99_s == pytest.approx(0.099, rel=0.13)
    assert sum(count for _, count in stats.residences) == 100


def test_what_passes_at_once_is_counted_and_did_not_wait() -> None:
    stats, reached, clock = stats_with_marks()
    stats.passed += 6
    stats.note_peak(6, 60, clock.now)
    assert (stats.items_in, stats.items_out, stats.depth, stats.depth_max) == (6, 6, 0, 6)
    assert (stats.bytes, stats.bytes_max, stats.first_put_at) == (0, 60, clock.now)
    assert reached == [50]
    stats.close()
    assert (stats.residences, stats.residence_p99_s) == (((0.0, 6),), 0.0)


def test_what_waited_is_counted_beside_what_passed_at_once() -> None:
    stats, _, _ = stats_with_marks()
    stats.passed += 97
    stats.residence(2.0, 3)
    stats.close()
    assert [count for _, count in stats.residences] == [97, 3]
    assert stats.residence_p50_s < 1e-6
    assert stats.residence_p99_s == pytest.approx(2.0, rel=0.13)
