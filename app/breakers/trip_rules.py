"""When a breaker opens: rules that are told of failures and successes, each with its time and its caller. Pure.

No caller alone can open a breaker that stands before all. With `several_callers` a rule holds only if it also holds, at
half the number, for what is left without the caller who failed the most.
"""

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from telemetry.names import TripReason

_SHARE_OF_OVERFLOWS = 0.75


class TripRule(Protocol):
    """`failed` and `abandoned` return the reason to open, or None."""

    def failed(self, now: float, caller: str = "") -> TripReason | None:
        """An attempt failed."""

    def abandoned(self, now: float, caller: str = "") -> TripReason | None:
        """An attempt was given up after a long silence: a failure until anything comes from the other side."""

    def timed(self, now: float, slow: bool, caller: str = "", count: int = 1) -> TripReason | None:
        """It is known of so many attempts whether their responses were slow to begin."""

    def answered(self) -> None:
        """Something came from the other side."""

    def succeeded(self, now: float, caller: str = "", count: int = 1) -> None:
        """So many attempts went well."""

    def reset(self) -> None:
        """Forget everything: the breaker has opened or closed."""


@dataclass
class _Half:
    """Half a window's attempts: in all and, by caller, how many there were and how many failed."""

    attempts: int = 0
    failures: int = 0
    by_caller: dict[str, tuple[int, int]] = field(default_factory=dict)

    def count(self, caller: str, failures: int, attempts: int) -> None:
        self.attempts += attempts
        self.failures += failures
        tried, failed = self.by_caller.get(caller, (0, 0))
        self.by_caller[caller] = (tried + attempts, failed + failures)


class _Halves:
    """The attempts of the last `window` seconds, as two halves: the current and the one before."""

    def __init__(self, window: float) -> None:
        self._half = window / 2
        self._since = float("-inf")
        self._current = _Half()
        self._previous = _Half()

    @property
    def attempts(self) -> int:
        return self._current.attempts + self._previous.attempts

    @property
    def failures(self) -> int:
        return self._current.failures + self._previous.failures

    def count(self, now: float, caller: str, failures: int, attempts: int = 1) -> None:
        if now - self._since >= self._half:
            self._previous = self._current if now - self._since < 2 * self._half else _Half()
            self._current = _Half()
            self._since = now
        self._current.count(caller, failures, attempts)

    def without_the_worst(self) -> tuple[int, int]:
        """Attempts and failures of all but the caller with the most failures."""
        halves = (self._current.by_caller, self._previous.by_caller)
        failed: Counter[str] = Counter()
        for half in halves:
            failed.update({caller: count for caller, (_, count) in half.items()})
        worst = max(failed, key=failed.__getitem__)
        tried = sum(half.get(worst, (0, 0))[0] for half in halves)
        return self.attempts - tried, self.failures - failed[worst]


class FailureWindow:
    """Trips on `threshold` failures within `window` seconds, if they are three in four of the attempts that ended in
    that time: a few clients that do not read, among others that do, are no reason to turn everybody away.

    The share is counted over two halves of the window, the current and the one before, so that its cost does not grow
    with the traffic.
    """

    def __init__(self, threshold: int, window: float, several_callers: bool = False) -> None:
        self._threshold = threshold
        self._window = window
        self._several_callers = several_callers
        self._failures: dict[str, deque[float]] = {}
        self._halves = _Halves(window)

    def failed(self, now: float, caller: str = "") -> TripReason | None:
        self._halves.count(now, caller, 1)
        self._failures.setdefault(caller, deque(maxlen=self._threshold)).append(now)
        recent = {who: sum(now - at <= self._window for at in times) for who, times in self._failures.items()}
        self._failures = {who: times for who, times in self._failures.items() if recent[who]}
        if self._halves.failures < _SHARE_OF_OVERFLOWS * self._halves.attempts:
            return None
        return "failures_in_window" if _enough(recent, self._threshold, self._several_callers) else None

    def abandoned(self, now: float, caller: str = "") -> TripReason | None:
        return None

    def timed(self, now: float, slow: bool, caller: str = "", count: int = 1) -> TripReason | None:
        return None

    def answered(self) -> None:
        """Nothing is waited for."""

    def succeeded(self, now: float, caller: str = "", count: int = 1) -> None:
        self._halves.count(now, caller, 0, count)

    def reset(self) -> None:
        self._failures.clear()
        self._halves = _Halves(self._window)


class ConsecutiveOrRate:
    """Trips on `threshold` failures in a row, or on a share of failures, or of slow responses, in the window once it
    holds enough attempts.

    Abandoned attempts count among those in a row until a response to any caller begins.
    """

    def __init__(
        self,
        threshold: int,
        failure_rate: float,
        min_requests: int,
        window: float,
        several_callers: bool = False,
        slow_call_rate: float = 1.0,
    ) -> None:
        self._threshold = threshold
        self._failure_rate = failure_rate
        self._slow_call_rate = slow_call_rate
        self._min_requests = min_requests
        self._window = window
        self._several_callers = several_callers
        self.reset()

    def failed(self, now: float, caller: str = "") -> TripReason | None:
        self._row[caller] += 1
        self._halves.count(now, caller, 1)
        if self._too_many_in_a_row():
            return "consecutive_failures"
        return "failure_rate" if self._too_large_a_share(self._halves, self._failure_rate) else None

    def abandoned(self, now: float, caller: str = "") -> TripReason | None:
        self._silences[caller] += 1
        return "abandoned" if self._too_many_in_a_row() else None

    def timed(self, now: float, slow: bool, caller: str = "", count: int = 1) -> TripReason | None:
        self._slow_calls.count(now, caller, count if slow else 0, count)
        return "slow_calls" if slow and self._too_large_a_share(self._slow_calls, self._slow_call_rate) else None

    def answered(self) -> None:
        self._silences.clear()

    def succeeded(self, now: float, caller: str = "", count: int = 1) -> None:
        self._row.clear()
        self._silences.clear()
        self._halves.count(now, caller, 0, count)

    def reset(self) -> None:
        self._row: Counter[str] = Counter()
        self._silences: Counter[str] = Counter()
        self._halves = _Halves(self._window)
        # Slow ones are the failures of these.
        self._slow_calls = _Halves(self._window)

    def _too_many_in_a_row(self) -> bool:
        return _enough(self._row + self._silences, self._threshold, self._several_callers)

    def _too_large_a_share(self, halves: _Halves, share: float) -> bool:
        attempts, failures = halves.attempts, halves.failures
        if attempts < self._min_requests or failures < attempts * share:
            return False
        if not self._several_callers:
            return True
        others, failed = halves.without_the_worst()
        return others >= max(1, self._min_requests // 2) and failed >= others * share


def _enough(failures: Mapping[str, int], threshold: int, several_callers: bool) -> bool:
    total = sum(failures.values())
    if total < threshold:
        return False
    return not several_callers or total - max(failures.values()) >= max(1, threshold // 2)
