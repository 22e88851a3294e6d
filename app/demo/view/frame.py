"""What the live view shows of one moment, and the rates behind it, taken over the last few seconds."""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from app.demo.gateway.log_tail import Moment
from telemetry import Snapshot
from telemetry.names import WHERE, Where

_WINDOW = 5.0


@dataclass(frozen=True)
class Totals:
    """Counts and seconds since the start; `at` is when they were read."""

    at: float
    requests: int
    chunks: float
    received: int
    seconds: Mapping[Where, float]


@dataclass(frozen=True)
class Rates:
    """Amounts per second, over the window; `shares` is the time ledger of the window."""

    requests: float
    chunks: float
    received: float
    shares: dict[Where, float]


@dataclass(frozen=True)
class Frame:
    snapshot: Snapshot
    rates: Rates
    moments: tuple[Moment, ...]
    """What happened, the newest last."""
    elapsed: float
    url: str
    metrics_url: str
    policies: str
    turn: int
    """Counts the pictures, for what moves in them."""


class RateWindow:
    def __init__(self, window: float = _WINDOW) -> None:
        self._window = window
        self._totals: deque[Totals] = deque()

    def add(self, now: Totals) -> Rates:
        self._totals.append(now)
        while now.at - self._totals[0].at > self._window:
            self._totals.popleft()
        first = self._totals[0]
        passed = max(now.at - first.at, 1e-9)
        return Rates(
            (now.requests - first.requests) / passed,
            (now.chunks - first.chunks) / passed,
            (now.received - first.received) / passed,
            {where: now.seconds[where] - first.seconds[where] for where in WHERE},
        )
