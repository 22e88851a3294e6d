"""What is written by templates, against the SDK's encoder of the same spans, attribute by attribute.

Names are few, so that shapes come again with other values, and with values of other types.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, DEFAULT_ON, Sampler
from opentelemetry.trace import SpanContext, SpanKind

from telemetry import Scrubber
from telemetry.guard import Defects
from telemetry.limits import SPAN_LIMITS, SpanLimits
from telemetry.names.events import Event
from telemetry.names.spans import Attribute, Value
from telemetry.traces.otlp_encoding import encode, encode_export
from telemetry.traces.sdk_spans import as_readable
from telemetry.traces.span_shapes import AttributeSet
from telemetry.traces.spans import RecordedSpan, Tracer

RESOURCE = Resource({"service.name": "flowspan"})
TRACEPARENT = "00-" + "1" * 32 + "-" + "2" * 16
ELSEWHERE = SpanContext(3, 4, False)

numbers = st.sampled_from([0, 1, -1, 127, 128, 4095, 4096, 16383, 16384, 2**31, 2**63 - 1, -(2**63)])
floats = st.floats(allow_nan=False) | st.sampled_from([0.0, -0.0, 1.0])
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=50) | st.sampled_from(["", "ü" * 40, "x" * 300])
values = st.none() | st.booleans() | numbers | floats | texts | st.lists(texts, max_size=2).map(tuple)
names = st.sampled_from(["a", "b", "c", "é", Attribute.TRANSACTION_ID, Attribute.RESPONSE_ID, Attribute.CONVERSATION])
given_attributes = st.dictionaries(names, values, max_size=5)
in_a_set = given_attributes.map(lambda given: {name: value for name, value in given.items() if value is not None})
events = st.lists(st.tuples(st.sampled_from([Event.REQUEST_SENT, Event.EXCEPTION, "é"]), in_a_set), max_size=4)
stamps: st.SearchStrategy[list[tuple[str, dict[str, Value]]]] = events.map(
    lambda given: [(name, {}) for name, _ in given]
)


@dataclass(frozen=True)
class Content:
    """What a span is told: sets, attributes, events, links, and why it failed."""

    sets: Sequence[dict[str, Value]] = ()
    varying: dict[str, Value | None] = field(default_factory=dict)
    events: Sequence[tuple[str, dict[str, Value]]] = ()
    links: int = 0
    failure: str | None = None

    def put_on(self, span: RecordedSpan) -> None:
        for one in self.sets:
            span.share(AttributeSet(one))
        span.set(self.varying)
        for at, (name, attributes) in enumerate(self.events):
            span.event(name, 10 + at, attributes)
        for _ in range(self.links):
            span.link(ELSEWHERE, "retry_of")
        if self.failure is not None:
            span.fail(self.failure)


spans = st.builds(
    Content,
    st.lists(in_a_set, max_size=2),
    given_attributes,
    stamps | events,
    st.integers(0, 2),
    st.sampled_from([None, "", "it é"]),
)


@dataclass(frozen=True)
class Bench:
    limits: SpanLimits = SPAN_LIMITS
    sampler: Sampler = DEFAULT_ON
    exported: list[RecordedSpan] = field(default_factory=list)

    def tracer(self) -> Tracer:
        return Tracer(
            sink=self.exported.extend,
            sampler=self.sampler,
            resource=RESOURCE,
            scrub=Scrubber(),
            defects=Defects(lambda: None),
            limits=self.limits,
        )

    def transaction(
        self, root: Content, *below: Content, flags: str | None = None, is_absent: bool = False
    ) -> RecordedSpan:
        """A transaction that has ended, with spans below it; `flags` are those of its caller, if it has one."""
        tracer = self.tracer()
        headers = {} if flags is None else {"traceparent": f"{TRACEPARENT}-{flags}", "tracestate": "vendor=é"}
        span = tracer.start_root("POST /é", 5, {}, headers)
        for content in below:
            child = tracer.start_child(span, "chat", 6, {}, SpanKind.CLIENT, is_absent=is_absent)
            content.put_on(child)
            child.end(2**63)
        root.put_on(span)
        span.end(2**62)
        return span


def in_order(request: ExportTraceServiceRequest) -> list[Span]:
    """The spans, without what the SDK's encoder leaves out and without the order of attributes, which means nothing."""
    found = [span for each in request.resource_spans for scope in each.scope_spans for span in scope.spans]
    for span in found:
        span.flags &= ~0xFF
        span.dropped_attributes_count = span.dropped_events_count = span.dropped_links_count = 0
        span.attributes.sort(key=lambda one: one.key)
        for event in span.events:
            event.dropped_attributes_count = 0
        for link in span.links:
            link.flags &= ~0xFF
    return found


def decoded(exported: Sequence[RecordedSpan]) -> list[Span]:
    return in_order(ExportTraceServiceRequest.FromString(encode_export(map(encode, exported), RESOURCE)))


def sdks(exported: Sequence[RecordedSpan]) -> list[Span]:
    return in_order(encode_spans([as_readable(span) for span in exported]))


@settings(max_examples=300, deadline=None)
@given(spans, st.lists(spans, max_size=2), st.sampled_from([None, "01"]), st.sampled_from([DEFAULT_ON, ALWAYS_ON]))
def test_whatever_spans_are_told_is_what_the_sdk_would_write(
    root: Content, below: list[Content], flags: str | None, sampler: Sampler
) -> None:
    bench = Bench(sampler=sampler)
    bench.transaction(root, *below, flags=flags)
    assert len(bench.exported) == 1 + len(below)
    assert decoded(bench.exported) == sdks(bench.exported)


@settings(max_examples=100, deadline=None)
@given(spans, spans)
def test_what_an_absent_span_was_told_stands_on_the_one_above(root: Content, absent: Content) -> None:
    bench = Bench()
    bench.transaction(root, absent, is_absent=True)
    (exported,) = bench.exported
    assert decoded([exported]) == sdks([exported])
    assert [event.name for event in exported.events] == [name for name, _ in (*absent.events, *root.events)]
    details = [event.attributes for event in exported.events]
    assert [one.keys() for one in details] == [about.keys() for _, about in (*absent.events, *root.events)]


@settings(max_examples=100, deadline=None)
@given(spans, st.integers(1, 4), st.sampled_from([None, 0, 3]))
def test_limits_hold_whatever_is_told(root: Content, limit: int, length: int | None) -> None:
    limits = SpanLimits(limit, limit, limit, limit, limit, length)
    bench = Bench(limits)
    span = bench.transaction(root)
    (found,) = decoded([span])
    assert [found] == sdks([span])
    named = {name for one in root.sets for name in one} | {
        name for name, value in root.varying.items() if value is not None
    }
    without_value = {name for name, value in root.varying.items() if value is None}
    assert len(found.attributes) == min(limit, len(named - without_value))
    assert span.dropped_attributes == max(0, len(named - without_value) - limit)
    assert (len(found.events), span.dropped_events) == (min(limit, len(root.events)), max(0, len(root.events) - limit))
    assert (len(found.links), span.dropped_links) == (min(limit, root.links), max(0, root.links - limit))
    if length is not None:
        assert all(len(one.value.string_value) <= length for one in found.attributes)


def test_what_a_caller_does_not_sample_is_exported_by_nobody_and_kept_by_whoever_wants_it() -> None:
    bench = Bench()
    assert not bench.transaction(Content(varying={"a": 1}), Content(), flags="00").attributes.keys() - {"a"}
    tracer = bench.tracer()
    span = tracer.start_root("POST /", 5, {}, {"traceparent": f"{TRACEPARENT}-00"})
    span.keep()
    span.decide()
    child = tracer.start_child(span, "chat", 6, {})
    Content(varying={"b": 2}, events=[("sent", {}), ("failed", {"a": 1})]).put_on(child)
    child.end(7)
    span.end(8)
    assert child.attributes == {"b": 2}
    assert [(event.name, dict(event.attributes)) for event in child.events] == [("sent", {}), ("failed", {"a": 1})]
    assert not bench.exported


def test_a_span_that_ends_after_its_transaction_is_exported_by_itself() -> None:
    bench = Bench()
    tracer = bench.tracer()
    root = tracer.start_root("POST /", 5, {}, {})
    early, late = tracer.start_child(root, "early", 6, {}), tracer.start_child(root, "late", 6, {})
    early.end(7)
    assert not bench.exported
    root.end(8)
    assert bench.exported == [early, root]
    late.end(9)
    assert bench.exported == [early, root, late]


def test_values_that_are_equal_and_of_other_types_are_told_apart() -> None:
    bench = Bench()
    for value in (1, True, 1.0, 0, False, 0.0, -0.0, ("1",), "1"):
        bench.transaction(Content(varying={"a": value}))
    assert [span.attributes[0].value.WhichOneof("value") for span in decoded(bench.exported)] == [
        "int_value",
        "bool_value",
        "double_value",
        "int_value",
        "bool_value",
        "double_value",
        "double_value",
        "array_value",
        "string_value",
    ]
    assert decoded(bench.exported) == sdks(bench.exported)
