"""A limit that is in the way, in words and headers for the caller. Pure."""

from collections.abc import Iterator
from datetime import UTC, datetime
from math import ceil

from app.backends.ceilings import Ceiling
from app.errors import BudgetSpent, LimitReached, RateLimited, RequestTokensExceeded
from app.quotas import Denial, Remaining
from telemetry.names import UNNAMED_KEY, QuotaScope

_MINUTE = 60.0
"""Seconds from which on a time is told as a date."""
_BY_THE_MINUTE = frozenset({"requests_per_minute", "tokens_per_minute"})
_PERIODS = {"budget_hour": "an hour", "budget_day": "a day", "budget_month": "a month"}


def error_of(denial: Denial, now: float, ceiling: Ceiling | None = None) -> LimitReached:
    """The error for a request that a limit denies; `ceiling` is what it may come to, where that is known, and `now` the
    Unix time."""
    limit, most = denial.limit, denial.most
    if limit in _PERIODS:
        text = _of_budget(denial, now, ceiling)
        return BudgetSpent(text, scope=denial.scope, holder=denial.name, limit=limit, retry_after=denial.retry_after)
    if denial.retry_after is None and ceiling is not None:
        text = (
            f"The request may come to {ceiling.tokens:,} tokens, {ceiling.prompt:,} of its prompt and "
            f"{ceiling.most_answer:,} of its answer, and {whose(denial.scope, denial.name)} allows {most:,.0f}"
            f"{' for one request' if limit == 'request_tokens' else ' in a minute'} ({limit})."
        )
        return RequestTokensExceeded(
            text,
            scope=denial.scope,
            holder=denial.name,
            limit=limit,
            prompt=ceiling.prompt,
            most_answer=ceiling.most_answer,
            most=int(most),
        )
    text = f"{_of_rate(denial, ceiling)} ({limit}). {_again(denial, now)}"
    return RateLimited(text, scope=denial.scope, holder=denial.name, limit=limit, retry_after=denial.retry_after)


def whose(scope: QuotaScope, name: str) -> str:
    """The key or the team as a caller reads of it."""
    return "your key" if scope == "key" and name == UNNAMED_KEY else f"the {scope} `{name}`"


def allowances_of(denial: Denial, now: float) -> Iterator[Remaining]:
    """What is left of a limit by the minute that denies a request; nothing of other limits."""
    if denial.limit in _BY_THE_MINUTE and denial.resets_at is not None:
        left = max(0.0, denial.most - denial.used) if denial.limit == "tokens_per_minute" else 0.0
        yield Remaining(denial.limit, denial.most, left, denial.resets_at - now, denial.resets_at)


def _of_rate(denial: Denial, ceiling: Ceiling | None) -> str:
    who, most = whose(denial.scope, denial.name).capitalize(), f"{denial.most:,.0f}"
    match denial.limit:
        case "requests_per_minute":
            return f"{who} may make {most} requests in a minute, and has"
        case "streams":
            return f"{who} may have {most} requests open at a time, and has"
        case _:
            need = 0 if ceiling is None else ceiling.tokens
            return (
                f"{who} may use {most} tokens in a minute; {denial.used:,.0f} are used or reserved, and this request "
                f"may take {need:,}"
            )


def _of_budget(denial: Denial, now: float, ceiling: Ceiling | None) -> str:
    spent = f"{_usd(denial.used)} of it are spent or reserved"
    budget = f"The budget of {whose(denial.scope, denial.name)} is {_usd(denial.most)} for {_PERIODS[denial.limit]}"
    need = "" if ceiling is None else f", and this request may cost {_usd(ceiling.usd)}"
    return f"{budget}; {spent}{need} ({denial.limit}). {_again(denial, now)}"


def _again(denial: Denial, now: float) -> str:
    """When it makes sense to ask again."""
    wait = denial.retry_after
    if wait is None:
        return "It will not be let in: ask for less."
    if denial.limit == "streams":
        return "Try again when one of them has ended."
    if wait <= _MINUTE + 1:
        return f"Try again in {ceil(wait)} s."
    return f"Try again at {datetime.fromtimestamp(now + wait, UTC):%Y-%m-%dT%H:%M:%SZ}."


def _usd(dollars: float) -> str:
    """To the cent; small sums to what is not zero of them."""
    return f"{dollars:,.2f} USD" if dollars >= 0.1 or not dollars else f"{dollars:.2g} USD"
