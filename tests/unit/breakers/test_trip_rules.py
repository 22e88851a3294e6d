"""What opens a breaker, and what one caller alone cannot do."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.breakers.trip_rules import ConsecutiveOrRate, FailureWindow


def in_a_row(threshold: int = 5) -> ConsecutiveOrRate:
    return ConsecutiveOrRate(threshold, failure_rate=0.5, min_requests=1_000_000, window=60, several_callers=True)


def by_share() -> ConsecutiveOrRate:
    return ConsecutiveOrRate(1_000_000, failure_rate=0.5, min_requests=20, window=60, several_callers=True)


@pytest.mark.parametrize(
    ("callers", "opens"),
    [
        ("aaaaaaaaaaaaaaaaaaaaaaaa", False),
        ("aaaaaaaab", False),
        ("aaabb", True),
        ("abcde", True),
        ("bbaaa", True),
        ("abab", False),
    ],
)
def test_failures_in_a_row_open_for_all_only_if_they_are_several_callers(callers: str, opens: bool) -> None:
    rule = in_a_row()
    reasons = [rule.failed(0, caller) for caller in callers]
    assert (reasons[-1] == "consecutive_failures") is opens
    assert not any(reasons[:-1])


@pytest.mark.parametrize("threshold", [1, 2, 3])
def test_at_a_low_threshold_it_still_takes_two(threshold: int) -> None:
    rule = in_a_row(threshold)
    assert not any(rule.failed(0, "a") for _ in range(9))
    assert rule.failed(0, "b") == "consecutive_failures"


def test_where_callers_are_not_told_apart_one_is_enough() -> None:
    rule = ConsecutiveOrRate(2, failure_rate=1, min_requests=100, window=60)
    assert rule.failed(0) is None
    assert rule.failed(0) == "consecutive_failures"


def test_a_share_of_failures_that_one_caller_makes_up_opens_nothing() -> None:
    rule = by_share()
    for _ in range(12):
        rule.succeeded(0, "honest")
    assert not any(rule.failed(0, "broken") for _ in range(200))
    assert rule.failed(0, "honest") is None


def test_a_share_of_failures_that_all_callers_see_opens() -> None:
    rule = by_share()
    reasons = []
    for _ in range(10):
        for caller in "abc":
            rule.succeeded(0, caller)
            reasons.append(rule.failed(0, caller))
    assert "failure_rate" in reasons


@given(st.lists(st.sampled_from(["failed", "abandoned", "succeeded", "answered"]), max_size=60), st.integers(1, 6))
def test_nothing_that_one_caller_does_opens_for_all(deeds: list[str], threshold: int) -> None:
    """Whatever others succeed at in between."""
    rule = ConsecutiveOrRate(threshold, failure_rate=0.1, min_requests=4, window=60, several_callers=True)
    for deed in deeds:
        match deed:
            case "failed":
                assert rule.failed(0, "hostile") is None
            case "abandoned":
                assert rule.abandoned(0, "hostile") is None
            case "answered":
                rule.answered()
            case _:
                rule.succeeded(0, "honest")


def test_abandoned_attempts_count_until_an_answer_begins() -> None:
    rule = ConsecutiveOrRate(3, failure_rate=1, min_requests=100, window=60)
    assert rule.abandoned(0) is None
    assert rule.abandoned(0) is None
    rule.answered()
    assert rule.abandoned(0) is None
    assert rule.abandoned(0) is None
    assert rule.abandoned(0) == "abandoned"


def test_abandoned_attempts_and_failures_add_up_but_an_answer_takes_back_only_the_former() -> None:
    rule = ConsecutiveOrRate(3, failure_rate=1, min_requests=100, window=60)
    rule.failed(0)
    rule.abandoned(0)
    rule.answered()
    assert rule.failed(0) is None
    assert rule.failed(0) == "consecutive_failures"


def test_overflows_of_one_caller_open_nothing_for_all() -> None:
    rule = FailureWindow(3, 60, several_callers=True)
    assert not any(rule.failed(now, "a") for now in range(50))
    assert rule.failed(50, "b") == "failures_in_window"


def test_overflows_of_others_count_within_the_window_only() -> None:
    rule = FailureWindow(3, 60, several_callers=True)
    rule.failed(0, "b")
    assert not any(rule.failed(now, "a") for now in range(61, 70))


def test_overflows_among_many_streams_that_went_well_open_nothing() -> None:
    rule = FailureWindow(threshold=5, window=60)
    for _ in range(2):
        rule.succeeded(0)
    assert not any(rule.failed(second) for second in range(5))
    assert rule.failed(5) == "failures_in_window"


def test_streams_that_went_well_long_ago_speak_for_nobody() -> None:
    rule = FailureWindow(threshold=3, window=60)
    for _ in range(100):
        rule.succeeded(0)
    assert [rule.failed(90 + second) for second in range(3)] == [None, None, "failures_in_window"]
