"""The trace of one transaction, for all that observe it: its span, the spans below it, its events."""

import asyncio
import logging
from collections.abc import Mapping
from types import TracebackType

from msgspec import Struct
from opentelemetry.trace import SpanContext, SpanKind

from telemetry.exceptions import name_of
from telemetry.logs.records import Level, log_fields
from telemetry.names import TRANSACTION_PREFIX
from telemetry.names.events import ONCE
from telemetry.names.spans import Attribute, SpanChoice, Value
from telemetry.recording.timeline import Timeline
from telemetry.traces.span_shapes import AttributeSet
from telemetry.traces.spans import RecordedSpan
from telemetry.transaction.services import Services
from telemetry.transaction.tape import Tape

_log = logging.getLogger("flowspan")


_NO_FAULT = (asyncio.CancelledError, GeneratorExit)
_EXPORTED: dict[SpanChoice, tuple[SpanKind, ...]] = {
    "all": (SpanKind.CLIENT, SpanKind.INTERNAL),
    "attempts": (SpanKind.CLIENT,),
    "transaction": (),
}
"""The kinds of spans below the transaction's that are exported; no set, as members of an enumeration hash slowly."""


class SpanScope(Struct, eq=False):
    """A span as a `with` block. It ends once, however the block is left, and swallows nothing.

    It is never the "current" span of a task: a block may be left in another task than it was entered in.
    """

    span: RecordedSpan
    timeline: Timeline

    def __enter__(self) -> "SpanScope":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if error is not None and self.span.recording and not isinstance(error, _NO_FAULT):
            self.failed(error)
        self.span.end(self.timeline.ns())

    def failed(self, error: BaseException) -> None:
        """Record an error that is handled inside the block; one that leaves it is recorded by itself."""
        # Errors that the gateway knows tell their type; of any other one the way it came is worth its price.
        error_type = getattr(error, "error_type", None)
        known = isinstance(error_type, str)
        self.span.exception(error, self.timeline.ns(), with_stack=not known)
        self.span.set({Attribute.ERROR_TYPE: error_type if known else type(error).__qualname__})
        self.span.fail(getattr(error, "detail", None) or name_of(error))


class TransactionTrace:
    """`span` is the transaction's own, already started."""

    def __init__(self, services: Services, span: RecordedSpan, timeline: Timeline, tape: Tape | None = None) -> None:
        self.span = span
        self.tape = tape
        """What the transaction leaves behind; None where it is not recorded."""
        self.timeline = timeline
        self.defects = services.defects
        self.moments = services.live.moments
        self.trace_id = f"{span.trace_id:032x}"
        self.transaction_id = TRANSACTION_PREFIX + self.trace_id
        """The trace's id; with the span's id if the caller began the trace, which may hold several transactions."""
        if span.remote_parent:
            self.transaction_id += f"_{span.span_id:016x}"
        self.propagation = services.tracer.propagation
        self._exemplar: dict[str, str] | None = None
        self._tracer = services.tracer
        self._boundary = services.boundary
        self._kinds = _EXPORTED[services.options.spans]
        self._events_limit = services.tracer.limits.events
        self._emitted: set[str] = set()
        self.stages: list[RecordedSpan] = []

    @property
    def sampled(self) -> bool:
        """Whether its spans are exported."""
        self.span.decide()
        return self.span.sampled

    @property
    def recording(self) -> bool:
        """Whether its spans are recorded, to be exported or to be kept."""
        self.span.decide()
        return self.span.recording

    @property
    def context(self) -> SpanContext:
        return self.span.context

    @property
    def exemplar(self) -> dict[str, str] | None:
        """The exemplar that leads from a metric to this trace; None where the trace is not kept."""
        if self._exemplar is None:
            span = self.span
            if not span.is_decided:
                span.decide()
            if span.sampled and self._tracer.has_exemplars:
                self._exemplar = {"trace_id": self.trace_id}
        return self._exemplar

    def child(
        self,
        name: str,
        attributes: dict[str, Value | None],
        *,
        at: float | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        shared: AttributeSet | None = None,
    ) -> RecordedSpan:
        """Start a span below the transaction's, at a moment of the clock or else now. One that the operator wants no
        export of leaves what matters on the transaction's."""
        timeline = self.timeline
        if at is None:
            at = timeline.now()
        start_ns = timeline.started_ns + int((at - timeline.opened_at) * 1e9)
        is_absent = kind not in self._kinds
        span = self._tracer.start_child(self.span, name, start_ns, attributes, kind, shared=shared, is_absent=is_absent)
        if self.tape is not None:
            self.tape.span(span)
        return span

    def event(self, name: str, attributes: Mapping[str, Value]) -> None:
        """Emit a boundary event, on the span or as a log record; those in `ONCE` only at the first call."""
        # Guarded in place, and most events noted in place: it is called five times in the smallest request.
        try:
            if name in ONCE:
                if name in self._emitted:
                    return
                self._emitted.add(name)
            if self.tape is not None:
                self.tape.event(name, attributes)
            span, timeline = self.span, self.timeline
            at_ns = timeline.started_ns + int((timeline.now() - timeline.opened_at) * 1e9)
            if self._boundary.as_log:
                self._boundary.emit(span, name, at_ns, attributes)
            elif not span.sampled:
                return
            elif attributes or len(span.stamps) >= self._events_limit:
                if not span.event(name, at_ns, attributes):
                    self._boundary.note_dropped()
            elif span.recording:
                span.stamps.append((name, at_ns))
        except Exception as error:
            self.defects.note("boundary event", error)

    def log(self, level: Level, message: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Write a log line under the transaction's ids; `error` adds its stack."""
        extra = log_fields(self.span.context, {"transaction_id": self.transaction_id, **fields})
        _log.log(logging.getLevelNamesMapping()[level.upper()], message, exc_info=error, extra=extra)
