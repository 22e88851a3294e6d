"""All breakers of a gateway by their names, for whoever operates it: what they are like, and to force or reset them.
Pure.

What an operator does concerns the breaker for all callers; a reset forgets those of single callers, too.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import inf

from msgspec import Struct

from app.breakers.breaker import BreakerReading
from app.breakers.callers import CallerBreakers, Changes
from app.breakers.deployments import DeploymentBreakers
from app.breakers.queues import QueueBreakers
from telemetry.names import BreakerState

_UNTRIED = BreakerReading(BreakerState.CLOSED, None, None, is_forced=False)


class UnknownBreaker(Exception):
    """There is no breaker of this name."""


class ListedBreaker(Struct, frozen=True):
    name: str
    reading: BreakerReading
    kept_out: int
    """Callers that are turned away alone."""


class BreakerPanel:
    """The breakers of queues and of `deployments`, which are named by their ids. `now` is in seconds of the clock that
    they go by."""

    def __init__(
        self, of_deployments: DeploymentBreakers, of_queues: QueueBreakers, deployments: Iterable[str]
    ) -> None:
        self._of_deployments = of_deployments
        self._of_queues = of_queues
        self._queues = frozenset(of_queues.names)
        self.names = dict.fromkeys((*of_queues.names, *deployments))
        """In the order in which they are listed."""

    def listed(self, now: float) -> list[ListedBreaker]:
        """Each breaker as it is now."""
        return [self._listed(name, now) for name in self.names]

    def one(self, name: str, now: float) -> ListedBreaker:
        """A breaker as it is now. Raises UnknownBreaker."""
        if name not in self.names:
            raise UnknownBreaker(name)
        return self._listed(name, now)

    def force_open(self, name: str, now: float, seconds: float | None = None) -> Changes:
        """Keep a breaker open for so long, or until `end_force` or `reset`. Raises UnknownBreaker."""
        with self._changing(name) as breakers:
            return breakers.shared.force_open(now, inf if seconds is None else now + seconds)

    def end_force(self, name: str, now: float) -> Changes:
        """Have a breaker that is forced open let probes through. Raises UnknownBreaker."""
        with self._changing(name) as breakers:
            return breakers.shared.end_force(now)

    def reset(self, name: str) -> Changes:
        """Close a breaker, and forget what was counted. Raises UnknownBreaker."""
        with self._changing(name) as breakers:
            return breakers.reset()

    @contextmanager
    def _changing(self, name: str) -> Iterator[CallerBreakers]:
        if name not in self.names:
            raise UnknownBreaker(name)
        kind = self._of_queues if name in self._queues else self._of_deployments
        breakers = kind.of(name)
        with kind.changing(breakers.shared):
            yield breakers

    def _listed(self, name: str, now: float) -> ListedBreaker:
        breakers = self._of_queues.of(name) if name in self._queues else self._of_deployments.tried(name)
        if breakers is None:
            return ListedBreaker(name, _UNTRIED, 0)
        return ListedBreaker(name, breakers.shared.reading(now), breakers.kept_out(now))
