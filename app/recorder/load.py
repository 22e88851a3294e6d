"""How busy the process is, as the thread that writes recordings sees it: by the time that all others have used."""

import time
from collections.abc import Callable

_BUSY = 0.6
"""The share of one core from which on the others are busy: those that serve requests use no more than one together."""
_SHORTEST = 0.05
"""Seconds over which it is measured, at least."""


class Load:
    """Only one thread may ask. Clocks are in seconds: `used` is of the process, `mine` of the thread that asks."""

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
        mine: Callable[[], float] = time.thread_time,
    ) -> None:
        self._now = now
        self._used = used
        self._mine = mine
        self._before: tuple[float, float] | None = None
        self._is_high = False

    def is_high(self) -> bool:
        """Whether the others were busy since this was asked last."""
        now, others = self._now(), self._used() - self._mine()
        if self._before is None:
            self._before = now, others
        elif now - self._before[0] >= _SHORTEST:
            self._is_high = others - self._before[1] > _BUSY * (now - self._before[0])
            self._before = now, others
        return self._is_high
