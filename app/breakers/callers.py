"""A breaker for all callers, and before it one for each caller whose own requests failed. Pure.

A caller's own breaker opens by the usual rule and turns away nobody else. The one for all opens only for failures of
several callers. Where callers are not told apart (no keys, or one that all share) there is only the one for all.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from msgspec import Struct

from app.breakers.breaker import CircuitBreaker, Denied, Ends, Permit, Transition, Transitions
from telemetry.names import BreakerState, RejectionReason, TransitionReason

CALLERS = 1024
"""Callers with a breaker of their own, in front of one shared breaker; the one not seen for longest is forgotten."""


@dataclass(frozen=True)
class CallerTrip:
    """The breaker in front of one caller has opened. `breaker` names the one behind it: callers are no label."""

    breaker: str
    reason: TransitionReason


Change = Transition | CallerTrip
Changes = tuple[Change, ...]
"""What became of breakers, in order. Of a single caller's breaker only the trips are told."""


class CallerPermit(Struct, frozen=True):
    """Permits of the breaker for all and of the caller's own, if there is one."""

    shared: Permit
    individual: Permit | None = None

    @property
    def probe(self) -> bool:
        """Whether it may decide a half-open breaker."""
        return self.shared.probe or (self.individual is not None and self.individual.probe)


NO_PROBE = CallerPermit(Permit(probe=False))
"""The permit of an attempt that decides no half-open breaker."""


class CallerBreakers:
    """The breaker for all and those of single callers, used like one `CircuitBreaker`: one of `succeeded`, `failed`,
    `abandoned` or `release` follows each permit that `allow` gives.

    `make` makes a caller's breaker at its first failure; None where callers are not told apart.
    """

    def __init__(self, shared: CircuitBreaker, make: Callable[[], CircuitBreaker] | None = None) -> None:
        self.shared = shared
        self._make = make
        self.individual: OrderedDict[str, CircuitBreaker] = OrderedDict()
        """The breakers of single callers. Where there are none and `shared` is closed, everybody is let through."""
        self.has_silences = False
        """Whether attempts that were given up may still count: only then a response that begins changes anything."""

    def take_settings(self, fresh: "CallerBreakers") -> None:
        """Go on by the settings of breakers that nobody has used. Callers that are no longer told apart lose theirs."""
        self.shared.take_settings(fresh.shared)
        self._make = fresh._make
        if self._make is None:
            self.individual.clear()
            return
        for individual in self.individual.values():
            individual.take_settings(self._make())

    def refusal(self, now: float, caller: str) -> RejectionReason | None:
        """Why `allow` would deny a permit; None if it would give one. Asking takes none."""
        individual = self.individual.get(caller)
        if individual is not None and not individual.would_allow(now):
            return "caller"
        if self.shared.would_allow(now, self._probe_owner(caller)):
            return None
        return "open" if self.shared.state is BreakerState.OPEN else "probing"

    def allow(self, now: float, caller: str) -> tuple[CallerPermit | Denied, Changes]:
        """Take a permit of the caller's own breaker and of the one for all, or of neither."""
        individual = self.individual.get(caller)
        permit = individual.allow(now)[0] if individual is not None else None
        if isinstance(permit, Denied):
            return permit, ()
        shared, changes = self.shared.allow(now, self._probe_owner(caller))
        if isinstance(shared, Denied):
            if individual is not None and permit is not None:
                individual.release(permit)
            return shared, changes
        return CallerPermit(shared, permit), changes

    def answered(self, caller: str) -> None:
        """A response to one of the caller's attempts has begun."""
        self.shared.answered()
        if (individual := self.individual.get(caller)) is not None:
            individual.answered()
        self.has_silences = bool(self.individual)

    def timed(self, permit: CallerPermit, slow: bool, now: float, caller: str, draw: float) -> Changes:
        """It is known whether the response to the permit's attempt was slow to begin."""
        changes = self.shared.timed(permit.shared, slow, now, self._probe_owner(caller), draw)
        individual = self._made_for(caller) if slow else self.individual.get(caller)
        if individual is None:
            return changes
        return (*changes, *_trips(individual.timed(permit.individual or NO_PROBE.shared, slow, now, draw=draw)))

    def succeeded(self, permit: CallerPermit, now: float, caller: str) -> Changes:
        """The permit's attempt went well."""
        changes = self.shared.succeeded(permit.shared, now, "" if self._make is None else caller)
        if self.individual and (individual := self.individual.get(caller)) is not None:
            individual.succeeded(permit.individual or NO_PROBE.shared, now)
        return changes

    def failed(self, permit: CallerPermit, now: float, caller: str, draw: float = 0.5) -> Changes:
        """The permit's attempt failed, by the fault of what the breakers protect. `draw`, in 0..1, makes a cooldown
        longer or shorter."""
        changes = self.shared.failed(permit.shared, now, self._probe_owner(caller), draw)
        if (individual := self._made_for(caller)) is None:
            return changes
        return (*changes, *_trips(individual.failed(permit.individual or NO_PROBE.shared, now, draw=draw)))

    def abandoned(self, permit: CallerPermit, now: float, caller: str, draw: float = 0.5) -> Changes:
        """The permit's attempt was given up after a silence that was longer than usual. `draw` as in `failed`."""
        changes = self.shared.abandoned(permit.shared, now, self._probe_owner(caller), draw)
        self.has_silences = True
        if (individual := self._made_for(caller)) is None:
            return changes
        return (*changes, *_trips(individual.abandoned(permit.individual or NO_PROBE.shared, now, draw=draw)))

    def release(self, permit: CallerPermit, caller: str) -> None:
        """Hand a permit back without a verdict, as when the client left."""
        self.shared.release(permit.shared)
        if permit.individual is not None and (individual := self.individual.get(caller)) is not None:
            individual.release(permit.individual)

    def observe(self, ends: Ends, now: float, caller: str) -> None:
        """A caller's attempts have ended in another process."""
        self.shared.observe(ends, now, self._probe_owner(caller))
        self.has_silences |= ends.abandoned > 0
        has_failed = ends.failed or ends.abandoned or ends.slow
        individual = self._made_for(caller) if has_failed else self.individual.get(caller)
        if individual is not None:
            individual.observe(ends, now)

    def reset(self) -> Changes:
        """Close the breaker for all, and forget those of single callers."""
        self.individual.clear()
        return self.shared.reset()

    def kept_out(self, now: float) -> int:
        """How many callers are turned away by breakers of their own."""
        return sum(one.state_at(now) is BreakerState.OPEN for one in self.individual.values())

    def _probe_owner(self, caller: str) -> str:
        """The caller that a probe is given to; empty where callers have no breakers of their own, so that nobody is
        kept from a probe."""
        return caller if self._make is not None else ""

    def _made_for(self, caller: str) -> CircuitBreaker | None:
        if self._make is None:
            return None
        if caller not in self.individual:
            self.individual[caller] = self._make()
            if len(self.individual) > CALLERS:
                self.individual.popitem(last=False)
        self.individual.move_to_end(caller)
        return self.individual[caller]


def _trips(transitions: Transitions) -> Changes:
    trips = [change for change in transitions if change.to_state is BreakerState.OPEN]
    return tuple(CallerTrip(trip.breaker, trip.reason) for trip in trips)
