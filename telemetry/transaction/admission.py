"""The waits of one transaction for deployments that have as much to do as they may: metrics, events, spans."""

from types import TracebackType

from telemetry.guard import guarded
from telemetry.metrics.admission import AdmissionChildren, AdmissionMetrics
from telemetry.names import AdmissionRefusal, AdmissionResult
from telemetry.names.events import Event
from telemetry.names.spans import Attribute, Span, Value
from telemetry.transaction.trace import TransactionTrace


class AdmissionTelemetry:
    def __init__(self, trace: TransactionTrace, metrics: AdmissionMetrics) -> None:
        self.defects = trace.defects
        self._trace = trace
        self._metrics = metrics

    def waiting(self, deployment: str, depth: int) -> "AdmissionWait":
        """A wait, as a `with` block: for a deployment, and maybe for others of its model, too. `depth` is how many
        wait, this one among them."""
        return AdmissionWait(self._trace, self._metrics.of(deployment), deployment, depth)

    @guarded
    def refused(self, deployment: str, reason: AdmissionRefusal) -> None:
        """The transaction is not let to a deployment."""
        self._metrics.of(deployment).refused(reason)
        attributes = {Attribute.ADMISSION_DEPLOYMENT: deployment, Attribute.ADMISSION_REASON: reason}
        self._trace.event(Event.ADMISSION_REFUSED, attributes)


class AdmissionWait:
    """One wait. It was in vain unless `admitted` is called before its end."""

    def __init__(self, trace: TransactionTrace, children: AdmissionChildren, deployment: str, depth: int) -> None:
        self.defects = trace.defects
        self._trace = trace
        self._children = children
        self._deployment = deployment
        self._depth = depth
        self._admitted_to: str | None = None
        self._began = trace.timeline.now()

    def __enter__(self) -> "AdmissionWait":
        self._begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        refused = isinstance(error, Exception)
        self._end("admitted" if self._admitted_to is not None else "refused" if refused else "left")

    def admitted(self, deployment: str) -> None:
        """A deployment has room."""
        self._admitted_to = deployment

    @guarded
    def _begin(self) -> None:
        self._children.began()
        attributes: dict[str, Value] = {
            Attribute.ADMISSION_DEPLOYMENT: self._deployment,
            Attribute.ADMISSION_DEPTH: self._depth,
        }
        self._trace.event(Event.ADMISSION_WAITING, attributes)

    @guarded
    def _end(self, result: AdmissionResult) -> None:
        trace, now = self._trace, self._trace.timeline.now()
        self._children.ended(result, now - self._began, trace.exemplar)
        if result == "admitted":
            trace.event(Event.ADMISSION_ADMITTED, {Attribute.ADMISSION_DEPLOYMENT: self._admitted_to or ""})
        if trace.recording:
            attributes: dict[str, Value | None] = {
                Attribute.ADMISSION_DEPLOYMENT: self._deployment,
                Attribute.ADMISSION_ADMITTED_TO: self._admitted_to,
                Attribute.ADMISSION_RESULT: result,
                Attribute.ADMISSION_DEPTH: self._depth,
                Attribute.ADMISSION_WAIT: now - self._began,
            }
            name = f"{Span.ADMISSION} {self._deployment}"
            trace.child(name, attributes, at=self._began).end(trace.timeline.ns(now))
