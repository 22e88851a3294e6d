"""Whether a new stream may enter the pipeline: one breaker per queue name, for the process.

An overflow ends its own stream and counts against its queue; past the threshold new streams are turned away until
a probe has passed: its stream ended without an overflow, or has gone on for a cooldown without one.
"""

import asyncio
from collections.abc import Callable, Collection
from time import monotonic

from app.errors import BreakerOpen
from app.pipeline.breaker import BreakerState, CircuitBreaker, Denied, FailureWindow, Permit
from app.pipeline.transitions import Transitions
from app.settings import QueueBreakerSettings
from telemetry.context import ObservabilityContext
from telemetry.names import QUEUES


class PipelineBreakers:
    def __init__(self, settings: QueueBreakerSettings, clock: Callable[[], float] = monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._transitions = Transitions()
        self._breakers = {name: self._breaker(name) for name in QUEUES}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(breaker.name for breaker in self._breakers.values())

    def admit(self, obs: ObservabilityContext) -> "Admission":
        """Raises BreakerOpen, with what was already granted given back."""
        permits: dict[str, Permit] = {}
        for name, breaker in self._breakers.items():
            answer = breaker.allow(self._clock())
            self._transitions.tell(obs)
            if isinstance(answer, Denied):
                for granted, permit in permits.items():
                    self._breakers[granted].release(permit)
                raise self._denied(breaker, answer, obs)
            permits[name] = answer
        return Admission(self, permits, self._settings.cooldown, obs)

    def settle(self, name: str, permit: Permit, overflowed: bool, obs: ObservabilityContext) -> None:
        if overflowed:
            self._breakers[name].failed(permit, self._clock())
        else:
            self._breakers[name].succeeded(permit, self._clock())
        self._transitions.tell(obs)

    def _breaker(self, queue: str) -> CircuitBreaker:
        settings = self._settings
        trip = FailureWindow(settings.threshold, settings.window)
        return CircuitBreaker(f"queue:{queue}", trip, settings.cooldown, self._transitions.note)

    def _denied(self, breaker: CircuitBreaker, answer: Denied, obs: ObservabilityContext) -> BreakerOpen:
        obs.breaker_rejected(breaker.name, "open" if breaker.state is BreakerState.OPEN else "probing")
        return BreakerOpen(
            "The gateway's streams are not being read fast enough; try again later.",
            detail=f"breaker {breaker.name} is {breaker.state.value}",
            retry_after=answer.retry_after,
        )


class Admission:
    """One stream's leave to run; `close` it once, with the queues that overflowed."""

    def __init__(
        self, breakers: PipelineBreakers, permits: dict[str, Permit], cooldown: float, obs: ObservabilityContext
    ) -> None:
        self._breakers = breakers
        self._permits = permits
        self._obs = obs
        self._timer: asyncio.TimerHandle | None = None
        if any(permit.probe for permit in permits.values()):
            self._timer = asyncio.get_running_loop().call_later(cooldown, self._pass)

    def close(self, overflowed: Collection[str]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for name, permit in self._permits.items():
            self._breakers.settle(name, permit, name in overflowed, self._obs)

    def _pass(self) -> None:
        """The probe went well for long enough; what becomes of its stream now counts as of any other."""
        for name, permit in self._permits.items():
            self._breakers.settle(name, permit, False, self._obs)
        self._permits = dict.fromkeys(self._permits, Permit(probe=False))
