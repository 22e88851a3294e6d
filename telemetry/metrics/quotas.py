"""The metrics of limits and budgets: how much is used, who is turned away, and how well what is used is kept."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Literal, NamedTuple

from prometheus_client import CollectorRegistry, Counter, Gauge

from telemetry.metrics.instruments import counter, gauge
from telemetry.names import QuotaLimit, QuotaScope
from telemetry.names import metrics as names

EAGER_HOLDERS = 1024
"""Counters of refusals up to which they exist from the start; with more, each is made at its first refusal."""
QuotaMode = Literal["hard", "warn"]


class QuotaFigure(NamedTuple):
    """How much of a limit is used and reserved now, in its unit."""

    scope: QuotaScope
    holder: str
    limit: QuotaLimit
    mode: QuotaMode
    most: float
    used: float
    reserved: float


class QuotaState(NamedTuple):
    """How well it is kept what is used. `age` is in seconds; None where nothing outlives the process. `losses` are
    those since the start; `is_local`: this process counts by itself, as the store cannot be reached."""

    age: float | None = None
    losses: int = 0
    is_local: bool = False


class LimitedKey(NamedTuple):
    """A limit that may turn requests of a key away: its own, or its team's."""

    key: str
    team: str | None
    scope: QuotaScope
    holder: str
    """Whose limit it is: the name of the key or of the team."""
    limit: QuotaLimit


class BudgetWarning(NamedTuple):
    """From how many US dollars on a budget is warned of."""

    scope: QuotaScope
    holder: str
    limit: QuotaLimit
    mode: QuotaMode
    usd: float


class QuotaMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._ratio = gauge(names.QUOTA_RATIO, registry)
        self._budget_limit = gauge(names.BUDGET_LIMIT, registry)
        self._budget_used = gauge(names.BUDGET_USED, registry)
        self._budget_reserved = gauge(names.BUDGET_RESERVED, registry)
        self._budget_warning = gauge(names.BUDGET_WARNING, registry)
        self._rejections = counter(names.QUOTA_REJECTIONS, registry)
        self._age = gauge(names.QUOTA_STATE_AGE, registry)
        self._losses = counter(names.QUOTA_STATE_LOSSES, registry)
        self._local = gauge(names.QUOTA_STATE_LOCAL, registry)
        self._state = QuotaState()
        self._refused: dict[LimitedKey, Counter] = {}
        self._gauges_of: dict[tuple[str, ...], tuple[Gauge, ...]] = {}
        self._warned: list[tuple[str, ...]] = []

    def register(self, limited: Iterable[LimitedKey], warnings: Iterable[BudgetWarning]) -> None:
        """Have the counters of refusals stand at zero, unless they are too many, and show when budgets are warned of.
        What was shown of limits before is forgotten, as some may be gone."""
        every = set(limited)
        if len(every) <= EAGER_HOLDERS:
            for key in every:
                self._counter(key)
        self._forget()
        for scope, holder, limit, mode, usd in warnings:
            labels = (scope, holder, limit, mode)
            self._warned.append(labels)
            self._budget_warning.labels(*labels).set(usd)

    def refused(self, one: LimitedKey) -> None:
        """Count a request that was turned away."""
        self._counter(one).inc()

    def show(self, figures: Iterable[QuotaFigure]) -> None:
        """Show how much is used. Of several keys without a name, which are one in telemetry, the fullest counts."""
        seen: dict[tuple[str, ...], float] = {}
        for scope, holder, limit, mode, most, used, reserved in figures:
            labels = (scope, holder, limit, mode)
            ratio = (used + reserved) / most
            if ratio <= seen.get(labels, -1.0):
                continue
            seen[labels] = ratio
            gauges = self._gauges_of.get(labels)
            if gauges is None:
                gauges = self._gauges_of[labels] = self._gauges(labels)
            for one, value in zip(gauges, (ratio, used, reserved, most), strict=False):
                one.set(value)

    def show_state(self, state: QuotaState) -> None:
        """Show how well it is kept what is used."""
        if state.age is not None:
            self._age.set(state.age)
        self._losses.inc(max(0, state.losses - self._state.losses))
        self._local.set(state.is_local)
        self._state = state

    def _forget(self) -> None:
        for labels in self._gauges_of:
            for one in (self._ratio, self._budget_used, self._budget_reserved, self._budget_limit):
                with suppress(KeyError):
                    one.remove(*labels)
        for labels in self._warned:
            with suppress(KeyError):
                self._budget_warning.remove(*labels)
        self._gauges_of, self._warned = {}, []

    def _gauges(self, labels: tuple[str, ...]) -> tuple[Gauge, ...]:
        ratio = self._ratio.labels(*labels)
        if not labels[2].startswith("budget_"):
            return (ratio,)
        budget = (self._budget_used, self._budget_reserved, self._budget_limit)
        return ratio, *(one.labels(*labels) for one in budget)

    def _counter(self, one: LimitedKey) -> Counter:
        found = self._refused.get(one)
        if found is None:
            found = self._refused[one] = self._rejections.labels(
                one.key, one.team or "", one.scope, one.holder, one.limit
            )
        return found
