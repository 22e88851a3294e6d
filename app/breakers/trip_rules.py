"""When a breaker opens: rules that are told of failures and successes, each with its time and its caller. Pure.

No caller alone can open a breaker that stands before all. With `several_callers` a rule holds only if it also holds, at
half the number, for what is left without the caller who failed the most.
"""

from abc import ABC, abstractmethod
from collections import Counter, defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from telemetry.names import TripReason

_SHARE_OF_OVERFLOWS = 0.75


@dataclass(slots=True)
class _Half:
    """Half a window's attempts: in all and, where callers are told apart, by caller."""

    attempts: int = 0
    failures: int = 0
    attempts_by: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    failures_by: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))


class _Attempts:
    """The attempts of the last `window` seconds, as two halves: the current and the one before. So the cost of a share
    does not grow with the traffic."""

    def __init__(self, window: float, by_caller: bool) -> None:
        self.successes = 0
        """In all, however long ago."""
        self._half = window / 2
        self._by_caller = by_caller
        self.forget()

    def forget(self) -> None:
        """Count anew."""
        self._since = float("-inf")
        self._turns_at = float("-inf")
        self._current = _Half()
        self._previous = _Half()

    @property
    def attempts(self) -> int:
        return self._current.attempts + self._previous.attempts

    @property
    def failures(self) -> int:
        return self._current.failures + self._previous.failures

    def succeeded(self, now: float, caller: str = "", count: int = 1) -> None:
        """So many attempts went well."""
        half = self._current if now < self._turns_at else self._turned(now)
        half.attempts += count
        if self._by_caller:
            half.attempts_by[caller] += count
        self.successes += count

    def count_failures(self, now: float, caller: str, count: int = 1) -> None:
        """So many attempts failed."""
        half = self._current if now < self._turns_at else self._turned(now)
        half.attempts += count
        half.failures += count
        if self._by_caller:
            half.attempts_by[caller] += count
            half.failures_by[caller] += count

    def without_the_worst(self) -> tuple[int, int]:
        """Attempts and failures of all but the caller with the most failures."""
        failed = Counter(self._current.failures_by)
        failed.update(self._previous.failures_by)
        worst = max(failed, key=failed.__getitem__)
        tried = self._current.attempts_by.get(worst, 0) + self._previous.attempts_by.get(worst, 0)
        return self.attempts - tried, self.failures - failed[worst]

    def _turned(self, now: float) -> _Half:
        """The half that begins now."""
        self._previous = self._current if now - self._since < 2 * self._half else _Half()
        self._current = _Half()
        self._since, self._turns_at = now, now + self._half
        return self._current


class TripRule(_Attempts, ABC):
    """Counts how attempts end. `failed`, `abandoned` and `timed` return the reason to open, or None."""

    def __init__(self, threshold: int, window: float, several_callers: bool) -> None:
        super().__init__(window, several_callers)
        self._threshold = threshold
        self._several_callers = several_callers

    @abstractmethod
    def failed(self, now: float, caller: str = "") -> TripReason | None:
        """An attempt failed."""

    def abandoned(self, now: float, caller: str = "") -> TripReason | None:
        """An attempt was given up after a long silence: a failure until anything comes from the other side."""
        return None

    def timed(self, now: float, slow: bool, caller: str = "", count: int = 1) -> TripReason | None:
        """It is known of so many attempts whether their responses were slow to begin."""
        return None

    def answered(self) -> None:
        """Something came from the other side."""

    def reset(self) -> None:
        """Forget everything: the breaker has opened or closed."""
        self.forget()


class FailureWindow(TripRule):
    """Trips on `threshold` failures within `window` seconds, if they are three in four of the attempts that ended in
    that time: a few clients that do not read, among others that do, are no reason to turn everybody away."""

    def __init__(self, threshold: int, window: float, several_callers: bool = False) -> None:
        super().__init__(threshold, window, several_callers)
        self._window = window
        self._failures: dict[str, deque[float]] = {}

    def failed(self, now: float, caller: str = "") -> TripReason | None:
        self.count_failures(now, caller)
        self._failures.setdefault(caller, deque(maxlen=self._threshold)).append(now)
        recent = {who: sum(now - at <= self._window for at in times) for who, times in self._failures.items()}
        self._failures = {who: times for who, times in self._failures.items() if recent[who]}
        if self.failures < _SHARE_OF_OVERFLOWS * self.attempts:
            return None
        return "failures_in_window" if _enough(recent, self._threshold, self._several_callers) else None

    def reset(self) -> None:
        super().reset()
        self._failures.clear()


class ConsecutiveOrRate(TripRule):
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
        super().__init__(threshold, window, several_callers)
        self._failure_rate = failure_rate
        self._slow_call_rate = slow_call_rate
        self._min_requests = min_requests
        self._row: Counter[str] = Counter()
        self._row_since = 0
        """How many successes there had been before the row."""
        self._silences: Counter[str] = Counter()
        self._slow_calls = _Attempts(window, several_callers)
        """Slow ones are the failures of these."""

    def failed(self, now: float, caller: str = "") -> TripReason | None:
        self._end_row_at_success()
        self._row[caller] += 1
        self.count_failures(now, caller)
        if self._too_many_in_a_row():
            return "consecutive_failures"
        return "failure_rate" if self._too_large_a_share(self, self._failure_rate) else None

    def abandoned(self, now: float, caller: str = "") -> TripReason | None:
        self._end_row_at_success()
        self._silences[caller] += 1
        return "abandoned" if self._too_many_in_a_row() else None

    def timed(self, now: float, slow: bool, caller: str = "", count: int = 1) -> TripReason | None:
        if not slow:
            self._slow_calls.succeeded(now, caller, count)
            return None
        self._slow_calls.count_failures(now, caller, count)
        return "slow_calls" if self._too_large_a_share(self._slow_calls, self._slow_call_rate) else None

    def answered(self) -> None:
        self._silences.clear()

    def reset(self) -> None:
        super().reset()
        self._row.clear()
        self._silences.clear()
        self._slow_calls.forget()

    def _end_row_at_success(self) -> None:
        """What failed before a success is in no row with what fails now."""
        if self.successes != self._row_since:
            self._row_since = self.successes
            self._row.clear()
            self._silences.clear()

    def _too_many_in_a_row(self) -> bool:
        return _enough(self._row + self._silences, self._threshold, self._several_callers)

    def _too_large_a_share(self, counted: _Attempts, share: float) -> bool:
        attempts, failures = counted.attempts, counted.failures
        if attempts < self._min_requests or failures < attempts * share:
            return False
        if not self._several_callers:
            return True
        others, failed = counted.without_the_worst()
        return others >= max(1, self._min_requests // 2) and failed >= others * share


def _enough(failures: Mapping[str, int], threshold: int, several_callers: bool) -> bool:
    total = sum(failures.values())
    if total < threshold:
        return False
    return not several_callers or total - max(failures.values()) >= max(1, threshold // 2)
