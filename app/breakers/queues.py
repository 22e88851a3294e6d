"""The breakers of the pipeline's queues: one per queue name, and before it one for each caller whose streams
overflowed. Pure.

An overflow ends its own stream and counts against its caller and its queue; past the threshold new streams are turned
away until a probe has passed. As many probes may run at a time as overflows open the breaker, so that whoever reads
gets through beside those who do not. One caller's clients that do not read shut out that caller; it takes several
callers to shut out all. Neither happens while more than a quarter of the streams go well.
"""

from collections.abc import Collection, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from msgspec import Struct

from app.breakers.breaker import CircuitBreaker, Denied, Ends
from app.breakers.callers import NO_PROBE, CallerBreakers, CallerPermit, Changes
from app.breakers.trip_rules import FailureWindow
from app.settings import QueueBreakerSettings
from telemetry.names import QUEUES, BreakerState, RejectionReason

_CLOSED = BreakerState.CLOSED
_NO_PROBES: Mapping[str, CallerPermit] = dict.fromkeys(QUEUES, NO_PROBE)


class StreamPermit(Struct, frozen=True):
    """Leave for one stream: a permit of each queue's breakers, by the queue's name."""

    permits: Mapping[str, CallerPermit]
    caller: str
    probe: bool = False
    """Whether the stream may decide a half-open breaker."""

    def without_probes(self) -> "StreamPermit":
        """Leave for the same stream, once its probes have been recorded."""
        return StreamPermit(_NO_PROBES, self.caller)


@dataclass(frozen=True)
class StreamDenied:
    """A breaker turns the stream away; `retry_after` is in seconds."""

    breaker: str
    reason: RejectionReason
    retry_after: float


class QueueBreakers:
    """The breakers of all queues. `by_caller`: each caller, known by its key, has breakers of its own, too."""

    def __init__(self, settings: QueueBreakerSettings, by_caller: bool = False) -> None:
        self._settings = settings
        self._by_caller = by_caller
        self._breakers = {queue: self._of_queue(queue, by_caller) for queue in QUEUES}

    def use(self, settings: QueueBreakerSettings, by_caller: bool) -> None:
        """Go by these settings from now on. Breakers keep their states."""
        if (settings, by_caller) == (self._settings, self._by_caller):
            return
        self._settings, self._by_caller = settings, by_caller
        for queue, breakers in self._breakers.items():
            breakers.take_settings(self._of_queue(queue, by_caller))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the breakers for all callers, as telemetry has them."""
        return tuple(breakers.shared.name for breakers in self._breakers.values())

    def states(self, now: float) -> dict[str, BreakerState]:
        """The state of each breaker, by its name, as a stream finds it."""
        shared = (breakers.shared for breakers in self._breakers.values())
        return {breaker.name: breaker.state_at(now) for breaker in shared}

    def of(self, name: str) -> CallerBreakers:
        """The breakers before one queue, by the name of the one for all. Raises KeyError."""
        return {breakers.shared.name: breakers for breakers in self._breakers.values()}[name]

    def changing(self, breaker: CircuitBreaker) -> AbstractContextManager[None]:
        """What an operator does to a queue's breaker is done inside this block."""
        return nullcontext()

    def allow(self, now: float, caller: str = "") -> tuple[StreamPermit | StreamDenied, Changes]:
        """Take a permit of every queue's breakers, or of none."""
        for breakers in self._breakers.values():
            if breakers.shared.state is not _CLOSED or breakers.individual:
                return self._asked(now, caller)
        return StreamPermit(_NO_PROBES, caller), ()

    def record(self, permit: StreamPermit, now: float, overflowed: Collection[str] = ()) -> Changes:
        """The stream has ended, or gone well for as long as a probe takes; `overflowed` names the queues that did."""
        changes: Changes = ()
        for queue, one in permit.permits.items():
            breakers = self._breakers[queue]
            ended = breakers.failed if queue in overflowed else breakers.succeeded
            changes += ended(one, now, permit.caller)
        return changes

    def observe(self, queue: str, ends: Ends, now: float, caller: str = "") -> None:
        """A caller's streams have ended in another process."""
        self._breakers[queue].observe(ends, now, caller)

    def breakers(self) -> Mapping[str, CircuitBreaker]:
        """The breakers that are for all callers, by the names of their queues."""
        return {queue: breakers.shared for queue, breakers in self._breakers.items()}

    def _asked(self, now: float, caller: str) -> tuple[StreamPermit | StreamDenied, Changes]:
        """What the breakers say where they may not let everybody through."""
        permits: dict[str, CallerPermit] = {}
        changes: Changes = ()
        for queue, breakers in self._breakers.items():
            reason = breakers.refusal(now, caller)
            answer, changed = breakers.allow(now, caller)
            changes += changed
            if isinstance(answer, Denied):
                for granted, permit in permits.items():
                    self._breakers[granted].release(permit, caller)
                return StreamDenied(breakers.shared.name, reason or "open", answer.retry_after), changes
            permits[queue] = answer
        return StreamPermit(permits, caller, any(permit.probe for permit in permits.values())), changes

    def _of_queue(self, queue: str, by_caller: bool) -> CallerBreakers:
        shared = self._breaker(queue, several_callers=by_caller)
        return CallerBreakers(shared, (lambda: self._breaker(queue)) if by_caller else None)

    def _breaker(self, queue: str, several_callers: bool = False) -> CircuitBreaker:
        settings = self._settings
        rule = FailureWindow(settings.threshold, settings.window, several_callers)
        return CircuitBreaker(f"queue:{queue}", rule, settings.cooldown, probes=settings.threshold)
