"""Lean spans: recorded in plain slots by their one owner, and handed on when they end.

The SDK's own span takes a lock, a cleaning and a check for every attribute and event; a transaction has one owner and
needs none. Ids, sampling and resource are the SDK's. Times are Unix nanoseconds and always given. A span ends once; an
unsampled one records nothing. Texts that others wrote are scrubbed of keys and bounded.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter

from msgspec import Struct
from opentelemetry.attributes import BoundedAttributes
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, DEFAULT_ON, Decision, Sampler
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    TraceFlags,
    TraceState,
    format_trace_id,
    set_span_in_context,
)
from opentelemetry.trace.status import Status, StatusCode

from telemetry.exceptions import stack_of
from telemetry.guard import Defects
from telemetry.limits import SPAN_LIMITS, SpanLimits, cut, first
from telemetry.names import SCOPE
from telemetry.names.events import Event
from telemetry.names.resource import SCHEMA_URL, VERSION
from telemetry.names.spans import Attribute, Value
from telemetry.redact import TEXT_LIMIT, Scrubber, clean
from telemetry.traces.absent_spans import merge_attempt
from telemetry.traces.otlp_encoding import UNSET, AttributeSet
from telemetry.traces.propagation import Propagation

_PROPAGATION = Propagation()
_NAMES_OF: Callable[[AttributeSet], Mapping[str, Value]] = attrgetter("attributes")


class SpanEvent(Struct, frozen=True):
    name: str
    timestamp: int
    attributes: Mapping[str, Value]
    dropped_attributes: int = 0


class Tracer:
    """Starts spans. Without a `sink` none records, but ids are made and the caller's sampling decision is passed on."""

    def __init__(
        self,
        *,
        sink: "Sink | None",
        sampler: Sampler,
        resource: Resource,
        scrub: Scrubber,
        defects: Defects,
        ids: IdGenerator | None = None,
        limits: SpanLimits = SPAN_LIMITS,
        propagation: Propagation = _PROPAGATION,
        has_exemplars: bool = True,
    ) -> None:
        self.sink = sink
        self.sampler = sampler
        self.resource = resource
        self.scrub = scrub
        self.defects = defects
        self.ids = ids or RandomIdGenerator()
        self.limits = limits
        self.text_limit = limits.text_length
        self.propagation = propagation
        self.has_exemplars = has_exemplars
        self.scope = InstrumentationScope(SCOPE, VERSION, SCHEMA_URL)
        self._samples_all = sampler is ALWAYS_ON or sampler is DEFAULT_ON
        """Whether each transaction is sampled that no caller has decided on, whatever its attributes."""
        self._new_trace_flags = TraceFlags.RANDOM_TRACE_ID if self.ids.is_trace_id_random() else TraceFlags.DEFAULT

    def start_root(
        self,
        name: str,
        start_ns: int,
        attributes: dict[str, Value | None],
        headers: Mapping[str, str],
        shared: AttributeSet | None = None,
    ) -> "RecordedSpan":
        """Start a transaction's span, below the caller's where the headers name one. It has the attributes that it
        shares with others, too.

        Whether it is sampled is decided by `decide`, or when it first matters: by then the sampler can see what the
        transaction is about.
        """
        caller = self.propagation.caller(headers)
        trace_id = self.ids.generate_trace_id() if caller is None else caller.trace_id
        span = RecordedSpan(self, name, SpanKind.SERVER, trace_id, start_ns, attributes, shared)
        if caller is not None:
            span.caller, span.parent_id, span.remote_parent = caller, caller.span_id, caller.is_remote
        if "baggage" in headers:
            span.baggage = self.propagation.baggage(headers)
        return span

    def start_child(
        self,
        parent: "RecordedSpan",
        name: str,
        start_ns: int,
        attributes: dict[str, Value | None],
        kind: SpanKind = SpanKind.INTERNAL,
        *,
        shared: AttributeSet | None = None,
        is_absent: bool = False,
    ) -> "RecordedSpan":
        """Start a span below `parent`. Under an unsampled parent it does not record, and has the parent's id. One that
        is absent is not exported: it has the parent's id, too, and gives the parent its events, and an attempt's
        attributes, when it ends."""
        if not parent.is_decided:
            parent.decide()
        span = RecordedSpan(self, name, kind, parent.trace_id, start_ns, attributes, shared)
        span.inherit(parent)
        if is_absent:
            span.stand_in_for(parent)
        return span

    def flags_of(self, caller: SpanContext | None) -> int:
        """The trace flags of a new span, without the sampling decision."""
        return self._new_trace_flags if caller is None else caller.trace_flags & TraceFlags.RANDOM_TRACE_ID

    def should_sample(self, span: "RecordedSpan") -> tuple[bool, TraceState | None]:
        caller = span.caller
        if caller is None and self._samples_all:
            return True, None
        try:
            context = None if caller is None else set_span_in_context(NonRecordingSpan(caller), Context())
            known = {key: value for key, value in span.attributes.items() if value is not None}
            result = self.sampler.should_sample(context, span.trace_id, span.name, SpanKind.SERVER, known, ())
            for key in (result.attributes or {}).keys() - known.keys():
                span.varying[key] = str(result.attributes[key])
            return result.decision is Decision.RECORD_AND_SAMPLE, result.trace_state
        except Exception as error:
            self.defects.note("sampler", error)
            return False, caller.trace_state if caller is not None else None


class RecordedSpan:
    """A span with one owner. `sampled` is whether it goes to the sink at its end, once that is decided; `recording` is
    whether it still takes attributes and events, as it has not ended and somebody will see it: the sink, or whoever
    keeps its transaction."""

    __slots__ = (
        "_above",
        "_is_kept",
        "_tracer",
        "baggage",
        "caller",
        "dropped_attributes",
        "dropped_events",
        "dropped_links",
        "end_time",
        "events",
        "instrumentation_scope",
        "is_decided",
        "kind",
        "links",
        "name",
        "parent_id",
        "recording",
        "remote_parent",
        "sampled",
        "shared",
        "span_id",
        "start_time",
        "status",
        "trace_flags",
        "trace_id",
        "trace_state",
        "varying",
    )

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        kind: SpanKind,
        trace_id: int,
        start_ns: int,
        attributes: dict[str, Value | None],
        shared: AttributeSet | None = None,
    ) -> None:
        self._tracer = tracer
        self.instrumentation_scope = tracer.scope
        self._is_kept = False
        self.is_decided = False
        """Whether it is known whether it is sampled."""
        self._above: RecordedSpan | None = None
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.span_id = tracer.ids.generate_span_id()
        self.parent_id = 0
        self.remote_parent = False
        self.caller: SpanContext | None = None
        """The parent span in another process."""
        self.baggage = ""
        """What of the caller's baggage goes on to providers."""
        self.trace_flags = 0
        self.trace_state: TraceState | None = None
        self.start_time = start_ns
        self.end_time = start_ns
        self.shared: list[AttributeSet] = [] if shared is None else [shared]
        """The attributes that it has in common with other spans."""
        self.varying = attributes
        """The attributes so far that are in no set; one that is None is not exported."""
        self.events: list[SpanEvent] = []
        self.links: list[Link] = []
        self.status = UNSET
        self.dropped_attributes = self.dropped_events = self.dropped_links = 0
        self.recording = self.sampled = tracer.sink is not None

    @property
    def context(self) -> SpanContext:
        self.decide()
        return SpanContext(self.trace_id, self.span_id, False, TraceFlags(self.trace_flags), self.trace_state)

    @property
    def attributes(self) -> Mapping[str, Value | None]:
        """All attributes so far; one that is None is not exported."""
        found: dict[str, Value | None] = {}
        for attributes in self.shared:
            found.update(attributes.attributes)
        found.update(self.varying)
        return found

    @property
    def resource(self) -> Resource:
        return self._tracer.resource

    @property
    def exemplar(self) -> dict[str, str] | None:
        """The exemplar that leads from a metric to this trace; None where the trace is not kept."""
        self.decide()
        return {"trace_id": format_trace_id(self.trace_id)} if self.sampled and self._tracer.has_exemplars else None

    def decide(self) -> None:
        """Ask the sampler, with the attributes known by now; the first call counts."""
        if self.is_decided:
            return
        self.is_decided = True
        sampled, self.trace_state = self._tracer.should_sample(self)
        self.trace_flags = self._tracer.flags_of(self.caller) | (TraceFlags.SAMPLED if sampled else 0)
        if not sampled:
            self.sampled = False
            self.recording = self.recording and self._is_kept

    def keep(self) -> None:
        """Record it, and those below it, even where they go to no sink."""
        self._is_kept = self.recording = True

    def inherit(self, parent: "RecordedSpan") -> None:
        """Take over the sampling decision of the span above."""
        self.is_decided = True
        self.trace_flags, self.trace_state = parent.trace_flags, parent.trace_state
        self.parent_id = parent.span_id
        if not parent.sampled:
            self.sampled = False
            self.recording = self._is_kept = parent._is_kept
            self.span_id = parent.span_id

    def stand_in_for(self, parent: "RecordedSpan") -> None:
        """Have the parent get what is recorded here, in place of a span of its own."""
        self._above = parent
        self.span_id = parent.span_id

    @property
    def is_absent(self) -> bool:
        """Whether it stands in for the span above, and is not exported."""
        return self._above is not None

    def set(self, attributes: Mapping[str, Value | None]) -> None:
        """Set attributes whose values need no scrubbing."""
        if self.recording:
            self.varying.update(attributes)

    def share(self, attributes: AttributeSet, *, instead_of: AttributeSet | None = None) -> None:
        """Set attributes that other spans have, too, and that nobody sets otherwise; `instead_of` is a set that was
        shared before, and no longer holds."""
        if self.recording and attributes is not instead_of:
            if instead_of is not None:
                self.shared.remove(instead_of)
            self.shared.append(attributes)

    def remove(self, names: Iterable[str]) -> None:
        """Remove attributes that no longer hold."""
        if self.recording:
            for name in names:
                self.varying.pop(name, None)

    def set_text(self, key: str, text: str, limit: int = TEXT_LIMIT) -> None:
        """Set an attribute to text of a client or a provider: scrubbed, and bounded to `limit` characters."""
        if self.recording:
            self.varying[key] = clean(self._tracer.scrub, text, min(limit, self._tracer.text_limit))

    def event(self, name: str, at_ns: int, attributes: Mapping[str, Value]) -> bool:
        """Record an event. False where there is no room for it, so that it is counted as dropped."""
        if not self.recording:
            return True
        limits = self._tracer.limits
        if len(self.events) >= limits.events:
            self.dropped_events += 1
            return False
        dropped = 0
        if attributes:
            clean = self._clean
            attributes = {key: clean(value) if isinstance(value, str) else value for key, value in attributes.items()}
            if len(attributes) > limits.event_attributes:
                attributes, dropped = first(attributes, limits.event_attributes)
        self.events.append(SpanEvent(name, at_ns, attributes, dropped))
        return True

    def exception(self, error: BaseException, at_ns: int, *, with_stack: bool) -> None:
        if not self.recording:
            return
        attributes: dict[str, Value] = {Attribute.EXCEPTION_TYPE: type(error).__qualname__}
        if with_stack:
            attributes[Attribute.EXCEPTION_STACKTRACE] = stack_of(error)
        self.event(Event.EXCEPTION, at_ns, attributes)

    def link(self, other: SpanContext, why: str) -> None:
        if not self.recording:
            return
        limits = self._tracer.limits
        if len(self.links) >= limits.links:
            self.dropped_links += 1
            return
        self.links.append(Link(other, BoundedAttributes(limits.link_attributes, {Attribute.LINK: why})))

    def fail(self, description: str | None = None) -> None:
        if self.recording:
            self.status = Status(StatusCode.ERROR, self._clean(description) if description else None)

    def end(self, end_ns: int) -> None:
        """End the span at `end_ns` and hand it to the sink; the first call counts."""
        if not self.is_decided:
            self.decide()
        if not self.recording:
            return
        self.recording = False
        self.end_time = max(end_ns, self.start_time)
        if self._above is not None:
            self._above.take_over(self)
            return
        sink = self._tracer.sink
        if sink is None or not self.sampled:
            return
        self._finish_attributes(self._tracer.limits)
        try:
            sink(self)
        except Exception as error:
            self._tracer.defects.note("span sink", error)

    def take_over(self, absent: "RecordedSpan") -> None:
        """Record what an absent span did: its events and, of an attempt, what the transaction does not know itself."""
        if not self.recording:
            return
        room = max(0, self._tracer.limits.events - len(self.events))
        self.events += absent.events[:room]
        self.dropped_events += absent.dropped_events + max(0, len(absent.events) - room)
        if absent.kind is SpanKind.CLIENT:
            merged = {**self.attributes}
            merge_attempt(merged, absent.attributes)
            self.shared, self.varying = [], merged

    def _finish_attributes(self, limits: SpanLimits) -> None:
        """Have each attribute once, and no more than the operator's limits allow."""
        names = set(self.varying).union(*map(_NAMES_OF, self.shared))
        if limits.value_length is not None or len(names) > limits.attributes:
            self._keep_to(limits)
        elif len(names) != len(self.varying) + sum(map(len, map(_NAMES_OF, self.shared))):
            self.shared, self.varying = [], {**self.attributes}

    def _keep_to(self, limits: SpanLimits) -> None:
        """Cut the attributes to what the operator's limits allow; those that were set first are kept."""
        attributes, length = {**self.attributes}, limits.value_length
        if length is not None:
            attributes = {key: cut(value, length) for key, value in attributes.items()}
        known = {key: value for key, value in attributes.items() if value is not None}
        self.shared = []
        self.varying, self.dropped_attributes = first(known, limits.attributes)

    def _clean(self, text: str) -> str:
        return clean(self._tracer.scrub, text, self._tracer.text_limit)


Sink = Callable[[RecordedSpan], None]
"""Takes spans as they end. It must not wait."""
