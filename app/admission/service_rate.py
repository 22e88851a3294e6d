"""How fast those who wait are served, as far as it can be known. Pure.

Only times count in which somebody waited: how often others come says nothing of how often they could be served. With
too few observations nothing is said; and what is said of the future is the most that could be, three standard
deviations above what was seen, as whoever is refused for it is not to be one who would have been served.
"""

from collections import deque
from math import sqrt

_FEWEST = 16
_KEPT = 64
_LEAST_MARGIN = 1.5


class ServiceRate:
    """The rate of one deployment; `at_once` is how many it serves at a time, each of whom has to have had a turn."""

    def __init__(self, at_once: int = 0) -> None:
        self._fewest = max(_FEWEST, at_once)
        self._times: deque[float] = deque(maxlen=max(_KEPT, 2 * at_once) + 1)

    def waits(self, now: float) -> None:
        """Somebody waits, where nobody did before."""
        self._times.clear()
        self._times.append(now)

    def served(self, now: float) -> None:
        """One who waited was served."""
        self._times.append(now)

    def per_second(self, now: float) -> float | None:
        """How many are served a second; None where it is not known."""
        count = len(self._times) - 1
        passed = now - self._times[0] if count > 0 else 0.0
        return count / passed if passed > 0 else None

    def at_most(self, now: float) -> float | None:
        """How many a second could be served at the very most; None where too few were to say."""
        count = len(self._times) - 1
        rate = self.per_second(now) if count >= self._fewest else None
        return None if rate is None else rate * max(_LEAST_MARGIN, 1 + 3 / sqrt(count))
