"""Lean spans: recorded in plain slots by their one owner, and handed on when they end.

The SDK's own span takes a lock, a cleaning and a check for every attribute and event; a transaction has one owner and
needs none. Ids, sampling and resource are the SDK's. Times are Unix nanoseconds and always given. A span ends once; an
unsampled one records nothing. Texts that others wrote are scrubbed of keys and bounded.
"""

import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
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
TEXT_LIMIT = 8192
EVENT_LIMIT = 256
_UNSET = Status(StatusCode.UNSET)


class SpanEvent(NamedTuple):
    name: str
    timestamp: int
    attributes: Mapping[str, Value]


class Tracer:
    """Without a `sink` nothing records, but ids are made and the caller's sampling decision is handed on."""

    def __init__(
        self,
        *,
        sink: "Sink | None",
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
        self, name: str, start_ns: int, attributes: dict[str, Value | None], headers: Mapping[str, str]
    ) -> "RecordedSpan":
        """The transaction's span: the child of the caller's, if its headers name one. Whether it is sampled is decided
        when that is first asked, or at its first child: by then the sampler can see what the transaction is about."""
        caller, parent = _caller(headers)
        trace_id = self.ids.generate_trace_id() if parent is None else parent.trace_id
        span = RecordedSpan(self, name, SpanKind.SERVER, trace_id, parent, start_ns, attributes)
        span.caller = caller
        return span

    def start_child(
        self,
        parent: "RecordedSpan",
        name: str,
        start_ns: int,
        attributes: dict[str, Value | None],
        kind: SpanKind = SpanKind.INTERNAL,
    ) -> "RecordedSpan":
        """Of an unsampled parent it is a shadow that says and does nothing, under the parent's id."""
        span = RecordedSpan(self, name, kind, parent.trace_id, parent.context, start_ns, attributes)
        span.inherit(parent)
        return span

    def decide(self, span: "RecordedSpan") -> tuple[bool, TraceState | None]:
        parent = span.parent
        try:
            said = {key: value for key, value in span.attributes.items() if value is not None}
            result = self.sampler.should_sample(span.caller, span.trace_id, span.name, SpanKind.SERVER, said, ())
            for key in (result.attributes or {}).keys() - said.keys():
                span.attributes[key] = str(result.attributes[key])
            return result.decision is Decision.RECORD_AND_SAMPLE, result.trace_state
        except Exception as error:
            self.defects.note("sampler", error)
            return False, parent.trace_state if parent is not None else None


class RecordedSpan:
    """`sampled` says for good whether it records; `recording` that it does so now, for it has not ended."""

    __slots__ = (
        "_context",
        "_sampled",
        "_state",
        "_tracer",
        "attributes",
        "caller",
        "dropped_events",
        "end_time",
        "events",
        "kind",
        "links",
        "name",
        "parent",
        "recording",
        "span_id",
        "start_time",
        "status",
        "trace_id",
    )

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        kind: SpanKind,
        trace_id: int,
        parent: SpanContext | None,
        start_ns: int,
        attributes: dict[str, Value | None],
    ) -> None:
        self._tracer = tracer
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.span_id = tracer.ids.generate_span_id()
        self.parent = parent
        self.caller: Context | None = None
        self.start_time = start_ns
        self.end_time = start_ns
        self.attributes = attributes
        """None stands for nothing to say."""
        self.events: list[SpanEvent] = []
        self.links: list[Link] = []
        self.status = _UNSET
        self.dropped_events = 0
        self.recording = tracer.sink is not None
        self._sampled: bool | None = None
        self._state: TraceState | None = None
        self._context: SpanContext | None = None

    @property
    def sampled(self) -> bool:
        """Whether it is handed on at its end."""
        return self.context.trace_flags.sampled and self._tracer.sink is not None

    @property
    def context(self) -> SpanContext:
        if self._context is None:
            if self._sampled is None:
                self._sampled, self._state = self._tracer.decide(self)
                self.recording = self.recording and self._sampled
            flags = TraceFlags.SAMPLED if self._sampled else TraceFlags.DEFAULT
            if self._has_random_id():
                flags |= TraceFlags.RANDOM_TRACE_ID
            self._context = SpanContext(self.trace_id, self.span_id, False, TraceFlags(flags), self._state)
        return self._context

    @property
    def remote_parent(self) -> bool:
        return self.parent is not None and self.parent.is_remote

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        return self._tracer.scope

    @property
    def resource(self) -> Resource:
        return self._tracer.resource

    def inherit(self, parent: "RecordedSpan") -> None:
        """The decision of the span above."""
        self._state = parent.context.trace_state
        self._sampled = parent.context.trace_flags.sampled
        if not parent.sampled:
            self.recording = False
            self._context = parent.context

    def set(self, attributes: Mapping[str, Value | None]) -> None:
        """Values of our own making."""
        if self.recording:
            self.attributes.update(attributes)

    def set_text(self, key: str, text: str) -> None:
        """Text that somebody else wrote."""
        if self.recording:
            self.attributes[key] = self._clean(text)

    def event(self, name: str, at_ns: int, attributes: Mapping[str, Value]) -> None:
        if not self.recording:
            return
        if len(self.events) >= self._tracer.event_limit:
            self.dropped_events += 1
            return
        if attributes:
            clean = self._clean
            attributes = {key: clean(said) if isinstance(said, str) else said for key, said in attributes.items()}
        self.events.append(SpanEvent(name, at_ns, attributes))

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
            self.links.append(Link(other, {Attribute.LINK: why}))

    def fail(self, description: str | None = None) -> None:
        if self.recording:
            self.status = Status(StatusCode.ERROR, self._clean(description) if description else None)

    def end(self, end_ns: int) -> None:
        """The first call counts."""
        sink = self._tracer.sink
        if sink is None or not self.recording or not self.sampled:
            return
        self.recording = False
        self.end_time = max(end_ns, self.start_time)
        try:
            sink(self)
        except Exception as error:
            self._tracer.defects.note("span sink", error)

    def _has_random_id(self) -> bool:
        if self.parent is None:
            return self._tracer.ids.is_trace_id_random()
        return bool(self.parent.trace_flags.random_trace_id)

    def _clean(self, text: str) -> str:
        return clean(self._tracer.scrub, text, self._tracer.text_limit)


Sink = Callable[[RecordedSpan], None]
"""Where ended spans go. It must not wait."""


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
