"""Lean spans: recorded in plain slots by their one owner, and handed on when they end.

The SDK's own span takes a lock, a cleaning and a check for every attribute and event; a transaction has one owner and
needs none. Ids, sampling and resource are the SDK's. Times are Unix nanoseconds and always given. A span ends once; an
unsampled one records nothing. Texts that others wrote are scrubbed of keys and bounded.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

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
from telemetry.traces.otlp_encoding import UNSET, merged
from telemetry.traces.propagation import Propagation
from telemetry.traces.random_ids import sources_of
from telemetry.traces.span_shapes import AttributeSet

_PROPAGATION = Propagation()


class SpanEvent(Struct, frozen=True):
    name: str
    timestamp: int
    attributes: Mapping[str, Value] = {}
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
        self.limits = limits
        self.text_limit = limits.text_length
        self.propagation = propagation
        self.has_exemplars = has_exemplars
        self.scope = InstrumentationScope(SCOPE, VERSION, SCHEMA_URL)
        ids = ids or RandomIdGenerator()
        self._new_trace_id, self._new_span_id = sources_of(ids)
        self._samples_all = sampler is ALWAYS_ON or sampler is DEFAULT_ON
        """Whether each transaction is sampled that no caller has decided on, whatever its attributes."""
        self._new_trace_flags = TraceFlags.RANDOM_TRACE_ID if ids.is_trace_id_random() else TraceFlags.DEFAULT

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
        transaction is about. Where it would not look, it is decided at once.
        """
        caller = self.propagation.caller(headers)
        is_recorded = self.sink is not None
        span = RecordedSpan(
            self,
            name,
            SpanKind.SERVER,
            self._new_trace_id() if caller is None else caller.trace_id,
            self._new_span_id(),
            start_ns,
            attributes,
            [] if shared is None else [shared],
            self.scope,
            [],
            recording=is_recorded,
            sampled=is_recorded,
        )
        if caller is not None:
            span.caller, span.parent_id, span.remote_parent = caller, caller.span_id, caller.is_remote
        elif self._samples_all:
            span.is_decided, span.trace_flags = True, self._new_trace_flags | TraceFlags.SAMPLED
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
        """Start a span below `parent`, which is a transaction's. Under an unsampled parent it does not record, and has
        the parent's id. One that is absent is not exported: it has the parent's id, too, and gives the parent its
        events, and an attempt's attributes, when it ends."""
        if not parent.is_decided:
            parent.decide()
        return RecordedSpan(
            self,
            name,
            kind,
            parent.trace_id,
            parent.span_id if is_absent or not parent.sampled else self._new_span_id(),
            start_ns,
            attributes,
            [] if shared is None else [shared],
            self.scope,
            parent.ended,
            # Below one that is sampled even if that has ended, as long as it is worth anything.
            recording=parent.is_kept or parent.sampled,
            sampled=parent.sampled,
            is_kept=parent.is_kept,
            is_decided=True,
            is_absent=is_absent,
            above=parent,
            parent_id=parent.span_id,
            trace_flags=parent.trace_flags,
            trace_state=parent.trace_state,
        )

    def decide(self, span: "RecordedSpan") -> bool:
        """Ask the sampler whether a transaction's span is sampled, and give it its flags and state."""
        caller = span.caller
        sampled, span.trace_state = self._asked(span)
        flags = self._new_trace_flags if caller is None else caller.trace_flags & TraceFlags.RANDOM_TRACE_ID
        span.trace_flags = flags | (TraceFlags.SAMPLED if sampled else 0)
        return sampled

    def _asked(self, span: "RecordedSpan") -> tuple[bool, TraceState | None]:
        caller = span.caller
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


class RecordedSpan(Struct, eq=False):
    """A span with one owner. `sampled` is whether it goes to the sink at its end, once that is decided; `recording` is
    whether it still takes attributes and events, as it has not ended and somebody will see it: the sink, or whoever
    keeps its transaction."""

    tracer: Tracer
    name: str
    kind: SpanKind
    trace_id: int
    span_id: int
    start_time: int
    varying: dict[str, Value | None]
    """The attributes so far that are in no set; one that is None is not exported."""
    shared: list[AttributeSet]
    """The attributes that it has in common with other spans."""
    instrumentation_scope: InstrumentationScope
    ended: "list[RecordedSpan]"
    """The spans of its transaction, that one's itself included, which have ended and are not exported yet."""
    recording: bool
    sampled: bool
    is_kept: bool = False
    """Whether it is recorded even where it goes to no sink."""
    is_decided: bool = False
    """Whether it is known whether it is sampled."""
    is_absent: bool = False
    """Whether it stands in for the span above, and is not exported."""
    has_details: bool = False
    """Whether there is more to the events than `stamps`."""
    above: "RecordedSpan | None" = None
    """The span of its transaction; None for that one itself."""
    parent_id: int = 0
    remote_parent: bool = False
    caller: SpanContext | None = None
    """The parent span in another process."""
    baggage: str = ""
    """What of the caller's baggage goes on to providers."""
    trace_flags: int = 0
    trace_state: TraceState | None = None
    end_time: int = 0
    """Zero before the end."""
    stamps: list[tuple[str, int]] = []
    """The names and times of all events."""
    details: dict[int, SpanEvent] | None = None
    """The events that have attributes, by their index in `stamps`."""
    links: Sequence[Link] = ()
    status: Status = UNSET
    dropped_attributes: int = 0
    dropped_events: int = 0
    dropped_links: int = 0

    @property
    def context(self) -> SpanContext:
        self.decide()
        return SpanContext(self.trace_id, self.span_id, False, TraceFlags(self.trace_flags), self.trace_state)

    @property
    def attributes(self) -> Mapping[str, Value | None]:
        """All attributes so far; one that is None is not exported."""
        return merged(self.shared, self.varying)

    @property
    def events(self) -> Sequence[SpanEvent]:
        """All events so far."""
        details = self.details or {}
        return [details.get(at) or SpanEvent(name, time) for at, (name, time) in enumerate(self.stamps)]

    @property
    def resource(self) -> Resource:
        return self.tracer.resource

    @property
    def exemplar(self) -> dict[str, str] | None:
        """The exemplar that leads from a metric to this trace; None where the trace is not kept."""
        self.decide()
        return {"trace_id": f"{self.trace_id:032x}"} if self.sampled and self.tracer.has_exemplars else None

    def decide(self) -> None:
        """Ask the sampler, with the attributes known by now; the first call counts."""
        if self.is_decided:
            return
        self.is_decided = True
        if not self.tracer.decide(self):
            self.sampled = False
            self.recording = self.recording and self.is_kept

    def keep(self) -> None:
        """Record it, and those below it, even where they go to no sink."""
        self.is_kept = self.recording = True

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
            self.varying[key] = clean(self.tracer.scrub, text, min(limit, self.tracer.text_limit))

    def event(self, name: str, at_ns: int, attributes: Mapping[str, Value]) -> bool:
        """Record an event. False where there is no room for it, so that it is counted as dropped."""
        if not self.recording:
            return True
        limits, stamps = self.tracer.limits, self.stamps
        if len(stamps) >= limits.events:
            self.dropped_events += 1
            return False
        if attributes:
            cleaned = {
                key: self._clean(value) if isinstance(value, str) else value for key, value in attributes.items()
            }
            kept, dropped = first(cleaned, limits.event_attributes)
            if self.details is None:
                self.details = {}
            self.details[len(stamps)] = SpanEvent(name, at_ns, kept, dropped)
            self.has_details = True
        stamps.append((name, at_ns))
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
        limits = self.tracer.limits
        if len(self.links) >= limits.links:
            self.dropped_links += 1
            return
        link = Link(other, BoundedAttributes(limits.link_attributes, {Attribute.LINK: why}))
        self.links = (*self.links, link)

    def fail(self, description: str | None = None) -> None:
        if self.recording:
            self.status = Status(StatusCode.ERROR, self._clean(description) if description else None)

    def end(self, end_ns: int) -> None:
        """End the span at `end_ns`; the first call counts. It goes to the sink with its transaction's: when that ends,
        or at once if that has ended."""
        if not self.is_decided:
            self.decide()
        if not self.recording:
            return
        self.recording = False
        self.end_time = end_ns if end_ns > self.start_time else self.start_time
        above = self.above or self
        if self.is_absent:
            above.take_over(self)
        elif self.sampled:
            self.ended.append(self)
            if not above.recording:
                self._export()

    def _export(self) -> None:
        """Hand the spans of the transaction that have ended to the sink."""
        # Spans with captured content end on a thread of their own: another one may be added here and now.
        spans = [*self.ended]
        del self.ended[: len(spans)]
        try:
            limits = self.tracer.limits
            for span in spans:
                count = len(span.varying)
                for one in span.shared:
                    count += one.count
                if count > limits.attributes or limits.value_length is not None:
                    span.keep_to(limits)
            if self.tracer.sink is not None:
                self.tracer.sink(spans)
        except Exception as error:
            self.tracer.defects.note("span sink", error)

    def take_over(self, absent: "RecordedSpan") -> None:
        """Record what an absent span did: its events and, of an attempt, what the transaction does not know itself."""
        if not self.recording:
            return
        at = len(self.stamps)
        room = max(0, self.tracer.limits.events - at)
        self.stamps += absent.stamps[:room]
        if absent.details:
            late = {at + number: event for number, event in absent.details.items() if number < room}
            self.details = {**(self.details or {}), **late}
            self.has_details = bool(self.details)
        self.dropped_events += absent.dropped_events + max(0, len(absent.stamps) - room)
        if absent.kind is SpanKind.CLIENT:
            found = merged(self.shared, self.varying)
            merge_attempt(found, absent.attributes)
            self.shared, self.varying = [], found

    def keep_to(self, limits: SpanLimits) -> None:
        """Cut the attributes to what the operator's limits allow; those that were set first are kept."""
        length = limits.value_length
        known = {key: value for key, value in self.attributes.items() if value is not None}
        if length is not None:
            known = {key: cut(value, length) for key, value in known.items()}
        self.shared = []
        self.varying, self.dropped_attributes = first(known, limits.attributes)

    def _clean(self, text: str) -> str:
        return clean(self.tracer.scrub, text, self.tracer.text_limit)


Sink = Callable[[Sequence[RecordedSpan]], None]
"""Takes the spans of a transaction, in the order in which they ended. It must not wait."""
