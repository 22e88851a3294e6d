"""What every transaction works with: the long-lived parts of telemetry, made once by `setup.py`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter, time_ns

from opentelemetry.trace import SpanContext

from telemetry.guard import Defects
from telemetry.live.streams import Live
from telemetry.logs.records import Level
from telemetry.metrics.registry import Metrics
from telemetry.names.spans import Event
from telemetry.recording.content import CaptureMode, Conversation
from telemetry.redact import Scrubber
from telemetry.traces.spans import RecordedSpan, Tracer
from telemetry.transaction.boundary import BoundaryEvents, Mode


@dataclass(frozen=True)
class TelemetryOptions:
    """What an operator can choose; the exporters and the sampler are chosen by the standard OTEL_* variables."""

    boundary_events: Mode = "span"
    capture_content: CaptureMode = "none"
    propagate_traceparent: bool = False
    log_level: Level = "info"


@dataclass(frozen=True)
class Services:
    options: TelemetryOptions
    metrics: Metrics
    tracer: Tracer
    boundary: BoundaryEvents
    scrub: Scrubber
    defects: Defects
    live: Live = field(default_factory=Live)
    trips: dict[str, SpanContext] = field(default_factory=dict)
    """The span of the transaction that tripped a breaker last, by the breaker's name."""
    clock: Callable[[], float] = perf_counter
    wall_ns: Callable[[], int] = time_ns

    def record_content(self, span: RecordedSpan, conversation: Conversation, at_ns: int) -> None:
        """Put captured content on the span, into an event, or both, as the operator chose."""
        mode = self.options.capture_content
        if mode == "none":
            return
        attributes = conversation.attributes(self.scrub)
        if conversation.cut:
            self.metrics.exports.dropped("content", "limit")
        if mode != "event":
            span.set(attributes)
        if mode != "span":
            self.boundary.log(span.context, Event.CONTENT, at_ns, attributes)
