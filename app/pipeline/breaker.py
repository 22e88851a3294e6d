"""A circuit breaker as a pure state machine: CLOSED (traffic flows), OPEN, HALF_OPEN.

The caller gives the time (seconds, monotonic); nothing here waits or reads a clock. In HALF_OPEN one probe is let
through at a time: its success closes the breaker, its failure opens it again. A permit that comes to neither (the
client left, the fault was the client's) is given back with `release`. Transitions go to the listener, in order.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class BreakerState(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


@dataclass(frozen=True)
class Transition:
    breaker: str
    from_state: BreakerState
    to_state: BreakerState
    reason: str


@dataclass(frozen=True)
class Permit:
    """Leave to try once. `probe` marks the one that decides a HALF_OPEN breaker."""

    probe: bool


@dataclass(frozen=True)
class Denied:
    retry_after: float
    """Seconds until a probe may be let through; at least one, so that nobody is told to come back at once."""


class FailureWindow:
    """Trips on `threshold` failures within `window` seconds, whatever succeeded in between."""

    reason = "failures_in_window"

    def __init__(self, threshold: int, window: float) -> None:
        self._window = window
        self._failures: deque[float] = deque(maxlen=threshold)

    def failed(self, now: float) -> str | None:
        self._failures.append(now)
        full = len(self._failures) == self._failures.maxlen
        return self.reason if full and now - self._failures[0] <= self._window else None

    def succeeded(self, now: float) -> None:
        """A success does not undo an overflow: other streams passing does not give the lost one back."""

    def reset(self) -> None:
        self._failures.clear()


class ConsecutiveOrRate:
    """Trips on `threshold` failures in a row, or on a share of failures in the window once it holds enough attempts.

    The window is two halves, the current and the one before, so that its cost does not grow with the traffic.
    """

    def __init__(self, threshold: int, failure_rate: float, min_requests: int, window: float) -> None:
        self._threshold = threshold
        self._failure_rate = failure_rate
        self._min_requests = min_requests
        self._half = window / 2
        self.reset()

    def failed(self, now: float) -> str | None:
        self._turn(now)
        self._row += 1
        self._current[1] += 1
        if self._row >= self._threshold:
            return "consecutive_failures"
        failures = self._current[1] + self._previous[1]
        attempts = failures + self._current[0] + self._previous[0]
        if attempts >= self._min_requests and failures >= attempts * self._failure_rate:
            return "failure_rate"
        return None

    def succeeded(self, now: float) -> None:
        self._turn(now)
        self._row = 0
        self._current[0] += 1

    def reset(self) -> None:
        self._row = 0
        self._since = float("-inf")
        self._current = [0, 0]
        self._previous = [0, 0]

    def _turn(self, now: float) -> None:
        if now - self._since < self._half:
            return
        self._previous = self._current if now - self._since < 2 * self._half else [0, 0]
        self._current = [0, 0]
        self._since = now


class CircuitBreaker:
    """`allow` before an attempt, then exactly one of `succeeded`, `failed` or `release` with its permit."""

    def __init__(
        self,
        name: str,
        trip: FailureWindow | ConsecutiveOrRate,
        cooldown: float,
        on_transition: Callable[[Transition], None],
    ) -> None:
        self.name = name
        self.state = BreakerState.CLOSED
        self._trip = trip
        self._cooldown = cooldown
        self._on_transition = on_transition
        self._opened_at = 0.0
        self._probing = False

    def allow(self, now: float) -> Permit | Denied:
        if self.state is BreakerState.OPEN and now - self._opened_at >= self._cooldown:
            self._enter(BreakerState.HALF_OPEN, "cooldown_over")
        if self.state is BreakerState.CLOSED:
            return Permit(probe=False)
        if self.state is BreakerState.HALF_OPEN and not self._probing:
            self._probing = True
            return Permit(probe=True)
        return Denied(retry_after=max(1.0, self._cooldown - (now - self._opened_at)))

    def would_allow(self, now: float) -> bool:
        """Whether `allow` would give a permit, without taking it."""
        match self.state:
            case BreakerState.CLOSED:
                return True
            case BreakerState.HALF_OPEN:
                return not self._probing
            case BreakerState.OPEN:
                return now - self._opened_at >= self._cooldown

    def succeeded(self, permit: Permit, now: float) -> None:
        if permit.probe:
            self._probing = False
            self._trip.reset()
            self._enter(BreakerState.CLOSED, "probe_succeeded")
        elif self.state is BreakerState.CLOSED:
            self._trip.succeeded(now)

    def failed(self, permit: Permit, now: float) -> None:
        if permit.probe:
            self._probing = False
            self._open("probe_failed", now)
        elif self.state is BreakerState.CLOSED and (reason := self._trip.failed(now)):
            self._open(reason, now)

    def release(self, permit: Permit) -> None:
        if permit.probe:
            self._probing = False

    def _open(self, reason: str, now: float) -> None:
        self._opened_at = now
        self._trip.reset()
        self._enter(BreakerState.OPEN, reason)

    def _enter(self, state: BreakerState, reason: str) -> None:
        transition = Transition(self.name, self.state, state, reason)
        self.state = state
        self._on_transition(transition)
