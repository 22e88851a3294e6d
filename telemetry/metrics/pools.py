"""The metrics of the pools of connections to providers, one for each origin (`https://api.openai.com`)."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from prometheus_client import CollectorRegistry, Gauge

from telemetry.metrics.instruments import Bounded, counter, gauge, histogram
from telemetry.names import POOL_STATES, PoolState
from telemetry.names import metrics as names

_ORIGINS = 256


class PoolReading(NamedTuple):
    """What one pool holds now."""

    origin: str
    active: int
    """Connections in use, or being made."""
    idle: int
    waiting: int
    """Requests that wait for a connection, of which the pool has no more."""
    connects: Sequence[float]
    """Seconds that each connection took which was made since the last reading, its look-up and handshake included."""
    resent: int = 0
    """Requests that went out once more since the last reading, as the server had closed the kept connection that they
    went out by."""

    def joined(self, other: "PoolReading") -> "PoolReading":
        """What this pool and another one to the same origin hold together."""
        return PoolReading(
            self.origin,
            self.active + other.active,
            self.idle + other.idle,
            self.waiting + other.waiting,
            [*self.connects, *other.connects],
            self.resent + other.resent,
        )


class PoolMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._connections = gauge(names.UPSTREAM_CONNECTIONS, registry)
        self._connect_seconds = histogram(names.UPSTREAM_CONNECT, registry)
        self._resent = counter(names.UPSTREAM_RESENT, registry)
        self._origin = Bounded(room=_ORIGINS)
        self._children: dict[str, dict[PoolState, Gauge]] = {}

    def show(self, readings: Iterable[PoolReading]) -> None:
        """Show what all open pools hold; of those that were closed since, zero."""
        closed = set(self._children)
        for reading in readings:
            origin = self._origin[reading.origin]
            closed.discard(origin)
            children = self._of(origin)
            children["active"].set(reading.active)
            children["idle"].set(reading.idle)
            children["waiting"].set(reading.waiting)
            for seconds in reading.connects:
                self._connect_seconds.labels(origin).observe(seconds)
            self._resent.labels(origin).inc(reading.resent)
        for origin in closed:
            for child in self._children[origin].values():
                child.set(0)

    def _of(self, origin: str) -> dict[PoolState, Gauge]:
        found = self._children.get(origin)
        if found is None:
            found = {state: self._connections.labels(origin, state) for state in POOL_STATES}
            self._children[origin] = found
            self._connect_seconds.labels(origin)
        return found
