"""The metrics of admission: who waits for a deployment, for how long, and who was refused."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from telemetry.metrics.instruments import counter, gauge, histogram
from telemetry.metrics.traffic import Exemplar
from telemetry.names import ADMISSION_REFUSALS, ADMISSION_RESULTS, AdmissionRefusal, AdmissionResult
from telemetry.names import metrics as names


class AdmissionChildren:
    """All metrics of the waits for one deployment, looked up once. `depth` is how many wait now."""

    def __init__(self, metrics: "AdmissionMetrics", deployment: str) -> None:
        self.depth = 0
        self.capacity: int | None = None
        self._waiting = metrics.waiting.labels(deployment)
        self._enqueued = metrics.enqueued.labels(deployment)
        self._dequeued = {result: metrics.dequeued.labels(deployment, result) for result in ADMISSION_RESULTS}
        self._refused = {reason: metrics.refused.labels(deployment, reason) for reason in ADMISSION_REFUSALS}
        self._wait = metrics.wait.labels(deployment)

    def began(self) -> None:
        """A request waits."""
        self.depth += 1
        self._waiting.inc()
        self._enqueued.inc()

    def ended(self, result: AdmissionResult, seconds: float, exemplar: Exemplar) -> None:
        """A wait is over."""
        self.depth -= 1
        self._waiting.dec()
        self._dequeued[result].inc()
        self._wait.observe(seconds, exemplar)

    def refused(self, reason: AdmissionRefusal) -> None:
        self._refused[reason].inc()


class AdmissionMetrics:
    """The metrics of all deployments; one's stand at zero from `register` on, or from its first wait."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.waiting = gauge(names.ADMISSION_WAITING, registry)
        self.enqueued = counter(names.ADMISSION_ENQUEUED, registry)
        self.dequeued = counter(names.ADMISSION_DEQUEUED, registry)
        self.refused = counter(names.ADMISSION_REFUSED, registry)
        self.wait = histogram(names.ADMISSION_WAIT, registry)
        self._capacity = gauge(names.ADMISSION_CAPACITY, registry)
        self.children: dict[str, AdmissionChildren] = {}

    def register(self, limited: Mapping[str, int | None]) -> None:
        """Have those of the deployments that are limited stand at zero; with how many attempts each may have at a time,
        None where a limit of another kind is set. Others are limited no more."""
        for deployment in limited.keys() | self.children.keys():
            children, capacity = self.of(deployment), limited.get(deployment)
            if capacity is not None or children.capacity is not None:
                self._capacity.labels(deployment).set(capacity or 0)
            children.capacity = capacity

    def of(self, deployment: str) -> AdmissionChildren:
        found = self.children.get(deployment)
        if found is None:
            found = self.children[deployment] = AdmissionChildren(self, deployment)
        return found
