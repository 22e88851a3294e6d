"""When the event loop stood still: for that long no answer could be read, however early it came.

One timer per process, ten times a second. Where it is late by a twentieth of a second or more, that is remembered for a
while.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from math import inf
from time import monotonic

_INTERVAL = 0.1
_SHORTEST = 0.05
"""Seconds of lateness, below which nothing is remembered."""
_CAPACITY = 4096


class LoopStalls:
    """Measures the event loop's stalls while `run` runs."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._due = inf
        self._stalls: deque[tuple[float, float]] = deque(maxlen=_CAPACITY)
        """The end of each stall, and its length in seconds."""

    async def run(self) -> None:
        """Watch the running loop until cancelled."""
        try:
            while True:
                self._due = self._clock() + _INTERVAL
                await asyncio.sleep(_INTERVAL)
                if (late := self._late()) >= _SHORTEST:
                    self._stalls.append((self._clock(), late))
        finally:
            self._due = inf

    def seconds_since(self, begun: float) -> float:
        """How long the loop has stood still since `begun`, a time of the clock."""
        seconds = self._late()
        for end, length in reversed(self._stalls):
            if end <= begun:
                break
            seconds += min(length, end - begun)
        return seconds

    def _late(self) -> float:
        """Seconds of the stall that is just ending: timers are late together, and this one may run after another."""
        return max(0.0, self._clock() - self._due)
