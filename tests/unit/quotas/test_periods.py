from datetime import UTC, datetime

import pytest

from app.quotas.periods import Jump, Period, bounds_of, rolled
from telemetry.names import QuotaLimit

HOUR, DAY = 3_600.0, 86_400.0


def _unix(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("limit", "began", "ends"),
    [
        ("budget_hour", "2028-02-29T23:00", "2028-03-01T00:00"),
        ("budget_day", "2028-02-29", "2028-03-01"),
        ("budget_month", "2028-02-01", "2028-03-01"),
    ],
)
def test_periods_are_those_of_the_calendar_in_utc(limit: QuotaLimit, began: str, ends: str) -> None:
    assert bounds_of(limit, _unix("2028-02-29T23:59:59")) == (_unix(began), _unix(ends))
    assert bounds_of("budget_month", _unix("2027-12-31T12:00"))[1] == _unix("2028-01-01")


def _at(period: Period, time: float, jump: Jump = Jump()) -> Period:  # noqa: B008
    return rolled(period, "budget_day", time, jump)


def _spent(period: Period, usd: float) -> Period:
    return Period(
        period.began,
        period.ends,
        period.latest,
        period.before_began,
        period.before_used,
        period.used + usd,
        period.notified,
        period.jumps,
    )


def test_a_day_ends_with_the_time_and_begins_with_nothing() -> None:
    day = _spent(_at(Period(), 10 * DAY + HOUR), 5)

    assert _at(day, 11 * DAY - 1).used == 5
    assert _at(day, 11 * DAY).used == 0


def test_a_jump_ahead_and_back_again_has_forgotten_nothing() -> None:
    day = _spent(_at(Period(), 10 * DAY), 5)

    ahead = _spent(_at(day, 20 * DAY + 1, Jump(1, 10 * DAY + 100, 20 * DAY)), 3)
    assert ahead.used == 3
    back = _at(ahead, 10 * DAY + 1_000, Jump(2, 20 * DAY + 900, 10 * DAY + 1_000))
    assert (back.used, back.began) == (8, 10 * DAY)
    assert _at(back, 11 * DAY, Jump(2, 20 * DAY + 900, 10 * DAY + 1_000)).used == 0


def test_a_jump_back_and_ahead_again_frees_nothing() -> None:
    day = _spent(_at(Period(), 10 * DAY), 5)

    back = _spent(_at(day, 8 * DAY + 1, Jump(1, 10 * DAY + 100, 8 * DAY)), 3)
    assert back.used == 8
    again = _at(back, 10 * DAY + 2_000, Jump(2, 8 * DAY + 900, 10 * DAY + 1_000))
    assert again.used == 8
    assert _at(again, 11 * DAY, Jump(2, 8 * DAY + 900, 10 * DAY + 1_000)).used == 0


def test_after_a_jump_back_that_stays_the_next_day_begins_anew() -> None:
    day = _spent(_at(Period(), 10 * DAY), 5)
    jump = Jump(1, 10 * DAY + 100, 8 * DAY)

    assert _at(_at(day, 8 * DAY + 1, jump), 9 * DAY, jump).used == 0


def test_what_was_not_touched_since_before_a_jump_ended_first() -> None:
    day = _spent(_at(Period(), 10 * DAY), 5)

    assert _at(day, 15 * DAY, Jump(1, 20 * DAY, 15 * DAY - 10)).used == 0
