"""Requests that are no transactions, by route and status."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from telemetry.metrics.instruments import Bounded, counter
from telemetry.names import OTHER, OTHER_STATUSES
from telemetry.names import metrics as names


class OtherRequestMetrics:
    """Counts them. The routes that are `register`ed stand at zero for every status; any other one is `other`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = counter(names.OTHER_REQUESTS, registry)
        self._status = Bounded(OTHER_STATUSES)
        self._route = Bounded()
        self.register(())

    def register(self, routes: Iterable[str]) -> None:
        known = tuple(routes)
        self._route = Bounded(known)
        for route in (*known, OTHER):
            for status in OTHER_STATUSES:
                self._requests.labels(route, status)

    def ended(self, route: str, status: int) -> None:
        """Count one; `status` is 0 where no response was sent."""
        self._requests.labels(self._route[route], self._status[str(status)]).inc()
