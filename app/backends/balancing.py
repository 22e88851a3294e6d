"""By what one of several deployments is chosen beside its weight: how busy, how fast and how dear it is. Pure.

A strategy gives each deployment a rank, by readings of this process. The lowest rank among the deployments of the
lowest order is asked; those of the same rank share the requests by their weights.
"""

from collections import OrderedDict
from collections.abc import Container, Mapping, Sequence
from math import exp, inf

from app.prices import Cost
from app.settings import Deployment, RoutingStrategy

_MEMORY = 30.0
"""Seconds after which an average has forgotten two thirds of what it was."""
_LEAST_SHARE = 0.1
"""The share of the latest time in an average, however close they come."""
_STALE = 120.0
"""Seconds after which an average says nothing any more, so that a deployment that was slow is tried again."""
_ALIKE = 1.1
"""Deployments whose average is up to so many times the shortest one count as equally fast."""
_KEPT = 4096
"""Averages; with wildcards their models are callers' choice."""
FASTEST, UNTRIED, UNKNOWN = 0.0, -1.0, inf


class FirstTokenTimes:
    """Moving averages of the seconds from the beginning of an attempt to the first piece of a streamed answer, by
    deployment and model. `now` is a monotonic clock's."""

    def __init__(self) -> None:
        self._averages: OrderedDict[tuple[str, str], tuple[float, float]] = OrderedDict()
        """The average of each deployment and model with the time of its last change, the oldest change first."""

    def add(self, deployment: Deployment, seconds: float, now: float) -> None:
        """An answer took so long to begin, or was waited for so long in vain."""
        key = deployment.id, deployment.model
        if (known := self._current(key, now)) is not None:
            share = max(_LEAST_SHARE, 1 - exp((self._averages[key][1] - now) / _MEMORY))
            seconds = known + share * (seconds - known)
        self._averages[key] = seconds, now
        self._averages.move_to_end(key)
        if len(self._averages) > _KEPT:
            self._averages.popitem(last=False)

    def average(self, deployment: Deployment, now: float) -> float | None:
        """The average; None where nothing is known, or nothing recent."""
        return self._current((deployment.id, deployment.model), now)

    def keep(self, stays: Container[str]) -> None:
        """Forget deployments other than those of these ids."""
        for key in [key for key in self._averages if key[0] not in stays]:
            del self._averages[key]

    def _current(self, key: tuple[str, str], now: float) -> float | None:
        average, at = self._averages.get(key, (0.0, -inf))
        return average if now - at <= _STALE else None


def ranks_of(
    strategy: RoutingStrategy,
    pool: Sequence[Deployment],
    in_flight: Mapping[str, int],
    times: FirstTokenTimes,
    now: float,
) -> dict[str, float]:
    """The rank of each deployment by its id; none where weights alone count. `in_flight`: attempts under way, by the id
    of the deployment."""
    match strategy:
        case "least_busy":
            return {one.id: in_flight.get(one.id, 0) for one in pool}
        case "fastest_first_token":
            return _by_speed(pool, in_flight, times, now)
        case "cheapest":
            return {one.id: price_of(one.cost) for one in pool}
        case "weighted":
            return {}


def price_of(cost: Cost | None) -> float:
    """US dollars of a token of a prompt and one of an answer, with what a request costs besides; infinite where nobody
    knows."""
    if cost is None:
        return inf
    rates = cost.brackets[0].rates
    return rates.input + rates.output + cost.per_request


def _by_speed(
    pool: Sequence[Deployment], in_flight: Mapping[str, int], times: FirstTokenTimes, now: float
) -> dict[str, float]:
    """One of which nothing is known is tried first, by one request at a time."""
    averages = {one.id: times.average(one, now) for one in pool}
    shortest = min((seconds for seconds in averages.values() if seconds is not None), default=0.0)
    return {
        id: (UNKNOWN if in_flight.get(id) else UNTRIED) if seconds is None else _speed(seconds, shortest)
        for id, seconds in averages.items()
    }


def _speed(seconds: float, shortest: float) -> float:
    return FASTEST if seconds <= shortest * _ALIKE else seconds
