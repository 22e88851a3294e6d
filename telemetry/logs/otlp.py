"""The process's log lines as OTLP log records, for whoever asks with OTEL_LOGS_EXPORTER=otlp; stderr has them too.

They are scrubbed and bounded as on stderr. A record carries the ids of its trace and span, its logger as the scope, and
its fields as attributes under the names they have on stderr; a field that holds fields is flattened.
"""

import logging
from collections.abc import Callable, Iterator, Mapping

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import Context
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
from opentelemetry.util.types import AnyValue

from telemetry.exceptions import stack_of
from telemetry.limits import LOG_LIMITS, LogLimits
from telemetry.logs.records import clean_fields, is_left_out, limited, message_of
from telemetry.names.spans import Attribute
from telemetry.redact import TEXT_LIMIT, Scrubber, clean

_SEVERITIES = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
    (logging.NOTSET, SeverityNumber.DEBUG),
)


class LogExport(logging.Handler):
    """A logging handler that hands OTLP records to `offer`, which must not wait. `lose` is called for a line that no
    record could be made of."""

    def __init__(
        self,
        resource: Resource,
        scrub: Scrubber,
        offer: Callable[[ReadableLogRecord], None],
        lose: Callable[[], None],
        limits: LogLimits = LOG_LIMITS,
    ) -> None:
        super().__init__()
        self._resource = resource
        self._scrub = scrub
        self._offer = offer
        self._lose = lose
        self._limits = limits

    def emit(self, record: logging.LogRecord) -> None:
        if is_left_out(record):
            return
        try:
            self._offer(ReadableLogRecord(self._record(record), self._resource, InstrumentationScope(record.name)))
        except Exception:
            self._lose()

    def _record(self, record: logging.LogRecord) -> LogRecord:
        at_ns = int(record.created * 1e9)
        fields = dict(clean_fields(self._scrub, record))
        context = _context(fields.pop("trace_id", None), fields.pop("span_id", None))
        return LogRecord(
            timestamp=at_ns,
            observed_timestamp=at_ns,
            context=context,
            severity_number=next(number for level, number in _SEVERITIES if record.levelno >= level),
            severity_text=record.levelname,
            body=clean(self._scrub, message_of(record), TEXT_LIMIT),
            attributes=limited(dict(_flat(fields)) | self._exception(record), self._limits),
        )

    def _exception(self, record: logging.LogRecord) -> dict[str, AnyValue]:
        if not record.exc_info or record.exc_info[1] is None:
            return {}
        error = record.exc_info[1]
        return {
            Attribute.EXCEPTION_TYPE: type(error).__qualname__,
            Attribute.EXCEPTION_STACKTRACE: clean(self._scrub, stack_of(error), TEXT_LIMIT),
        }


def _context(trace_id: object, span_id: object) -> Context:
    if not isinstance(trace_id, str) or not isinstance(span_id, str):
        return Context()
    span = SpanContext(int(trace_id, 16), int(span_id, 16), False, TraceFlags(TraceFlags.SAMPLED))
    return set_span_in_context(NonRecordingSpan(span), Context())


def _flat(fields: Mapping[str, object], before: str = "") -> Iterator[tuple[str, AnyValue]]:
    """Flatten nested mappings to dotted keys. None is left out, as OTLP has no null."""
    for key, value in fields.items():
        match value:
            case None:
                continue
            case Mapping():
                yield from _flat(value, f"{before}{key}.")
            case bool() | int() | float() | str():
                yield f"{before}{key}", value
            case _:
                yield f"{before}{key}", str(value)
