"""Whether a new stream may enter the pipeline: one breaker per queue name, for the process.

An overflow ends its own stream and counts against its queue; past the threshold new streams are turned away until
a probe has passed: its stream ended without an overflow, or has gone on for a cooldown without one.
"""

import asyncio
from collections.abc import Callable, Collection
from time import monotonic

from app.errors import BreakerOpen
from app.pipeline.breaker import BreakerState, CircuitBreaker, Denied, FailureWindow, Permit, Transition
from app.settings import QueueBreakerSettings

QUEUE_NAMES = ("policy_out", "sse")


class PipelineBreakers:
    def __init__(
        self,
        settings: QueueBreakerSettings,
        on_transition: Callable[[Transition], None],
        on_rejection: Callable[[str], None],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._cooldown = settings.cooldown
        self._on_rejection = on_rejection
        self._clock = clock
        self._breakers = {
            name: CircuitBreaker(
                f"queue:{name}",
                FailureWindow(settings.threshold, settings.window),
                settings.cooldown,
                on_transition,
            )
            for name in QUEUE_NAMES
        }

    @property
    def states(self) -> dict[str, BreakerState]:
        return {breaker.name: breaker.state for breaker in self._breakers.values()}

    def admit(self) -> "Admission":
        """Raises BreakerOpen, with what was already granted given back."""
        now = self._clock()
        permits: dict[str, Permit] = {}
        for name, breaker in self._breakers.items():
            answer = breaker.allow(now)
            if isinstance(answer, Denied):
                for granted, permit in permits.items():
                    self._breakers[granted].release(permit)
                self._on_rejection(breaker.name)
                raise BreakerOpen(
                    "The gateway's streams are not being read fast enough; try again later.",
                    detail=f"breaker {breaker.name} is {breaker.state}",
                    retry_after=answer.retry_after,
                )
            permits[name] = answer
        return Admission(self, permits, self._cooldown)

    def settle(self, name: str, permit: Permit, overflowed: bool) -> None:
        if overflowed:
            self._breakers[name].failed(permit, self._clock())
        else:
            self._breakers[name].succeeded(permit, self._clock())


class Admission:
    """One stream's leave to run; `close` it once, with the queues that overflowed."""

    def __init__(self, breakers: PipelineBreakers, permits: dict[str, Permit], cooldown: float) -> None:
        self._breakers = breakers
        self._permits = permits
        self._timer: asyncio.TimerHandle | None = None
        if any(permit.probe for permit in permits.values()):
            self._timer = asyncio.get_running_loop().call_later(cooldown, self._pass)

    def close(self, overflowed: Collection[str]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for name, permit in self._permits.items():
            self._breakers.settle(name, permit, name in overflowed)

    def _pass(self) -> None:
        """The probe went well for long enough; what becomes of its stream now counts as of any other."""
        for name, permit in self._permits.items():
            self._breakers.settle(name, permit, overflowed=False)
        self._permits = dict.fromkeys(self._permits, Permit(probe=False))
