"""Lean spans: recorded in plain slots by their one owner, and handed to the SDK's processors when they end.

The SDK's own span takes a lock, a cleaning and a check for every attribute and event; a transaction has one owner and
needs none. Ids, sampling, resource and everything behind `on_end` are the SDK's. Times are Unix nanoseconds and always
given. A span ends once; an unsampled one records nothing. Texts are scrubbed of keys and bounded.
"""

import traceback
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SdkEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
    get_current_span,
    set_span_in_context,
)
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.trace.status import Status, StatusCode

from telemetry.guard import Defects
from telemetry.names import SCOPE, Attribute, Event
from telemetry.redact import Scrubber, clean

Value = str | bool | int | float | Sequence[str]
Sink = Callable[[ReadableSpan], None]
TEXT_LIMIT = 8192
EVENT_LIMIT = 256
_UNSET = Status(StatusCode.UNSET)


class Tracer:
    """Without a `sink` nothing records, but ids are made and the caller's sampling decision is handed on."""

    def __init__(
        self,
        *,
        sink: Sink | None,
        sampler: Sampler,
        resource: Resource,
        scrub: Scrubber,
        defects: Defects,
        ids: IdGenerator | None = None,
        text_limit: int = TEXT_LIMIT,
        event_limit: int = EVENT_LIMIT,
    ) -> None:
        self.sink = sink
        self.sampler = sampler
        self.resource = resource
        self.scrub = scrub
        self.defects = defects
        self.ids = ids or RandomIdGenerator()
        self.text_limit = text_limit
        self.event_limit = event_limit
        self.scope = InstrumentationScope(SCOPE)

    def start_root(
        self, name: str, start_ns: int, attributes: dict[str, Value], headers: Mapping[str, str]
    ) -> "RecordedSpan":
        """The transaction's span: the child of the caller's, if its headers name one."""
        context, parent = _caller(headers)
        trace_id = parent.trace_id if parent is not None else self.ids.generate_trace_id()
        sampled, state = self._decide(context, parent, trace_id, name, attributes)
        flags = TraceFlags.SAMPLED if sampled else TraceFlags.DEFAULT
        if self.ids.is_trace_id_random() if parent is None else parent.trace_flags.random_trace_id:
            flags |= TraceFlags.RANDOM_TRACE_ID
        span_context = SpanContext(trace_id, self.ids.generate_span_id(), False, TraceFlags(flags), state)
        return RecordedSpan(self, name, SpanKind.SERVER, span_context, parent, start_ns, attributes)

    def start_child(
        self,
        parent: "RecordedSpan",
        name: str,
        start_ns: int,
        attributes: dict[str, Value],
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> "RecordedSpan":
        """Of an unsampled parent it is a shadow that says and does nothing, under the parent's id."""
        above = parent.context
        if not parent.sampled:
            return RecordedSpan(self, name, kind, above, above, start_ns, attributes)
        context = SpanContext(above.trace_id, self.ids.generate_span_id(), False, above.trace_flags, above.trace_state)
        return RecordedSpan(self, name, kind, context, above, start_ns, attributes)

    def _decide(
        self,
        context: Context | None,
        parent: SpanContext | None,
        trace_id: int,
        name: str,
        attributes: dict[str, Value],
    ) -> tuple[bool, TraceState | None]:
        try:
            result = self.sampler.should_sample(context, trace_id, name, SpanKind.SERVER, attributes, ())
            if result.attributes:
                attributes.update({key: str(value) for key, value in result.attributes.items()})
            return result.decision is Decision.RECORD_AND_SAMPLE, result.trace_state
        except Exception as error:
            self.defects.note("sampler", error)
            return False, parent.trace_state if parent is not None else None


class RecordedSpan:
    """`sampled` says for good whether it records; `recording` that it does so now, for it has not ended."""

    __slots__ = (
        "_attributes",
        "_events",
        "_kind",
        "_links",
        "_parent",
        "_start_ns",
        "_status",
        "_tracer",
        "context",
        "events_dropped",
        "name",
        "recording",
        "sampled",
    )

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        kind: SpanKind,
        context: SpanContext,
        parent: SpanContext | None,
        start_ns: int,
        attributes: dict[str, Value],
    ) -> None:
        self._tracer = tracer
        self.name = name
        self._kind = kind
        self.context = context
        self._parent = parent
        self._start_ns = start_ns
        self._attributes = attributes
        self._events: list[SdkEvent] = []
        self._links: list[Link] = []
        self._status = _UNSET
        self.events_dropped = 0
        self.sampled = self.recording = tracer.sink is not None and context.trace_flags.sampled

    @property
    def remote_parent(self) -> bool:
        return self._parent is not None and self._parent.is_remote

    def set(self, attributes: Mapping[str, Value | None]) -> None:
        """Values of our own making; None stands for nothing to say."""
        if self.recording:
            self._attributes.update({key: value for key, value in attributes.items() if value is not None})

    def set_text(self, key: str, text: str) -> None:
        """Text that somebody else wrote."""
        if self.recording:
            self._attributes[key] = self._clean(text)

    def event(self, name: str, at_ns: int, attributes: Mapping[str, Value]) -> None:
        if not self.recording:
            return
        if len(self._events) >= self._tracer.event_limit:
            self.events_dropped += 1
            return
        cleaned = {key: self._clean(value) if isinstance(value, str) else value for key, value in attributes.items()}
        self._events.append(SdkEvent(name, cleaned, at_ns))

    def exception(self, error: BaseException, at_ns: int, *, with_stack: bool) -> None:
        if not self.recording:
            return
        attributes: dict[str, Value] = {
            Attribute.EXCEPTION_TYPE: type(error).__qualname__,
            Attribute.EXCEPTION_MESSAGE: text_of(error),
        }
        if with_stack:
            attributes[Attribute.EXCEPTION_STACKTRACE] = "".join(traceback.format_exception(error, limit=-20))
        self.event(Event.EXCEPTION, at_ns, attributes)

    def link(self, other: SpanContext, why: str) -> None:
        if self.recording:
            self._links.append(Link(other, {Attribute.LINK: why}))

    def fail(self, description: str | None = None) -> None:
        if self.recording:
            self._status = Status(StatusCode.ERROR, self._clean(description) if description else None)

    def end(self, end_ns: int) -> None:
        """The first call counts."""
        sink = self._tracer.sink
        if not self.recording or sink is None:
            return
        self.recording = False
        try:
            sink(self._readable(end_ns))
        except Exception as error:
            self._tracer.defects.note("span sink", error)

    def _readable(self, end_ns: int) -> ReadableSpan:
        return ReadableSpan(
            name=self.name,
            context=self.context,
            parent=self._parent,
            resource=self._tracer.resource,
            attributes=self._attributes,
            events=self._events,
            links=self._links,
            kind=self._kind,
            status=self._status,
            start_time=self._start_ns,
            end_time=max(end_ns, self._start_ns),
            instrumentation_scope=self._tracer.scope,
        )

    def _clean(self, text: str) -> str:
        return clean(self._tracer.scrub, text, self._tracer.text_limit)


def text_of(error: BaseException) -> str:
    """Also of an exception that fails to say what it is."""
    try:
        return str(error)
    except Exception:
        return type(error).__qualname__


_PROPAGATOR = TraceContextTextMapPropagator()


def _caller(headers: Mapping[str, str]) -> tuple[Context | None, SpanContext | None]:
    traceparent = headers.get("traceparent")
    if not traceparent:
        return None, None
    carrier = {"traceparent": traceparent, "tracestate": headers.get("tracestate", "")}
    context = _PROPAGATOR.extract(carrier, Context())
    parent = get_current_span(context).get_span_context()
    return (context, parent) if parent.is_valid else (None, None)


def outgoing_headers(context: SpanContext) -> dict[str, str]:
    """`traceparent` and `tracestate` that make `context` the parent of what the receiver does."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, set_span_in_context(NonRecordingSpan(context), Context()))
    return carrier
