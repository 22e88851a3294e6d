"""A breaker per deployment, made at the first attempt on it.

Whoever's request changes a breaker's state has the change told to its telemetry (`Transitions`).
"""

import time
from collections.abc import Callable, Iterable

from app.backends.deployments import counts_against
from app.errors import BackendError
from app.pipeline.breaker import BreakerState, CircuitBreaker, ConsecutiveOrRate, Denied, Permit
from app.pipeline.transitions import Transitions
from app.settings import Deployment, UpstreamBreakerSettings
from telemetry.context import ObservabilityContext


class UpstreamBreakers:
    def __init__(self, settings: UpstreamBreakerSettings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._breakers: dict[str, CircuitBreaker] = {}
        self._transitions = Transitions()

    @property
    def states(self) -> dict[str, BreakerState]:
        """Of the deployments that were ever tried, by id."""
        return {name: breaker.state for name, breaker in self._breakers.items()}

    def state(self, deployment: Deployment) -> BreakerState:
        breaker = self._breakers.get(deployment.id)
        return breaker.state if breaker else BreakerState.CLOSED

    def keeps_out(self, deployment: Deployment) -> bool:
        """Asking makes no breaker and takes no permit."""
        breaker = self._breakers.get(deployment.id)
        return breaker is not None and not breaker.would_allow(self._clock())

    def allow(self, deployment: Deployment, obs: ObservabilityContext) -> Permit | Denied:
        answer = self._of(deployment).allow(self._clock())
        self._transitions.tell(obs)
        return answer

    def settle(
        self, deployment: Deployment, permit: Permit, error: BaseException | None, obs: ObservabilityContext
    ) -> None:
        """How an attempt ended. What is nobody's fault but the caller's, or nobody's at all, gives the permit back."""
        breaker, now = self._of(deployment), self._clock()
        if error is None:
            breaker.succeeded(permit, now)
        elif isinstance(error, BackendError) and counts_against(error):
            breaker.failed(permit, now)
        else:
            breaker.release(permit)
        self._transitions.tell(obs)

    def retry_after(self, deployments: Iterable[Deployment]) -> float:
        """Seconds until the first of them may be tried again."""
        now = self._clock()
        # Only those that refuse are asked: a permit given here would never be used.
        shut = [self._breakers[one.id] for one in deployments if self.keeps_out(one)]
        answers = [breaker.allow(now) for breaker in shut]
        return min((answer.retry_after for answer in answers if isinstance(answer, Denied)), default=1.0)

    def _of(self, deployment: Deployment) -> CircuitBreaker:
        if (breaker := self._breakers.get(deployment.id)) is None:
            said = self._settings
            trip = ConsecutiveOrRate(said.threshold, said.failure_rate, said.min_requests, said.window)
            breaker = CircuitBreaker(deployment.id, trip, said.cooldown, self._transitions.note)
            self._breakers[deployment.id] = breaker
        return breaker
