"""How fast those who wait are served, and when nothing can be said of it."""

import pytest

from app.admission.service_rate import ServiceRate


def _served(count: int, every: float, at_once: int = 0) -> tuple[ServiceRate, float]:
    rate, now = ServiceRate(at_once), 100.0
    rate.waits(now)
    for _ in range(count):
        now += every
        rate.served(now)
    return rate, now


def test_few_say_nothing_of_what_could_be() -> None:
    rate, now = _served(15, 0.1)
    assert rate.per_second(now) == pytest.approx(10)
    assert rate.at_most(now) is None


def test_each_slot_has_to_have_had_a_turn() -> None:
    assert _served(40, 0.1, at_once=50)[0].at_most(200.0) is None
    assert _served(50, 0.1, at_once=50)[0].at_most(200.0) is not None


def test_what_could_be_is_more_than_what_was() -> None:
    few, now = _served(16, 0.1)
    assert few.at_most(now) == pytest.approx(17.5)
    many, now = _served(1000, 0.1)
    assert many.at_most(now) == pytest.approx(15)


def test_only_the_latest_count() -> None:
    rate, now = _served(64, 1.0)
    for _ in range(64):
        now += 0.01
        rate.served(now)
    assert rate.per_second(now) == pytest.approx(100)


def test_a_standstill_lowers_it() -> None:
    rate, now = _served(20, 0.1)
    assert rate.per_second(now + 8) == pytest.approx(2)


def test_a_pause_in_which_nobody_waited_says_nothing() -> None:
    rate, now = _served(20, 0.1)
    rate.waits(now + 50)
    assert rate.per_second(now + 50) is None
    assert rate.at_most(now + 51) is None
