"""The one choke point of boundary events: on the span, as a log record with the span's context, or both.

A log record goes to the collector where one is configured, else to the structured log.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Literal

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, set_span_in_context

from telemetry.limits import LOG_LIMITS, LogLimits
from telemetry.logs.records import ids_of, limited, log_clean, log_fields
from telemetry.metrics.registry import Metrics
from telemetry.names import EVENT_LOGGER, SCOPE
from telemetry.names.resource import SCHEMA_URL, VERSION
from telemetry.names.spans import Value
from telemetry.redact import TEXT_LIMIT, Scrubber, clean
from telemetry.traces.spans import RecordedSpan

Mode = Literal["span", "log", "both"]
_log = logging.getLogger(EVENT_LOGGER)


class BoundaryEvents:
    """Emits boundary events in the way that `mode` says. `export` takes log records for the collector."""

    def __init__(
        self,
        mode: Mode,
        metrics: Metrics,
        resource: Resource,
        scrub: Scrubber,
        export: Callable[[ReadableLogRecord], None] | None = None,
        limits: LogLimits = LOG_LIMITS,
    ) -> None:
        self._on_span = mode != "log"
        self.as_log = mode != "span"
        self._metrics = metrics
        self._resource = resource
        self._scrub = scrub
        self._export = export
        self._limits = limits
        self._scope = InstrumentationScope(SCOPE, VERSION, SCHEMA_URL)

    def emit(self, span: RecordedSpan, name: str, at_ns: int, attributes: Mapping[str, Value]) -> None:
        """Emit an event on the span, as a log record or both."""
        if self._on_span and not span.event(name, at_ns, attributes):
            self.note_dropped()
        if self.as_log:
            self.log(span.context, name, at_ns, attributes)

    def note_dropped(self) -> None:
        """Count an event for which a span had no room."""
        self._metrics.exports.dropped("events", "limit")

    def log(self, context: SpanContext, name: str, at_ns: int, attributes: Mapping[str, Value]) -> None:
        if self._export is None:
            _log.info(name, extra=log_fields(context, {"event": name, **attributes}))
            return
        cleaned = {
            key: clean(self._scrub, value, TEXT_LIMIT) if isinstance(value, str) else value
            for key, value in attributes.items()
        }
        self._export(self._record(context, name, at_ns, cleaned))

    def content(self, context: SpanContext, name: str, at_ns: int, attributes: Mapping[str, Value]) -> None:
        """Emit captured content as a log record, whose attributes are scrubbed and bounded as they are."""
        if self._export is None:
            log_clean(_log, name, {**ids_of(context), "event": name, **attributes})
            return
        self._export(self._record(context, name, at_ns, attributes))

    def _record(
        self, context: SpanContext, name: str, at_ns: int, attributes: Mapping[str, Value]
    ) -> ReadableLogRecord:
        record = LogRecord(
            timestamp=at_ns,
            observed_timestamp=at_ns,
            context=set_span_in_context(NonRecordingSpan(context), Context()),
            severity_number=SeverityNumber.INFO,
            severity_text="INFO",
            attributes=limited(attributes, self._limits),
            event_name=name,
        )
        return ReadableLogRecord(record, self._resource, self._scope)
