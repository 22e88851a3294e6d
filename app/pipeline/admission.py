"""Whether a new stream may enter the pipeline: asks the queues' breakers (`app.breakers.queues`), and tells them how it
ended.

A stream that is let in as a probe has passed when it ends without an overflow, or has gone on for a cooldown without
one.
"""

import asyncio
from collections.abc import Callable, Collection
from time import monotonic

from app.breakers.queues import QueueBreakers, StreamDenied, StreamPermit
from app.breakers.reporting import report
from app.errors import BreakerOpen
from app.settings import QueueBreakerSettings
from telemetry import ObservabilityContext
from telemetry.names import BreakerState


class AdmissionControl:
    """Lets streams in or turns them away. `by_caller`: each caller, known by its key, has breakers of its own, too."""

    def __init__(
        self,
        settings: QueueBreakerSettings,
        clock: Callable[[], float] = monotonic,
        by_caller: bool = False,
        breakers: QueueBreakers | None = None,
    ) -> None:
        """`breakers` take the place of those that would be made of the settings."""
        self.breakers = breakers or QueueBreakers(settings, by_caller)
        self._cooldown = settings.cooldown
        self._clock = clock

    def use(self, settings: QueueBreakerSettings, by_caller: bool) -> None:
        """Go by these settings from now on; breakers keep their states."""
        self.breakers.use(settings, by_caller)
        self._cooldown = settings.cooldown

    def states(self) -> dict[str, BreakerState]:
        """The state of each queue's breaker now, by its name."""
        return self.breakers.states(self._clock())

    def admit(self, obs: ObservabilityContext, caller: str = "") -> "Admission":
        """Let one stream in. Raises BreakerOpen, with every permit given back, where a breaker turns it away."""
        answer, changes = self.breakers.allow(self._clock(), caller)
        if changes:
            report(changes, obs)
        if isinstance(answer, StreamDenied):
            raise _denied(answer, obs)
        return Admission(self, answer, obs, self._cooldown)

    def record(self, permit: StreamPermit, overflowed: Collection[str], obs: ObservabilityContext) -> None:
        """Tell the breakers, and telemetry of what that changed."""
        if changes := self.breakers.record(permit, self._clock(), overflowed):
            report(changes, obs)


def _denied(answer: StreamDenied, obs: ObservabilityContext) -> BreakerOpen:
    obs.breakers.rejected(answer.breaker, answer.reason)
    whose = "Your" if answer.reason == "caller" else "The gateway's"
    return BreakerOpen(
        f"{whose} streams are not being read fast enough; try again later.",
        detail=f"breaker {answer.breaker}: {answer.reason}",
        retry_after=answer.retry_after,
    )


class Admission:
    """One stream's leave to run, as a `with` block; the names of queues that overflowed go into `overflowed`."""

    def __init__(
        self, control: AdmissionControl, permit: StreamPermit, obs: ObservabilityContext, cooldown: float
    ) -> None:
        self.overflowed: list[str] = []
        self._control = control
        self._permit = permit
        self._obs = obs
        self._timer: asyncio.TimerHandle | None = None
        if permit.probe:
            self._timer = asyncio.get_running_loop().call_later(cooldown, self._pass)

    def __enter__(self) -> "Admission":
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._control.record(self._permit, self.overflowed, self._obs)

    def _pass(self) -> None:
        """The probe went well for long enough; how its stream ends now counts as any other's end does."""
        self._control.record(self._permit, (), self._obs)
        self._permit = self._permit.without_probes()
