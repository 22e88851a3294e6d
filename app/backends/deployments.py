"""Which deployment is tried next, and how many retries there may be: pure, given what was tried and how it failed.

Order: deployments not yet tried, the lowest `order` first, then the lowest rank, weighted among equals; then those that
failed in a way that may pass, after a wait. A deployment that rejected what the caller sent ends the search: no other
would accept it. One that has said when to come back is asked last until then.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from itertools import filterfalse
from math import inf
from types import MappingProxyType

from msgspec import Struct

from app.errors import BackendError, ModelMissing, UpstreamRejected
from app.messages import Operation
from app.providers import serves
from app.settings import Deployment, RetryBudgetSettings, RouterSettings

_FIRST_BACKOFF = 0.25
_LONGEST_BACKOFF = 8.0
_NO_RANKS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Failure:
    """An attempt that came to nothing before its first chunk."""

    deployment: Deployment
    error: BackendError


class Try(Struct, frozen=True):
    """Ask this deployment."""

    deployment: Deployment
    wait: float = 0.0
    """Seconds to wait before it is asked."""
    again: bool = False
    """Whether this request has asked it before."""
    equals: tuple[Deployment, ...] = ()
    """Deployments that would do as well, with this one, where all are busy: the first with room is to be asked."""


@dataclass(frozen=True)
class Exhausted:
    """No attempt on this model makes sense any more; another model may be asked."""


@dataclass(frozen=True)
class Refuse:
    """The failure is the caller's own fault: nobody else is asked."""

    error: BackendError


Move = Try | Exhausted | Refuse


def next_move(
    pool: Sequence[Deployment],
    failures: Sequence[Failure],
    is_open: Callable[[Deployment], bool],
    settings: RouterSettings,
    draw: Callable[[], float],
    spent: int = 0,
    resting: Sequence[str] = (),
    busy: Container[str] = (),
    ranks: Mapping[str, float] = _NO_RANKS,
) -> Move:
    """What to do next for a request. `draw` gives numbers in 0..1, for weights and jitter; `is_open` tells whether a
    breaker keeps a deployment out, and is asked once for each: the result may be another one a moment later. The first
    attempt is no retry, and `spent` retries were made on other models. Deployments whose ids are in `resting` have
    asked others to wait, and come after those that have not; those in `busy` have as much to do as they may, and come
    after others of the same order. Among these the lowest of `ranks` comes first; one without a rank has 0."""
    if failures and isinstance(failures[-1].error, UpstreamRejected):
        return Refuse(failures[-1].error)
    # A deployment that lacks the model has done nothing: to ask the next one is no retry.
    counted = sum([not isinstance(failure.error, ModelMissing) for failure in failures]) if failures else 0
    if counted and counted > settings.num_retries - spent:
        return Exhausted()
    candidates = list(filterfalse(is_open, pool))
    tried = {failure.deployment.id: failure.error for failure in failures} if failures else {}
    if fresh := [one for one in candidates if one.id not in tried] if tried else candidates:
        rested = ([one for one in fresh if one.id not in resting] or fresh) if resting else fresh
        if len(rested) == 1:
            return Try(rested[0])
        chosen = _choose(rested, draw(), busy, ranks)
        return Try(chosen, equals=tuple(_of_lowest_order(rested)) if chosen.id in busy else ())
    waits = {one.id: tried[one.id].retry_after or 0.0 for one in candidates if tried[one.id].retryable}
    again = [one for one in candidates if waits.get(one.id, inf) <= settings.max_retry_after]
    if not again:
        return Exhausted()
    chosen = _choose(again, draw(), busy, ranks)
    return Try(chosen, max(waits[chosen.id], _backoff(len(failures), draw())), again=True)


class RetryBudget:
    """How many retries one model may have under way: a share of the requests that wait for its response, and always a
    few.

    When a provider fails for everybody, retries of everybody would multiply its load just then. Only asking a
    deployment again counts: another deployment that has not been asked yet is not burdened by the failure of the first.
    """

    def __init__(self) -> None:
        self.requests = 0
        """Requests that wait for their response."""
        self.retries = 0
        """Retries under way, each from its wait up to its response."""

    def allows(self, settings: RetryBudgetSettings) -> bool:
        """Whether one more retry may begin."""
        return self.retries < max(settings.min_concurrent, int(settings.share * self.requests))


def able(pool: Sequence[Deployment], operation: Operation) -> Sequence[Deployment]:
    """The deployments that can do the operation: neither those of a provider that has no such thing, nor those that are
    served by the Responses API alone."""
    if operation == "chat":
        return pool
    return [one for one in pool if one.responses != "only" and serves(one.backend, one.provider, operation)]


def by_model(deployments: Sequence[Deployment]) -> Mapping[str, tuple[Deployment, ...]]:
    """The pool of each model name, in the order of the configuration."""
    pools: dict[str, list[Deployment]] = {}
    for deployment in deployments:
        pools.setdefault(deployment.model_name, []).append(deployment)
    return {name: tuple(pool) for name, pool in pools.items()}


def _of_lowest_order(candidates: Sequence[Deployment]) -> list[Deployment]:
    lowest = min(one.order for one in candidates)
    return [one for one in candidates if one.order == lowest]


def _choose(
    candidates: Sequence[Deployment], draw: float, busy: Container[str], ranks: Mapping[str, float]
) -> Deployment:
    """One of the lowest order which is not busy if there is one, and of the lowest rank among those, by weight; `draw`
    is in 0..1."""
    if len(candidates) == 1:
        return candidates[0]
    equals = _of_lowest_order(candidates)
    equals = [one for one in equals if one.id not in busy] or equals
    if ranks:
        first = min(ranks.get(one.id, 0.0) for one in equals)
        equals = [one for one in equals if ranks.get(one.id, 0.0) == first]
    point = draw * sum(max(one.weight, 0.0) for one in equals)
    for one in equals:
        point -= max(one.weight, 0.0)
        if point < 0:
            return one
    return equals[-1]


def _backoff(failures: int, draw: float) -> float:
    """Seconds to wait after so many failures: doubling, with the upper half left to chance, so that callers who failed
    together do not come back together."""
    longest = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0 ** (failures - 1))
    return longest * (0.5 + draw / 2)
