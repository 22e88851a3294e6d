"""What operators did to the running gateway, by act and result."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry

from telemetry.metrics.instruments import Bounded, counter
from telemetry.names import ADMIN_RESULTS, OTHER, AdminResult
from telemetry.names import metrics as names


class OperationMetrics:
    """Counts acts; those that are `register`ed stand at zero for every result, any other one is `other`."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._acts = counter(names.ADMIN_ACTS, registry)
        self._act = Bounded()

    def register(self, acts: Iterable[str]) -> None:
        known = tuple(acts)
        self._act = Bounded(known)
        for act in (*known, OTHER):
            for result in ADMIN_RESULTS:
                self._acts.labels(act, result)

    def acted(self, act: str, result: AdminResult) -> None:
        self._acts.labels(self._act[act], result).inc()
