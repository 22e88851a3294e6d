"""What the scripts are asked and what they reply, as the engine has it. Pure; `take.lua` says what each field means."""

from collections.abc import Sequence
from typing import Any

from msgspec import Struct
from msgspec.json import encode

from app.quotas.periods import Jump, bounds_of
from app.quotas.rules import Quota
from app.quotas.sections import ASK_AGAIN, TRIFLE, last_section_ends, wait_for_sections
from app.quotas.values import Crossed, Denial, LimitUsage, Remaining

_TTL_OPEN = 86_400
_TTL_MONTH = 63 * 86_400
"""Two months, so that a period is known that a jump of the clock may lead back into."""


class RedisTime(Struct, frozen=True):
    """The two times that all gateways of a Redis have in common, at the last tick of one of them."""

    even: float
    """The gateway's even clock when it had the reply."""
    server: float
    epoch: float
    steady_ahead: float
    calendar_ahead: float
    jump: Jump

    def steady(self, even: float) -> float:
        return self.server + even - self.even + self.steady_ahead

    def calendar(self, even: float) -> float:
        return self.server + even - self.even + self.calendar_ahead


class Change(Struct):
    """What is to change of one quota."""

    quota: Quota
    at: int | None = None
    """The section of a sliding window; None for that of now."""
    add: float = 0
    open: float = 0
    reserve: float = 0
    is_spent: bool = False
    """Whether a spent budget is a reason to deny, though nothing is asked of it yet."""

    def undone(self) -> "Change":
        """What gives back what it has taken; a request that was counted stays counted."""
        return Change(self.quota, self.at, add=-self.open, open=-self.open, reserve=-self.reserve)


class Reading(Struct, frozen=True):
    """How much of a quota is used."""

    used: float = 0
    """What is reserved of tokens is a part of it."""
    reserved: float = 0
    notified: float = 0
    """Up to how much was reported before."""
    denies: bool = False
    """Whether it is in the way of what was asked."""
    ends: float = 0
    """When a period of the calendar does, in Unix time."""
    sections: list[tuple[int, float]] = []
    """What is used in each, the earliest first; only after a denial, or where details were asked for."""


def request_of(
    changes: Sequence[Change],
    time: RedisTime,
    even: float,
    gateway: str,
    *,
    check: bool = False,
    detail: bool = False,
    number: int | None = None,
) -> str:
    """The argument of `take.lua`. With a `number`, a batch of changes is taken once, however often it is sent."""
    steady, calendar = time.steady(even), time.calendar(even)
    return encode(
        {
            "steady": steady,
            "calendar": calendar,
            "me": gateway,
            "check": check,
            "detail": detail,
            "seq": number,
            "jumps": time.jump.number,
            "jump_began": time.jump.began,
            "meters": [_meter(change, steady, calendar, time.jump) for change in changes],
        }
    ).decode()


def _meter(change: Change, steady: float, calendar: float, jump: Jump) -> dict[str, Any]:
    quota = change.quota
    most = quota.most
    common = {
        "most": None if most == float("inf") else most,
        "add": change.add,
        "open": change.open,
        "reserve": change.reserve,
        "is_spent": change.is_spent,
        "reports": quota.limit.startswith("budget"),
    }
    if quota.window is None:
        return common | {"ttl": _TTL_OPEN}
    if quota.window == "sliding":
        width, count = quota.sections
        now = {"section": int(steady // width), "sections": count + 1, "at": change.at}
        return common | now | {"ttl": int(2 * width * (count + 1)) + 1}
    periods = {
        "now": bounds_of(quota.limit, calendar),
        "jump_began": bounds_of(quota.limit, jump.began),
        "jump_ended": bounds_of(quota.limit, jump.ended),
    }
    return common | periods | {"ttl": _TTL_MONTH}


def readings_of(reply: Sequence[Any]) -> tuple[bool, list[Reading]]:
    """Whether it was denied, and the quotas in the order of the changes."""
    return reply[0] == "1", [_reading(*each) for each in reply[1:]]


def _reading(
    used: str, reserved: str, opened: str, notified: str, denies: str, began: str, ends: str, found: Sequence[str]
) -> Reading:
    sections = sorted(zip(map(int, found[::2]), map(float, found[1::2]), strict=True))
    return Reading(float(used), float(reserved) + float(opened), float(notified), denies == "1", float(ends), sections)


def denial_of(change: Change, reading: Reading, steady: float, calendar: float) -> Denial:
    """Why a change was denied."""
    quota = change.quota
    amount = 2 * TRIFLE if change.is_spent else change.add + change.reserve
    return Denial(
        quota.scope,
        quota.name,
        quota.limit,
        quota.most,
        _counted(quota, reading),
        _wait(quota, reading, amount, steady, calendar),
        _resets_at(quota, reading, steady, calendar),
    )


def _counted(quota: Quota, reading: Reading) -> float:
    """What is used or reserved: tokens that are reserved are among the used ones."""
    return reading.used + (0 if quota.limit == "tokens_per_minute" else reading.reserved)


def _wait(quota: Quota, reading: Reading, amount: float, steady: float, calendar: float) -> float | None:
    most = quota.most + TRIFLE
    if amount > most:
        return None
    if quota.window == "sliding":
        found = wait_for_sections(reading.sections, quota.sections, _counted(quota, reading) + amount - most)
        return ASK_AGAIN if found is None else max(found - steady, 0.0)
    if quota.window == "calendar" and reading.used + amount > most:
        return max(reading.ends - calendar, 0.0)
    return ASK_AGAIN


def _resets_at(quota: Quota, reading: Reading, steady: float, calendar: float) -> float | None:
    if quota.window is None:
        return None
    if quota.window == "calendar":
        return reading.ends
    if reading.used and not reading.sections:
        # It was read a moment ago, when something had just been used.
        width, count = quota.sections
        return calendar + width * (count + 1)
    return calendar + max(last_section_ends(reading.sections, quota.sections) - steady, 0.0)


def remaining_of(quota: Quota, reading: Reading, steady: float, calendar: float) -> Remaining:
    """What is left of requests or tokens in a minute."""
    resets_at = _resets_at(quota, reading, steady, calendar) or calendar
    left = max(quota.most - _counted(quota, reading), 0.0)
    return Remaining(quota.limit, quota.most, left, resets_at - calendar, resets_at)


def usage_of(quota: Quota, reading: Reading, steady: float, calendar: float) -> list[LimitUsage]:
    """How much is used, for each bound of a quota."""
    counted, reserved = _counted(quota, reading), reading.reserved
    if quota.window is None:
        reserved = 0.0
    resets_at = _resets_at(quota, reading, steady, calendar)
    return [
        LimitUsage(
            quota.scope,
            quota.name,
            quota.limit,
            quota.window,
            bound.is_hard,
            bound.most,
            counted - reserved,
            reserved,
            max(bound.most - counted, 0.0),
            resets_at,
        )
        for bound in quota.bounds
    ]


def crossed_of(quota: Quota, reading: Reading) -> list[Crossed]:
    """The shares of a budget that a change has passed."""
    used = reading.used + TRIFLE
    return [
        Crossed(
            quota.scope,
            quota.name,
            quota.limit,
            quota.window or "calendar",
            share,
            bound.most,
            reading.used,
            bound.is_hard,
        )
        for bound in quota.bounds
        for share in bound.shares
        if reading.notified < share * bound.most <= used
    ]
