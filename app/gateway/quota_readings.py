"""How much is used of limits and budgets, for metrics: of some callers at a time, so that no turn takes long."""

from collections.abc import Iterable, Iterator, Sequence

from app.quotas import LimitUsage, Quotas
from app.settings import Budget, Limits, Settings
from telemetry import BudgetWarning, LimitedKey, QuotaFigure, QuotaState, Telemetry
from telemetry.metrics.quotas import QuotaMode
from telemetry.names import UNNAMED_KEY, QuotaLimit, QuotaScope

_CALLERS = 100
"""How many callers are read of at a time."""
_BUDGETS: dict[str, QuotaLimit] = {"hour": "budget_hour", "day": "budget_day", "month": "budget_month"}


class QuotaReadings:
    """`read` goes round: each call gives what is used of the limits of the next callers."""

    def __init__(self, quotas: Quotas, settings: Settings, telemetry: Telemetry) -> None:
        self._quotas = quotas
        self._telemetry = telemetry
        self._callers = list(dict.fromkeys(key.caller for key in settings.keys))
        self._next = 0

    def read(self) -> tuple[Sequence[QuotaFigure], QuotaState]:
        """How much is used of some limits, and how well that is kept. Shares of budgets that were passed at some other
        time than the end of a request are told of, too."""
        callers = self._callers[self._next : self._next + _CALLERS]
        self._next = 0 if self._next + _CALLERS >= len(self._callers) else self._next + _CALLERS
        for one in self._quotas.take_crossed():
            self._telemetry.operations.budget_passed(one.scope, one.name, one.limit, one.share, one.used, one.most)
        figures = [_figure(usage) for caller in callers for usage in self._quotas.known_usage(caller)]
        state = self._quotas.state
        return figures, QuotaState(state.age, state.losses, state.is_local)


def _figure(usage: LimitUsage) -> QuotaFigure:
    mode: QuotaMode = "hard" if usage.is_hard else "warn"
    return QuotaFigure(usage.scope, usage.name, usage.limit, mode, usage.most, usage.used, usage.reserved)


def limited_keys(settings: Settings) -> Iterator[LimitedKey]:
    """Every limit that may turn requests of a key away, so that its counter stands at zero."""
    for key in settings.keys:
        team = settings.teams.get(key.team or "")
        name, may = key.name or UNNAMED_KEY, key.entitlement
        for limit in _limits(may.limits, may.budgets):
            yield LimitedKey(name, key.team, "key", name, limit)
        for limit in () if team is None else _limits(team.limits, team.budgets):
            yield LimitedKey(name, key.team, "team", key.team or "", limit)


def _limits(limits: Limits, budgets: Iterable[Budget]) -> Iterator[QuotaLimit]:
    given: dict[QuotaLimit, int | None] = {
        "requests_per_minute": limits.requests_per_minute,
        "tokens_per_minute": limits.tokens_per_minute,
        "streams": limits.streams,
        "request_tokens": limits.request_tokens,
        "request_bytes": limits.request_bytes,
    }
    yield from (limit for limit, most in given.items() if most is not None)
    yield from (_BUDGETS[one.per] for one in budgets if one.mode == "hard")


def budget_warnings(settings: Settings) -> Iterator[BudgetWarning]:
    """From what on each budget is warned of first; nothing of those that are never warned of."""
    for key in settings.keys:
        yield from _warnings("key", key.name or UNNAMED_KEY, key.entitlement.budgets)
    for name, team in settings.teams.items():
        yield from _warnings("team", name, team.budgets)


def _warnings(scope: QuotaScope, holder: str, budgets: Iterable[Budget]) -> Iterator[BudgetWarning]:
    for one in budgets:
        if one.warn_at:
            yield BudgetWarning(scope, holder, _BUDGETS[one.per], one.mode, min(one.warn_at) * one.usd)
