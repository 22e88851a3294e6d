"""A circuit breaker as a state machine: pure, with no clock, no lock, no callback.

Theory of operation. Three states, whose names are those of `telemetry.names.BreakerState`:

    CLOSED ------- the trip rule gives a reason ------> OPEN
    OPEN --------- asked, after the cooldown ---------> HALF_OPEN   "cooldown_over"
    HALF_OPEN ---- one probe succeeds ----------------> CLOSED      "probe_succeeded"
    HALF_OPEN ---- as many probes fail as may run ----> OPEN        "probe_failed"
    any other ---- an operator forces it open --------> OPEN        "forced"
    OPEN --------- an operator ends that -------------> HALF_OPEN   "released"
    any other ---- an operator resets it -------------> CLOSED      "reset"

CLOSED lets everybody through and reports how attempts end to its trip rule (`app.breakers.trip_rules`). OPEN lets
nobody through for a cooldown. There is no timer: the first `allow` after that makes it HALF_OPEN, in which `probes`
attempts may be under way at a time, one for each caller. Each time that probing fails the next cooldown is twice as
long, up to a bound; closing takes that back. A cooldown is up to a tenth longer or shorter, so that breakers which
opened together do not ask together again: by `draw`, in 0..1, of whoever reports an end.

Permits. `allow` gives a `Permit` for one attempt, or `Denied` with the seconds to wait. Each permit is handed back
once, with how its attempt ended: `succeeded`, `failed`, `abandoned` (given up after an unusual silence), or `release`
where the end says nothing (the client left, the fault was the client's). Before that `timed` may tell whether its
response was slow to begin: a probe that was slow has failed. Only probes decide a HALF_OPEN breaker. An attempt that
began before the breaker opened is a straggler: while the breaker is not CLOSED its end counts for nothing.

Half-open, in detail. The first success closes the breaker at once, so that one good probe beside others that fail is
enough. A probe that does not end within a cooldown keeps its place no longer: an attempt that hangs cannot hold a
breaker half-open for ever, and if it succeeds later it still closes a breaker that is half-open then. A caller whose
probe failed is given none for two cooldowns, so that it cannot keep the breaker open for all others. `caller` is
empty where callers are not told apart; then nobody is kept from a probe.

Several processes. Each has its breakers, and those of one name are kept in one state: `standing` says which, and
`adopt` takes over another's. A change is reported where it happened, so that taking it over is no transition. How
attempts ended elsewhere is told by `observe`; only an attempt of this process's own opens a breaker here, as it knows
of all those before it.

Forced open. An operator can keep a breaker OPEN until a time, or for good, however attempts end. After that time, or
once an operator says so, it lets probes through as after any cooldown. A reset closes it at once and forgets what was
counted.

Time. Every method takes `now`, in seconds of a monotonic clock. State changes are returned, in order, as
`Transition`s: whoever asked reports them, since a breaker knows neither requests nor telemetry.
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from msgspec import Struct

from app.breakers.trip_rules import TripRule
from telemetry.names import BreakerState, TransitionReason, TripReason

_CLOSED = BreakerState.CLOSED
_NEVER = float("-inf")
_EVEN = 0.5
"""The draw that makes a cooldown neither longer nor shorter."""
_MOST_DOUBLINGS = 30


@dataclass(frozen=True)
class Transition:
    """A breaker changed its state. A trip is a transition to OPEN."""

    breaker: str
    from_state: BreakerState
    to_state: BreakerState
    reason: TransitionReason


Transitions = tuple[Transition, ...]


class Permit(Struct, frozen=True):
    """Leave to make one attempt. `probe` marks one that may decide a HALF_OPEN breaker."""

    probe: bool


_NO_PROBE = Permit(probe=False)


@dataclass(frozen=True)
class Denied:
    """No attempt may be made now."""

    retry_after: float
    """Seconds until a probe may be let through; at least one, so that nobody is told to come back at once."""


class Standing(NamedTuple):
    """What the breakers of one name have in common in all processes. Times are those of a clock that is the same for
    all."""

    state: BreakerState = BreakerState.CLOSED
    opened_at: float = 0.0
    probe_until: float = _NEVER
    """Until when a probe that is under way keeps its place."""
    forced_until: float = _NEVER
    """Until when an operator keeps it open."""
    cooldown: float = 0.0
    """Seconds for which it is open."""
    reopened: int = 0
    """How often probing has failed since it was closed."""


@dataclass(frozen=True)
class Ends:
    """How attempts ended in another process, since it last said so."""

    succeeded: int = 0
    failed: int = 0
    abandoned: int = 0
    answered: bool = False
    """Whether a response to one of them has begun."""
    slow: int = 0
    """Attempts whose responses were slow to begin."""
    quick: int = 0
    """Attempts whose responses were not."""


class BreakerReading(NamedTuple):
    """A breaker as an operator is shown it."""

    state: BreakerState
    reason: TripReason | None
    """Why it opened; None for one that is closed, or that another process has opened."""
    left: float | None
    """Seconds until probes are let through, infinite where an operator has set no end; None unless it is open."""
    is_forced: bool
    """Whether an operator keeps it open."""


class _Probe(NamedTuple):
    """A probe that is under way; after `until` its place is free for another one."""

    permit: Permit
    caller: str
    until: float


class CircuitBreaker:
    """`allow` before an attempt; then `succeeded`, `failed`, `abandoned` or `release` with its permit.

    `probes` is how many attempts may be under way at a time while the breaker is half-open; `max_cooldown`, in seconds,
    up to where the cooldown grows.
    """

    def __init__(
        self, name: str, trip: TripRule, cooldown: float, probes: int = 1, max_cooldown: float | None = None
    ) -> None:
        self.name = name
        self.state = BreakerState.CLOSED
        self._trip = trip
        self._shortest = cooldown
        self._longest = max(cooldown, max_cooldown or cooldown)
        self._cooldown = cooldown
        """Seconds of the last cooldown."""
        self._reopened = 0
        """How often probing failed since it was closed."""
        self._most_probes = probes
        self._opened_at = 0.0
        self._probes: list[_Probe] = []
        self._failed_probes = 0
        """Since it was opened."""
        self._no_probe_before: dict[str, float] = {}
        """By caller whose probe failed: when it may be given one again."""
        self._other_probe_until = _NEVER
        """Until when another process's only probe keeps its place."""
        self._forced_until = _NEVER
        """Until when an operator keeps it open."""
        self._opened_for: TripReason | None = None
        """Why it opened last."""

    def take_settings(self, fresh: "CircuitBreaker") -> None:
        """Go on by the rule, the cooldown and the number of probes of a breaker that was made by other settings. The
        state stays; what was counted towards the next trip is forgotten."""
        self._trip = fresh._trip
        self._shortest, self._longest = fresh._shortest, fresh._longest
        self._cooldown = fresh._cooldown
        self._most_probes = fresh._most_probes

    def allow(self, now: float, caller: str = "") -> tuple[Permit | Denied, Transitions]:
        """Take a permit for one attempt, if there is one."""
        if not self.would_allow(now, caller):
            return Denied(retry_after=self._wait(now, caller)), ()
        if self.state is _CLOSED:
            return _NO_PROBE, ()
        changes = self._enter(BreakerState.HALF_OPEN, "cooldown_over") if self.state is BreakerState.OPEN else ()
        # The shortest: a probe that hangs does not keep others away for longer than it takes to find out.
        probe = _Probe(Permit(probe=True), caller, now + self._shortest)
        self._probes = [*self._under_way(now), probe]
        return probe.permit, changes

    def state_at(self, now: float) -> BreakerState:
        """The state as a caller finds it: one that is OPEN lets probes through once its cooldown is over, though nobody
        has asked yet."""
        is_over = self.state is BreakerState.OPEN and now >= self._open_until
        return BreakerState.HALF_OPEN if is_over else self.state

    def would_allow(self, now: float, caller: str = "") -> bool:
        """Whether `allow` would give a permit. Asking takes none and changes no state."""
        if self.state is _CLOSED:
            return True
        if now < self._probe_due(caller):
            return False
        if self._most_probes == 1 and now < self._other_probe_until:
            return False
        probes = self._under_way(now)
        return len(probes) < self._most_probes and not (caller and any(probe.caller == caller for probe in probes))

    def answered(self) -> None:
        """A response to some attempt has begun, however it goes on: silences counted so far are forgotten."""
        self._trip.answered()

    def timed(self, permit: Permit, slow: bool, now: float, caller: str = "", draw: float = _EVEN) -> Transitions:
        """It is known whether the response to the permit's attempt was slow to begin."""
        if permit.probe:
            return self._probe_failed(permit, now, caller, draw) if slow else ()
        if self.state is not _CLOSED:
            return ()
        return self._tripped(self._trip.timed(now, slow, caller), now, draw)

    def succeeded(self, permit: Permit, now: float, caller: str = "") -> Transitions:
        """The permit's attempt went well."""
        if permit.probe:
            return self._probe_succeeded(permit)
        if self.state is _CLOSED:
            self._trip.succeeded(now, caller)
        return ()

    def failed(self, permit: Permit, now: float, caller: str = "", draw: float = _EVEN) -> Transitions:
        """The permit's attempt failed, by the fault of what this breaker protects."""
        if permit.probe:
            return self._probe_failed(permit, now, caller, draw)
        return self._tripped(self._trip.failed(now, caller), now, draw) if self.state is _CLOSED else ()

    def abandoned(self, permit: Permit, now: float, caller: str = "", draw: float = _EVEN) -> Transitions:
        """The permit's attempt was given up after a silence that was longer than usual."""
        if permit.probe:
            return self._probe_failed(permit, now, caller, draw)
        return self._tripped(self._trip.abandoned(now, caller), now, draw) if self.state is _CLOSED else ()

    def release(self, permit: Permit) -> None:
        """Hand a permit back without a verdict, as when the client left. A probe makes room for the next one."""
        self._probes = [probe for probe in self._probes if probe.permit is not permit]

    def standing(self) -> Standing:
        """The state that breakers of the same name in other processes are to have."""
        until = max([self._other_probe_until, *(probe.until for probe in self._probes)])
        return Standing(self.state, self._opened_at, until, self._forced_until, self._cooldown, self._reopened)

    def adopt(self, standing: Standing) -> None:
        """Have the state that another process's breaker of the same name has."""
        if standing.state is not self.state or standing.opened_at != self._opened_at:
            self._trip.reset()
            self._failed_probes = 0
            if standing.state is BreakerState.CLOSED:
                self._no_probe_before.clear()
            # Only where it opened it is known why.
            self._opened_for = None
        if standing.forced_until not in (self._forced_until, _NEVER):
            self._opened_for = "forced"
        self.state, self._opened_at, self._other_probe_until, self._forced_until, cooldown, self._reopened = standing
        self._cooldown = cooldown or self._cooldown

    def observe(self, ends: Ends, now: float, caller: str = "") -> None:
        """Attempts have ended in another process: they count for what is to open this breaker."""
        if self.state is not _CLOSED:
            return
        if ends.answered:
            self._trip.answered()
        if ends.succeeded:
            self._trip.succeeded(now, caller, ends.succeeded)
        for _ in range(ends.failed):
            self._trip.failed(now, caller)
        for _ in range(ends.abandoned):
            self._trip.abandoned(now, caller)
        if ends.slow:
            self._trip.timed(now, True, caller, ends.slow)
        if ends.quick:
            self._trip.timed(now, False, caller, ends.quick)

    def force_open(self, now: float, until: float = inf) -> Transitions:
        """Keep the breaker open until a time, on an operator's word."""
        changes = () if self.state is BreakerState.OPEN else self._tripped("forced", now, _EVEN)
        self._opened_for, self._forced_until = "forced", until
        self._probes, self._other_probe_until = [], _NEVER
        return changes

    def end_force(self, now: float) -> Transitions:
        """Let probes through from now on, if an operator keeps the breaker open."""
        if self.state is not BreakerState.OPEN or self._forced_until <= now:
            return ()
        self._forced_until = now
        return self._enter(BreakerState.HALF_OPEN, "released")

    def reset(self) -> Transitions:
        """Close the breaker and forget what was counted, on an operator's word."""
        if self.state is _CLOSED:
            self._forget()
            return ()
        return self._close("reset")

    def reading(self, now: float) -> BreakerReading:
        """What an operator is shown of it."""
        state = self.state_at(now)
        is_forced = state is BreakerState.OPEN and self._forced_until > now
        left = self._open_until - now if state is BreakerState.OPEN else None
        return BreakerReading(state, None if state is BreakerState.CLOSED else self._opened_for, left, is_forced)

    @property
    def _open_until(self) -> float:
        return self._opened_at + self._cooldown if self._forced_until == _NEVER else self._forced_until

    def _wait(self, now: float, caller: str) -> float:
        """Seconds until a caller may be given a probe. Nobody knows when an operator will have done."""
        due = self._probe_due(caller)
        return max(1.0, due - now if due < inf else self._cooldown)

    def _probe_due(self, caller: str) -> float:
        """The earliest time at which a caller may be given a probe."""
        return max(self._open_until, self._no_probe_before.get(caller, _NEVER))

    def _under_way(self, now: float) -> list[_Probe]:
        return [probe for probe in self._probes if now < probe.until]

    def _probe_succeeded(self, permit: Permit) -> Transitions:
        self.release(permit)
        if self.state is not BreakerState.HALF_OPEN:
            return ()
        return self._close("probe_succeeded")

    def _probe_failed(self, permit: Permit, now: float, caller: str, draw: float) -> Transitions:
        self.release(permit)
        if self.state is not BreakerState.HALF_OPEN:
            return ()
        if caller:
            self._no_probe_before = {who: due for who, due in self._no_probe_before.items() if now < due}
            self._no_probe_before[caller] = now + 2 * self._cooldown
        self._failed_probes += 1
        if self._failed_probes < self._most_probes:
            return ()
        self._reopened = min(self._reopened + 1, _MOST_DOUBLINGS)
        return self._tripped("probe_failed", now, draw)

    def _close(self, reason: TransitionReason) -> Transitions:
        self._forget()
        return self._enter(BreakerState.CLOSED, reason)

    def _forget(self) -> None:
        self._no_probe_before.clear()
        self._reopened = 0
        self._trip.reset()

    def _tripped(self, reason: TripReason | None, now: float, draw: float) -> Transitions:
        if reason is None:
            return ()
        self._opened_at = now
        self._cooldown = min(self._longest, self._shortest * 2.0**self._reopened) * (0.9 + 0.2 * draw)
        self._opened_for, self._forced_until = reason, _NEVER
        self._failed_probes = 0
        self._trip.reset()
        return self._enter(BreakerState.OPEN, reason)

    def _enter(self, state: BreakerState, reason: TransitionReason) -> Transitions:
        transition = Transition(self.name, self.state, state, reason)
        self.state = state
        return (transition,)
