"""Which deployment is tried next: pure. Given what was tried and how it failed, out comes a move.

Order: deployments not yet tried, the lowest `order` first, weighted among equals; then those that failed in a way that
may pass, after a wait. One that said no to what the caller sent ends it: no other would say yes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from app.errors import BackendError, UpstreamRejected
from app.messages import Operation
from app.settings import Deployment, RouterSettings

_FIRST_BACKOFF = 0.25
_LONGEST_BACKOFF = 8.0


@dataclass(frozen=True)
class Failure:
    """An attempt that came to nothing before its first chunk."""

    deployment: Deployment
    error: BackendError


@dataclass(frozen=True)
class Try:
    deployment: Deployment
    wait: float = 0.0
    """Seconds to wait before."""


@dataclass(frozen=True)
class Exhausted:
    """No attempt on this model makes sense any more; another model may be asked."""


@dataclass(frozen=True)
class Refuse:
    """The caller's own fault: nobody else is asked."""

    error: BackendError


Move = Try | Exhausted | Refuse


def next_move(
    pool: Sequence[Deployment],
    failures: Sequence[Failure],
    is_open: Callable[[Deployment], bool],
    settings: RouterSettings,
    draw: Callable[[], float],
) -> Move:
    """`draw` gives numbers in 0..1, for weights and jitter; `is_open` says whether a breaker keeps a deployment out."""
    if failures and isinstance(failures[-1].error, UpstreamRejected):
        return Refuse(failures[-1].error)
    if len(failures) > settings.num_retries:
        return Exhausted()
    tried = [failure.deployment.id for failure in failures]
    if fresh := [one for one in pool if one.id not in tried and not is_open(one)]:
        return Try(_choose(fresh, draw()))
    again = {
        one.id: wait for one in pool if not is_open(one) and (wait := _wait_for(one, failures, settings)) is not None
    }
    if not again:
        return Exhausted()
    chosen = _choose([one for one in pool if one.id in again], draw())
    return Try(chosen, max(again[chosen.id], _backoff(len(failures), draw())))


def counts_against(error: BackendError) -> bool:
    """Whether an error says that the deployment is unwell. A caller's fault does not, nor does a full quota: that one
    answers promptly and says when to come back."""
    if isinstance(error, UpstreamRejected):
        return False
    return getattr(error, "upstream_status", None) not in (409, 429)


def able(pool: Sequence[Deployment], operation: Operation) -> Sequence[Deployment]:
    """Those that could do it at all: Anthropic has no embeddings and no completions, nor has a model that is served by
    the Responses API alone."""
    match operation:
        case "chat":
            return pool
        case "text_completion":
            return [one for one in pool if one.backend != "anthropic" and one.responses != "only"]
        case "embeddings":
            return [one for one in pool if one.provider != "anthropic" and one.responses != "only"]


def by_model(deployments: Sequence[Deployment]) -> Mapping[str, tuple[Deployment, ...]]:
    pools: dict[str, list[Deployment]] = {}
    for deployment in deployments:
        pools.setdefault(deployment.model_name, []).append(deployment)
    return {name: tuple(pool) for name, pool in pools.items()}


def _choose(candidates: Sequence[Deployment], draw: float) -> Deployment:
    """Weighted, among those of the lowest order."""
    if len(candidates) == 1:
        return candidates[0]
    lowest = min(one.order for one in candidates)
    equals = [one for one in candidates if one.order == lowest]
    point = draw * sum(max(one.weight, 0.0) for one in equals)
    for one in equals:
        point -= max(one.weight, 0.0)
        if point < 0:
            return one
    return equals[-1]


def _wait_for(deployment: Deployment, failures: Sequence[Failure], settings: RouterSettings) -> float | None:
    """The provider's `retry-after`, 0 without one; None if it is not to be tried again."""
    last = next(failure.error for failure in reversed(failures) if failure.deployment.id == deployment.id)
    wait = last.retry_after or 0.0
    return wait if last.retryable and wait <= settings.max_retry_after else None


def _backoff(failures: int, draw: float) -> float:
    """Doubling, with the upper half left to chance, so that callers who failed together do not come back together."""
    longest = min(_LONGEST_BACKOFF, _FIRST_BACKOFF * 2.0 ** (failures - 1))
    return longest * (0.5 + draw / 2)
