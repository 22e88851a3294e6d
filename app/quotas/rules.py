"""The limits and budgets of all callers, as the engine counts them. Pure.

A quota is one number that is counted: for a key or a team, of one kind, in one time. Budgets of the same time are one
quota with several bounds, since what is spent is the same number; so a key may have a budget that warns and a higher
one that refuses.
"""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from app.quotas.values import Window
from app.settings import Budget, Limits, Settings
from telemetry.names import UNNAMED_KEY, QuotaLimit, QuotaScope

Sections = tuple[float, int]
"""Seconds of a section of time, and how many sections a window has."""
_MINUTE: Sections = (1.0, 60)
_SLIDING: dict[QuotaLimit, Sections] = {
    "budget_hour": (60.0, 60),
    "budget_day": (3600.0, 24),
    "budget_month": (86_400.0, 30),
}
_BUDGETS: dict[str, QuotaLimit] = {"hour": "budget_hour", "day": "budget_day", "month": "budget_month"}


class Bound(Struct, frozen=True):
    """Where a quota ends."""

    most: float
    is_hard: bool = True
    shares: tuple[float, ...] = ()
    """At whose passing it is reported, in ascending order; the whole is one of them for budgets."""


class Quota(Struct, frozen=True):
    """One number that is counted."""

    scope: QuotaScope
    name: str
    """The key's or the team's, as telemetry has it."""
    limit: QuotaLimit
    row: str
    """Under which it is kept; it stays when bounds change."""
    bounds: tuple[Bound, ...]
    window: Window | None = None

    @property
    def most(self) -> float:
        """Beyond what requests are refused; infinite where they are only reported."""
        return min((bound.most for bound in self.bounds if bound.is_hard), default=float("inf"))

    @property
    def sections(self) -> Sections:
        """How a sliding window is cut."""
        return _SLIDING.get(self.limit, _MINUTE)


class Account(Struct, frozen=True):
    """All quotas that a caller's requests count against: those of its key and those of its team."""

    quotas: tuple[Quota, ...]
    largest: tuple[Quota, ...] = ()
    """Bounds of a single request's tokens, of which nothing is counted."""


class Rules(Struct, frozen=True):
    """The accounts of all callers that have limits, by the caller's id."""

    accounts: dict[str, Account]

    @property
    def quotas(self) -> dict[str, Quota]:
        """Every quota by its row."""
        return {quota.row: quota for account in self.accounts.values() for quota in account.quotas}


def rules_of(settings: Settings) -> Rules:
    """What the keys and teams of a configuration may do, as far as it is counted."""
    teams = {
        name: list(_quotas("team", name, f"team:{name}", team.limits, team.budgets))
        for name, team in settings.teams.items()
    }
    accounts = {}
    for key in settings.keys:
        may = key.entitlement
        quotas = [
            *_quotas("key", key.name or UNNAMED_KEY, key.caller, may.limits, may.budgets),
            *teams.get(key.team or "", ()),
        ]
        if quotas:
            counted = tuple(quota for quota in quotas if quota.limit != "request_tokens")
            accounts[key.caller] = Account(counted, tuple(quota for quota in quotas if quota not in counted))
    return Rules(accounts)


def _quotas(scope: QuotaScope, name: str, owner: str, limits: Limits, budgets: Sequence[Budget]) -> Iterator[Quota]:
    plain: tuple[tuple[QuotaLimit, int | None, Window | None], ...] = (
        ("requests_per_minute", limits.requests_per_minute, "sliding"),
        ("streams", limits.streams, None),
        ("tokens_per_minute", limits.tokens_per_minute, "sliding"),
        ("request_tokens", limits.request_tokens, None),
    )
    for limit, most, window in plain:
        if most is not None:
            yield Quota(scope, name, limit, f"{owner}|{limit}", (Bound(most),), window)
    for (per, kind), same in _by_time(budgets).items():
        row = f"{owner}|{_BUDGETS[per]}|{kind}"
        yield Quota(scope, name, _BUDGETS[per], row, tuple(map(_bound, same)), kind)


def _by_time(budgets: Sequence[Budget]) -> dict[tuple[str, Window], list[Budget]]:
    found: dict[tuple[str, Window], list[Budget]] = {}
    for budget in budgets:
        found.setdefault((budget.per, budget.window), []).append(budget)
    return found


def _bound(budget: Budget) -> Bound:
    return Bound(budget.usd, budget.mode == "hard", tuple(sorted({*budget.warn_at, 1.0})))
