"""What a deployment may be asked, counted over processes, over a minute, and by what its provider said."""

from collections import deque
from math import inf
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.admission.capacity import Capacity, LearnedLimit, Limits, columns, release_process
from app.shared_table import SharedTable

NOW = 1000.0
FOREVER = 1e9


def _capacity(*limits: int | None) -> Capacity:
    return Capacity(SharedTable(columns(1), 8), "d", Limits(*limits))


def _take(capacity: Capacity, now: float = NOW, tokens: int = 0) -> bool:
    return capacity.take(now, tokens, FOREVER) is not None


def test_slots_are_given_and_come_back() -> None:
    capacity = _capacity(2)
    first = capacity.take(NOW, 0, FOREVER)
    assert first is not None
    assert _take(capacity)
    assert not _take(capacity)
    assert capacity.wait(NOW, 0).limits == inf
    capacity.end(NOW, first, None)
    assert capacity.wait(NOW, 0).is_none
    assert _take(capacity)


def test_the_requests_of_a_minute_are_never_more() -> None:
    capacity = _capacity(None, 3)
    assert [_take(capacity, NOW + at) for at in (0, 10, 20, 30)] == [True, True, True, False]
    assert capacity.wait(NOW + 30, 0).limits == pytest.approx(31)
    assert not _take(capacity, NOW + 60.9)
    assert _take(capacity, NOW + 61)
    assert not _take(capacity, NOW + 62)


def test_tokens_count_by_an_estimate_until_they_are_known() -> None:
    capacity = _capacity(None, None, 1000)
    taken = capacity.take(NOW, 900, FOREVER)
    assert taken is not None
    assert not _take(capacity, NOW, 200)
    capacity.end(NOW + 5, taken, 100)
    assert _take(capacity, NOW + 5, 200)
    assert not _take(capacity, NOW + 5, 800)


def test_a_request_with_more_tokens_than_a_minute_goes_alone() -> None:
    capacity = _capacity(None, None, 1000)
    assert _take(capacity, NOW, 5000)
    assert not _take(capacity, NOW, 1)
    assert _take(capacity, NOW + 61, 1)
    assert not _take(capacity, NOW + 61, 5000)


def test_how_early_a_place_in_the_queue_could_begin() -> None:
    capacity = _capacity(None, 2)
    assert capacity.earliest(NOW, 0) == 0
    assert _take(capacity)
    assert _take(capacity)
    assert capacity.earliest(NOW, 0) == pytest.approx(61)
    assert capacity.earliest(NOW, 5) == pytest.approx(120)


@given(st.lists(st.tuples(st.floats(0, 20), st.integers(1, 60), st.integers(0, 90)), max_size=80))
def test_no_minute_ever_holds_more_than_its_limits(steps: list[tuple[float, int, int]]) -> None:
    """Tokens are counted at once here; a request alone may have more of them than a minute."""
    capacity = _capacity(None, 5, 100)
    now, begun = NOW, deque[tuple[float, int]]()
    for passed, estimate, counted in steps:
        now += passed
        wait = capacity.wait(now, estimate)
        taken = capacity.take(now, estimate, FOREVER)
        assert (taken is not None) == wait.is_none
        if taken is None:
            # Not a moment longer than it says.
            now += wait.limits
            taken = capacity.take(now, estimate, FOREVER)
            assert taken is not None
        minute = [tokens for since, tokens in begun if since > now - 60]
        assert len(minute) < 5
        assert not minute or sum(minute) + estimate <= 100
        capacity.end(now, taken, counted)
        begun.append((now, counted))


def test_an_empty_bucket_of_the_provider_fills_evenly() -> None:
    capacity = _capacity()
    taken = capacity.take(NOW, 0, FOREVER)
    capacity.learn_requests(LearnedLimit(60, 0, 60.0), NOW, taken)
    wait = capacity.wait(NOW, 0)
    assert wait.limits == 0
    assert wait.learned == pytest.approx(1)
    assert not _take(capacity, NOW + 0.9)
    assert _take(capacity, NOW + 1)
    assert not _take(capacity, NOW + 1)
    assert _take(capacity, NOW + 2)


def test_what_began_after_the_attempt_that_learnt_is_taken_off() -> None:
    capacity = _capacity()
    first = capacity.take(NOW, 0, FOREVER)
    for _ in range(4):
        assert _take(capacity)
    capacity.learn_requests(LearnedLimit(10, 5, 500.0), NOW, first)
    assert _take(capacity, NOW)
    assert not _take(capacity, NOW)


def test_a_rest_that_is_large_keeps_nobody_back() -> None:
    capacity = _capacity()
    capacity.learn_requests(LearnedLimit(60, 0, 60.0), NOW, None)
    capacity.learn_requests(LearnedLimit(60, 50, 10.0), NOW, None)
    assert all(_take(capacity) for _ in range(50))
    assert not _take(capacity)


def test_a_learned_limit_keeps_nobody_back_whose_time_ends_before() -> None:
    capacity = _capacity()
    capacity.learn_requests(LearnedLimit(2, 0, 60.0), NOW, None)
    assert capacity.take(NOW, 0, NOW + 30) is None
    assert capacity.take(NOW, 0, NOW + 29) is not None


def test_a_learned_limit_is_believed_for_a_minute_at_most() -> None:
    capacity = _capacity()
    capacity.learn_requests(LearnedLimit(1, 0, 86400.0), NOW, None)
    assert capacity.wait(NOW, 0).learned == 60


def test_tokens_that_are_used_up_come_back_evenly() -> None:
    capacity = _capacity()
    capacity.learn_tokens(LearnedLimit(6000, 0, 60.0), NOW)
    assert capacity.wait(NOW, 500).learned == pytest.approx(5)
    assert capacity.counts_tokens
    capacity.learn_tokens(None, NOW)
    assert capacity.wait(NOW, 500).is_none
    assert not capacity.counts_tokens


def test_a_pause_is_kept_and_ends() -> None:
    capacity = _capacity()
    capacity.pause(NOW + 7)
    capacity.pause(NOW + 3)
    assert capacity.wait(NOW, 0).learned == pytest.approx(7)
    assert capacity.wait(NOW + 7, 0).is_none


def _shared(file: Path, limit: int, processes: int = 2) -> list[Capacity]:
    return [
        Capacity(SharedTable(columns(processes), 8, file), "d", Limits(limit), index, processes)
        for index in range(processes)
    ]


def test_processes_share_their_slots(tmp_path: Path) -> None:
    one, other = _shared(tmp_path / "t", 3)
    assert [_take(one), _take(other), _take(one), _take(other), _take(one)] == [True, True, True, False, False]
    assert one.under_way == other.under_way == 3


def test_a_process_with_more_slots_leaves_the_next_to_one_that_waits_with_fewer(tmp_path: Path) -> None:
    one, other = _shared(tmp_path / "t", 3)
    taken = [one.take(NOW, 0, FOREVER) for _ in range(3)]
    other.claim(NOW, waits=True)
    assert taken[0] is not None
    one.end(NOW, taken[0], None)
    assert not _take(one)
    assert _take(other)
    other.claim(NOW, waits=False)
    assert taken[1] is not None
    one.end(NOW, taken[1], None)
    assert _take(one)


def test_a_process_that_hangs_keeps_nobody_waiting(tmp_path: Path) -> None:
    one, other = _shared(tmp_path / "t", 3)
    assert _take(one)
    other.claim(NOW, waits=True)
    assert not _take(one, NOW + 0.2)
    assert _take(one, NOW + 0.3)


def test_the_slots_of_a_process_that_died_are_freed(tmp_path: Path) -> None:
    one, other = _shared(tmp_path / "t", 2)
    assert _take(one)
    assert _take(one)
    one.claim(NOW, waits=True)
    assert not _take(other)
    release_process(SharedTable(columns(2), 8, tmp_path / "t"), 0, 2)
    assert _take(other)
    assert _take(other)
    assert not _take(other)
