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
    format_trace_id,
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
        self._own_flags = TraceFlags.RANDOM_TRACE_ID if self.ids.is_trace_id_random() else TraceFlags.DEFAULT

    def start_root(
        self, name: str, start_ns: int, attributes: dict[str, Value | None], headers: Mapping[str, str]
    ) -> "RecordedSpan":
        """The transaction's span: the child of the caller's, if its headers name one. Whether it is sampled is decided
        by `decide`, or when it first matters: by then the sampler can see what the transaction is about."""
        caller = _caller(headers) if "traceparent" in headers else None
        trace_id = self.ids.generate_trace_id() if caller is None else caller.trace_id
        span = RecordedSpan(self, name, SpanKind.SERVER, trace_id, start_ns, attributes)
        if caller is not None:
            span.caller, span.parent_id, span.remote_parent = caller, caller.span_id, caller.is_remote
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
        parent.decide()
        span = RecordedSpan(self, name, kind, parent.trace_id, start_ns, attributes)
        span.inherit(parent)
        return span

    def flags_of(self, caller: SpanContext | None) -> int:
        """But for the decision to sample."""
        return self._own_flags if caller is None else caller.trace_flags & TraceFlags.RANDOM_TRACE_ID

    def should_sample(self, span: "RecordedSpan") -> tuple[bool, TraceState | None]:
        caller = span.caller
        try:
            context = None if caller is None else set_span_in_context(NonRecordingSpan(caller), Context())
            said = {key: value for key, value in span.attributes.items() if value is not None}
            result = self.sampler.should_sample(context, span.trace_id, span.name, SpanKind.SERVER, said, ())
            for key in (result.attributes or {}).keys() - said.keys():
                span.attributes[key] = str(result.attributes[key])
            return result.decision is Decision.RECORD_AND_SAMPLE, result.trace_state
        except Exception as error:
            self.defects.note("sampler", error)
            return False, caller.trace_state if caller is not None else None


class RecordedSpan:
    """`sampled` says for good whether it is handed on at its end, once that is decided; `recording` that it takes what
    it is told, for it has not ended."""

    __slots__ = (
        "_decided",
        "_tracer",
        "attributes",
        "caller",
        "dropped_events",
        "end_time",
        "events",
        "kind",
        "links",
        "name",
        "parent_id",
        "recording",
        "remote_parent",
        "sampled",
        "span_id",
        "start_time",
        "status",
        "trace_flags",
        "trace_id",
        "trace_state",
    )

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        kind: SpanKind,
        trace_id: int,
        start_ns: int,
        attributes: dict[str, Value | None],
    ) -> None:
        self._tracer = tracer
        self._decided = False
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.span_id = tracer.ids.generate_span_id()
        self.parent_id = 0
        self.remote_parent = False
        self.caller: SpanContext | None = None
        """The parent in another process."""
        self.trace_flags = 0
        self.trace_state: TraceState | None = None
        self.start_time = start_ns
        self.end_time = start_ns
        self.attributes = attributes
        """None stands for nothing to say."""
        self.events: list[SpanEvent] = []
        self.links: list[Link] = []
        self.status = _UNSET
        self.dropped_events = 0
        self.recording = self.sampled = tracer.sink is not None

    @property
    def context(self) -> SpanContext:
        self.decide()
        return SpanContext(self.trace_id, self.span_id, False, TraceFlags(self.trace_flags), self.trace_state)

    @property
    def instrumentation_scope(self) -> InstrumentationScope:
        return self._tracer.scope

    @property
    def resource(self) -> Resource:
        return self._tracer.resource

    @property
    def exemplar(self) -> dict[str, str] | None:
        """What leads from a metric to this trace, where it is kept."""
        self.decide()
        return {"trace_id": format_trace_id(self.trace_id)} if self.sampled else None

    def decide(self) -> None:
        """Ask the sampler, with what is known by now; the first call counts."""
        if self._decided:
            return
        self._decided = True
        sampled, self.trace_state = self._tracer.should_sample(self)
        self.trace_flags = self._tracer.flags_of(self.caller) | (TraceFlags.SAMPLED if sampled else 0)
        if not sampled:
            self.recording = self.sampled = False

    def inherit(self, parent: "RecordedSpan") -> None:
        """The decision of the span above, which has made it."""
        self._decided = True
        self.trace_flags, self.trace_state = parent.trace_flags, parent.trace_state
        self.parent_id = parent.span_id
        if not parent.sampled:
            self.recording = self.sampled = False
            self.span_id = parent.span_id

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
        self.decide()
        sink = self._tracer.sink
        if sink is None or not self.recording:
            return
        self.recording = False
        self.end_time = max(end_ns, self.start_time)
        try:
            sink(self)
        except Exception as error:
            self._tracer.defects.note("span sink", error)

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


def _caller(headers: Mapping[str, str]) -> SpanContext | None:
    carrier = {"traceparent": headers["traceparent"], "tracestate": headers.get("tracestate", "")}
    caller = get_current_span(_PROPAGATOR.extract(carrier, Context())).get_span_context()
    return caller if caller.is_valid else None


def outgoing_headers(context: SpanContext) -> dict[str, str]:
    """`traceparent` and `tracestate` that make `context` the parent of what the receiver does."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, set_span_in_context(NonRecordingSpan(context), Context()))
    return carrier
