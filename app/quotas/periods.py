"""Hours, days and months of the calendar, and what becomes of a budget when one ends or when the clock jumps. Pure.

A budget is begun anew when the time passes the end of its period, and never by a jump of the clock alone:

- A jump that leads back does not begin it anew. What is used stays used, in the period that it is now said to be; if
  that is the one before a jump that led forward, what was used then counts again as well.
- A jump that leads forward, into a period that never was, begins it anew, but remembers what was used before; into one
  that was already, it does not.
"""

from datetime import UTC, datetime
from functools import lru_cache

from msgspec import Struct
from msgspec.structs import replace

from telemetry.names import QuotaLimit

_LENGTHS: dict[QuotaLimit, float] = {"budget_hour": 3600.0, "budget_day": 86_400.0}


class Jump(Struct, frozen=True):
    """The last jump of the clock that was believed: from when to when, in Unix time, and how many there were."""

    number: float = 0
    began: float = 0
    ended: float = 0


class Period(Struct, frozen=True):
    """What is used of a budget in a period of the calendar."""

    began: float = 0
    ends: float = 0
    latest: float = 0
    """Where the latest period began that there was."""
    before_began: float = 0
    """Where the period began that a jump led out of, forward; 0 for none."""
    before_used: float = 0
    used: float = 0
    notified: float = 0
    """Up to how much has been reported."""
    jumps: float = 0
    """How many jumps of the clock have been looked at."""


@lru_cache(256)
def bounds_of(limit: QuotaLimit, time: float) -> tuple[float, float]:
    """When the hour, day or month in UTC began that a time lies in, and when it ends. Times are seconds since 1970."""
    if (length := _LENGTHS.get(limit)) is not None:
        began = time // length * length
        return began, began + length
    day = datetime.fromtimestamp(time, UTC)
    first = datetime(day.year, day.month, 1, tzinfo=UTC)
    next_first = datetime(day.year + day.month // 12, day.month % 12 + 1, 1, tzinfo=UTC)
    return first.timestamp(), next_first.timestamp()


def rolled(period: Period, limit: QuotaLimit, now: float, jump: Jump) -> Period:
    """The period as it is now, by the calendar's time and the last jump."""
    if period.jumps != jump.number:
        if period.ends:
            period = _after_jump(_after_time(period, limit, jump.began), limit, jump.ended)
        period = replace(period, jumps=jump.number)
    return _after_time(period, limit, now)


def _after_time(period: Period, limit: QuotaLimit, now: float) -> Period:
    if now < period.ends:
        return period
    began, ends = bounds_of(limit, now)
    return Period(began, ends, max(period.latest, began), jumps=period.jumps)


def _after_jump(period: Period, limit: QuotaLimit, now: float) -> Period:
    began, ends = bounds_of(limit, now)
    if began == period.began:
        return period
    if began > period.latest:
        return Period(began, ends, began, period.began, period.used)
    used = period.used + (period.before_used if began == period.before_began else 0)
    return replace(period, began=began, ends=ends, before_began=0, before_used=0, used=used)
