"""A breaker per deployment, made at the first attempt on it, and before it one per caller whose requests fail there.
Pure.

What ends an attempt is the deployment's fault, its request's, this machine's or nobody's; only the first counts:

- The provider's failures count, by the rules of `app.breakers.trip_rules`. Those of one caller alone shut out that
  caller.
- A refusal of what the request brought (its body, its headers) and a full quota count for nothing, and neither does a
  `LocalFailure`.
- An attempt that was given up before its first chunk counts as long as it had been waited for longer than any of the
  latest responses took to begin, and until any response of the deployment begins.
- A response that is slow to begin counts beside that, however it ends, where the settings say what is slow; a whole one
  begins at its end.
"""

import asyncio
from collections import deque
from collections.abc import Collection, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Literal

from msgspec import Struct

from app.breakers.breaker import CircuitBreaker, Denied, Ends
from app.breakers.callers import NO_PROBE, CallerBreakers, CallerPermit, Changes
from app.breakers.trip_rules import ConsecutiveOrRate
from app.errors import BackendError, LocalFailure
from app.settings import UpstreamBreakerSettings
from telemetry.names import BreakerState, RejectionReason

AttemptVerdict = Literal["succeeded", "failed", "abandoned", "answered", "nothing"]
"""What an attempt's end says of its deployment. `answered`: it is there, and said no."""
_SHORTEST_SILENCE = 0.5
"""Seconds; whoever leaves earlier says nothing of a deployment."""
_LATEST_RESPONSES = 16
_CLOSED = BreakerState.CLOSED


class WatchedDeployment:
    """What is known of one deployment."""

    def __init__(self, breakers: CallerBreakers) -> None:
        self.breakers = breakers
        self.latest: dict[bool, deque[float]] = {stream: deque(maxlen=_LATEST_RESPONSES) for stream in (False, True)}
        """How many seconds the latest responses took to begin, streams by themselves; whole ones begin at their end."""
        self.name = breakers.shared.name
        """The deployment's id."""


class AttemptPermit(Struct, eq=False):
    """Leave for one attempt on one deployment."""

    deployment: WatchedDeployment
    permit: CallerPermit
    caller: str
    stream: bool
    begun: float
    answered: bool = False
    """Whether its response has begun."""


class DeploymentBreakers:
    """`allow` before an attempt, `answered` when its first chunk is there, `record` once at its end.

    Deployments are named by their ids. `by_caller`: each caller, known by its key, has breakers of its own, too.
    """

    def __init__(self, settings: UpstreamBreakerSettings, by_caller: bool = False) -> None:
        self._settings = settings
        self._by_caller = by_caller
        self._watched: dict[str, WatchedDeployment] = {}

    def use(self, settings: UpstreamBreakerSettings, by_caller: bool, stays: Collection[str]) -> None:
        """Go by these settings from now on. Of the deployments that stay the breakers keep their states; all others are
        forgotten, and how attempts at them end changes nothing any more."""
        self._watched = {deployment: watched for deployment, watched in self._watched.items() if deployment in stays}
        if (settings, by_caller) == (self._settings, self._by_caller):
            return
        self._settings, self._by_caller = settings, by_caller
        for deployment, watched in self._watched.items():
            watched.breakers.take_settings(self._breakers(deployment))

    def states(self, now: float) -> dict[str, BreakerState]:
        """The state of each deployment that was ever tried, by its id, as a caller finds it."""
        return {deployment: watched.breakers.shared.state_at(now) for deployment, watched in self._watched.items()}

    def refusal(self, deployment: str, now: float, caller: str = "") -> RejectionReason | None:
        """Why a caller would be turned away, if it would. Asking makes no breaker and takes no permit."""
        if (watched := self._watched.get(deployment)) is None:
            return None
        breakers = watched.breakers
        if breakers.shared.state is _CLOSED and not breakers.individual:
            return None
        return breakers.refusal(now, caller)

    def allow(
        self, deployment: str, now: float, caller: str = "", stream: bool = False
    ) -> tuple[AttemptPermit | Denied, Changes]:
        """Take a permit for one attempt."""
        watched = self._watched.get(deployment) or self._of(deployment)
        breakers = watched.breakers
        if breakers.shared.state is _CLOSED and not breakers.individual:
            return AttemptPermit(watched, NO_PROBE, caller, stream, now), ()
        permit, changes = breakers.allow(now, caller)
        if isinstance(permit, Denied):
            return permit, changes
        return AttemptPermit(watched, permit, caller, stream, now), changes

    def of(self, deployment: str) -> CallerBreakers:
        """The breakers of a deployment, made now if nobody has tried it."""
        return self._of(deployment).breakers

    def tried(self, deployment: str) -> CallerBreakers | None:
        """The breakers of a deployment, if anybody has tried it."""
        watched = self._watched.get(deployment)
        return watched.breakers if watched is not None else None

    def changing(self, breaker: CircuitBreaker) -> AbstractContextManager[None]:
        """What an operator does to a deployment's breaker is done inside this block."""
        return nullcontext()

    def retry_after(self, deployments: Iterable[str], now: float, caller: str = "") -> float:
        """Seconds until the first of them may be tried again."""
        # Only those that refuse are asked: a permit given here would never be used.
        shut = [self._watched[one].breakers for one in deployments if self.refusal(one, now, caller)]
        answers = [breakers.allow(now, caller)[0] for breakers in shut]
        return min((answer.retry_after for answer in answers if isinstance(answer, Denied)), default=1.0)

    def answered(self, permit: AttemptPermit, now: float, draw: float = 0.5) -> Changes:
        """The attempt's response has begun. `draw`, in 0..1, makes a cooldown longer or shorter."""
        permit.answered = True
        watched = permit.deployment
        watched.latest[permit.stream].append(now - permit.begun)
        if watched.breakers.has_silences:
            watched.breakers.answered(permit.caller)
        if self._settings.slow_call_duration is None:
            return ()
        changes = self.time(permit, self._is_slow(permit, now), now, draw)
        return () if self.is_forgotten(permit) else changes

    def record(
        self,
        permit: AttemptPermit,
        error: BaseException | None,
        now: float,
        stalled: bool = False,
        draw: float = 0.5,
    ) -> Changes:
        """The attempt has ended, with `error` if not well. `stalled`: the event loop stood still for so much of its
        time that a silence says nothing of the provider. `draw` as in `answered`."""
        if error is None:
            changes = self.conclude(permit, "succeeded", now, draw)
        else:
            verdict = self.verdict(permit, error, now, stalled)
            is_timed = not stalled and self._is_timed_by_end(permit, error, now)
            changes = self.time(permit, self._is_slow(permit, now), now, draw) if is_timed else ()
            changes += self.conclude(permit, verdict, now, draw)
        return () if changes and self.is_forgotten(permit) else changes

    def is_forgotten(self, permit: AttemptPermit) -> bool:
        """Whether the permit is for a deployment that has gone, or is another one by now."""
        return self._watched.get(permit.deployment.name) is not permit.deployment

    def verdict(self, permit: AttemptPermit, error: BaseException, now: float, stalled: bool = False) -> AttemptVerdict:
        """What the end of an attempt that went wrong says of its deployment."""
        match error:
            case LocalFailure():
                return "nothing"
            case BackendError():
                # If it does not count, the deployment says no, and is there.
                return "failed" if error.counts_against_deployment else "answered"
            case asyncio.CancelledError() | GeneratorExit() if self._is_silent(permit, now) and not stalled:
                return "abandoned"
        return "nothing"

    def conclude(self, permit: AttemptPermit, verdict: AttemptVerdict, now: float, draw: float = 0.5) -> Changes:
        """Hand the permit of an attempt back, with what its end says."""
        breakers, leave, caller = permit.deployment.breakers, permit.permit, permit.caller
        match verdict:
            case "succeeded":
                return breakers.succeeded(leave, now, caller)
            case "failed":
                return breakers.failed(leave, now, caller, draw)
            case "abandoned":
                return breakers.abandoned(leave, now, caller, draw)
            case "answered":
                breakers.answered(caller)
        breakers.release(leave, caller)
        return ()

    def time(self, permit: AttemptPermit, slow: bool, now: float, draw: float = 0.5) -> Changes:
        """It is known whether the response to an attempt was slow to begin."""
        leave = permit.permit
        if slow and leave.probe:
            # It has failed, and is no probe any more, however well it may end.
            permit.permit = NO_PROBE
        return permit.deployment.breakers.timed(leave, slow, now, permit.caller, draw)

    def _is_timed_by_end(self, permit: AttemptPermit, error: BaseException, now: float) -> bool:
        """Whether the end of an attempt is the first that says whether it was slow: nothing had come before."""
        if self._settings.slow_call_duration is None or permit.answered or isinstance(error, LocalFailure):
            return False
        return isinstance(error, BackendError) or self._is_slow(permit, now)

    def _is_slow(self, permit: AttemptPermit, now: float) -> bool:
        limit = self._settings.slow_call_duration
        return limit is not None and now - permit.begun >= limit

    def observe(self, deployment: str, ends: Ends, now: float, caller: str = "") -> None:
        """A caller's attempts on a deployment have ended in another process."""
        self._of(deployment).breakers.observe(ends, now, caller)

    def breaker(self, deployment: str) -> CircuitBreaker:
        """The breaker of a deployment that is for all callers."""
        return self._of(deployment).breakers.shared

    def _is_silent(self, permit: AttemptPermit, now: float) -> bool:
        """Whether it was waited for longer than any of the latest responses took to begin."""
        usual = max(_SHORTEST_SILENCE, *permit.deployment.latest[permit.stream], 0.0)
        return not permit.answered and now - permit.begun >= usual

    def _of(self, deployment: str) -> WatchedDeployment:
        if (watched := self._watched.get(deployment)) is None:
            watched = self._watched[deployment] = WatchedDeployment(self._breakers(deployment))
        return watched

    def _breakers(self, deployment: str) -> CallerBreakers:
        shared = self._breaker(deployment, several_callers=self._by_caller)
        return CallerBreakers(shared, (lambda: self._breaker(deployment)) if self._by_caller else None)

    def _breaker(self, deployment: str, several_callers: bool = False) -> CircuitBreaker:
        settings = self._settings
        rule = ConsecutiveOrRate(
            settings.threshold,
            settings.failure_rate,
            settings.min_requests,
            settings.window,
            several_callers,
            settings.slow_call_rate,
        )
        return CircuitBreaker(deployment, rule, settings.cooldown, max_cooldown=settings.max_cooldown)
