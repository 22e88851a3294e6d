"""What every transaction works with: the long-lived parts of telemetry, made once by `setup.py`."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter, time_ns

from opentelemetry.trace import SpanContext

from telemetry.boundary import BoundaryEvents, Mode
from telemetry.content import CaptureMode, Conversation
from telemetry.guard import Defects
from telemetry.live import Live
from telemetry.logs import Level, log_fields
from telemetry.metrics import Metrics
from telemetry.names import Attribute, Event
from telemetry.otlp import Encoder
from telemetry.redact import Scrubber
from telemetry.spans import RecordedSpan, Tracer, Value

_log = logging.getLogger("flowspan.breaker")


@dataclass(frozen=True)
class TelemetryOptions:
    """What an operator can choose; the exporters and the sampler are chosen by the standard OTEL_* variables."""

    boundary_events: Mode = "span"
    capture_content: CaptureMode = "none"
    propagate_traceparent: bool = False
    otlp_encoder: Encoder = "lean"
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
    """By breaker, the span of the transaction that tripped it last."""
    clock: Callable[[], float] = perf_counter
    wall_ns: Callable[[], int] = time_ns

    def breaker_changed(
        self, breaker: str, from_state: str, to_state: str, reason: str, context: SpanContext | None = None
    ) -> dict[str, Value]:
        """A metric and a log line; gives the attributes of the boundary event."""
        self.metrics.breakers.transition(breaker, from_state, to_state, reason)
        level = logging.WARNING if to_state == "open" else logging.INFO
        fields = {"breaker": breaker, "from_state": from_state, "to_state": to_state, "reason": reason}
        _log.log(level, "breaker %s: %s", breaker, to_state, extra=log_fields(context, fields))
        return {
            Attribute.BREAKER: breaker,
            Attribute.FROM_STATE: from_state,
            Attribute.TO_STATE: to_state,
            Attribute.REASON: reason,
        }

    def tell_content(self, span: RecordedSpan, conversation: Conversation, at_ns: int) -> None:
        """Captured content goes where the operator wants it."""
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
