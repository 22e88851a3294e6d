"""Tries again what may pass, within a time limit, with waits that double."""

import random
import threading
from collections.abc import Callable
from time import monotonic

from telemetry.delivery.rejections import Rejection

_LONGEST = 3600.0
"""Seconds that a batch may take where it has no limit."""
_LONGEST_WAIT = 30.0


class Retries:
    """Sends a batch until it has arrived, is refused for good, or its time of `limit` seconds is up. `cancel` ends a
    wait, and there is no further try then."""

    def __init__(self, limit: float, draw: Callable[[], float] = random.random) -> None:
        self._limit = min(limit, _LONGEST)
        self._draw = draw
        self._cancelled = threading.Event()

    def run(self, send: Callable[[float], Rejection | None]) -> Rejection | None:
        """`send` gets the seconds that are left, and returns what came of it."""
        deadline = monotonic() + self._limit
        tries = 0
        while True:
            rejection = send(max(0.001, deadline - monotonic()))
            if rejection is None or not rejection.is_transient:
                return rejection
            wait = self._wait(tries) if rejection.retry_after is None else rejection.retry_after
            tries += 1
            if monotonic() + wait >= deadline or self._cancelled.wait(wait):
                return rejection

    def cancel(self) -> None:
        self._cancelled.set()

    def _wait(self, tries: int) -> float:
        """The first try again comes soon: often a connection that was kept has only been closed at the other end."""
        return 0.05 if not tries else min(_LONGEST_WAIT, 2.0 ** (tries - 1)) * (0.8 + 0.4 * self._draw())
