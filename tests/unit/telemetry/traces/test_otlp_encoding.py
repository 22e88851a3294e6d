"""Our protobuf against the SDK's: the same messages, by a real decoder."""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode

from telemetry import Scrubber
from telemetry.guard import Defects
from telemetry.limits import SPAN_LIMITS, SpanLimits
from telemetry.names.spans import Attribute, Value
from telemetry.traces.otlp_encoding import EndedSpan, encode, encode_export
from telemetry.traces.sdk_spans import as_ended, as_readable
from telemetry.traces.span_shapes import AttributeSet
from telemetry.traces.spans import RecordedSpan, Tracer

RESOURCE = Resource({"service.name": "flowspan", "telemetry.sdk.version": "1", "n": 3, "share": 0.5, "on": True})
SCOPES = (InstrumentationScope("flowspan"), InstrumentationScope("other", "1.2"))

scalars = st.text(max_size=60) | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False)
lists = st.lists(st.text(max_size=5), max_size=3).map(tuple) | st.lists(st.integers(-5, 500), max_size=3).map(tuple)
keys = st.text(min_size=1, max_size=8) | st.sampled_from([Attribute.TRANSACTION_ID, Attribute.RESPONSE_ID])
attributes = st.dictionaries(keys, scalars | lists, max_size=6)
contexts = st.builds(
    SpanContext,
    st.integers(1, 2**128 - 1),
    st.integers(1, 2**64 - 1),
    st.booleans(),
    st.sampled_from([TraceFlags(0), TraceFlags(1)]),
    st.sampled_from([TraceState(), TraceState([("vendor", "value"), ("b", "2")])]),
)
times = st.integers(0, 2**63)
spans = st.builds(
    ReadableSpan,
    name=st.text(max_size=20),
    context=contexts,
    parent=st.none() | contexts,
    resource=st.just(RESOURCE),
    attributes=attributes,
    events=st.lists(st.builds(Event, st.text(max_size=9), attributes, st.integers(1, 2**63)), max_size=2),
    links=st.lists(st.builds(Link, contexts, attributes), max_size=2),
    kind=st.sampled_from(SpanKind),
    status=st.sampled_from([Status(StatusCode.UNSET), Status(StatusCode.OK), Status(StatusCode.ERROR, "why")]),
    start_time=times,
    end_time=times,
    instrumentation_scope=st.sampled_from(SCOPES),
)


def decoded(batch: Iterable[EndedSpan]) -> ExportTraceServiceRequest:
    return ExportTraceServiceRequest.FromString(encode_export(map(encode, batch), RESOURCE))


def by_scope(request: ExportTraceServiceRequest) -> dict[tuple[str, str], list[Span]]:
    """Without what the SDK's encoder leaves out: the sampled flag, and the state of what a link points to; and without
    the order of attributes, which means nothing."""
    found = {}
    for resource_spans in request.resource_spans:
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                span.flags &= ~0xFF
                span.attributes.sort(key=attrgetter("key"))
                for link in span.links:
                    link.flags &= ~0xFF
                    link.trace_state = ""
            found[scope_spans.scope.name, scope_spans.scope.version] = list(scope_spans.spans)
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(spans, min_size=1, max_size=3))
def test_any_spans_are_what_the_sdk_says_they_are(batch: list[ReadableSpan]) -> None:
    ours, sdks = decoded(map(as_ended, batch)), encode_spans(batch)
    assert ours.resource_spans[0].resource == sdks.resource_spans[0].resource
    assert by_scope(ours) == by_scope(sdks)


def test_our_own_spans_are_what_the_sdk_says_they_are() -> None:
    ended: list[RecordedSpan] = []
    tracer = Tracer(
        sink=ended.extend, sampler=ALWAYS_ON, resource=RESOURCE, scrub=Scrubber(), defects=Defects(lambda: None)
    )
    headers = {"traceparent": "00-" + "1" * 32 + "-" + "2" * 16 + "-01", "tracestate": "vendor=value"}
    root = tracer.start_root("POST /v1/chat/completions", 5, {"n": 1, "nothing": None}, headers)
    child = tracer.start_child(root, "chat gpt-5", 6, {"model": "gpt-5", "stream": True}, SpanKind.CLIENT)
    child.event("first", 7, {"key": "sk-0123456789abcdef"})
    child.link(root.context, "retry_of")
    child.fail("it said no")
    child.set({"ttft_s": 0.5, "reasons": ("stop", "length"), "nothing": None})
    child.end(8)
    root.end(9)
    assert [span.name for span in ended] == ["chat gpt-5", "POST /v1/chat/completions"]
    ours, sdks = decoded(ended), encode_spans([as_readable(span) for span in ended])
    assert by_scope(ours) == by_scope(sdks)
    assert all(span.flags & 1 for span in decoded(ended).resource_spans[0].scope_spans[0].spans)


def recorded(limits: SpanLimits, sets: Sequence[Mapping[str, Value]], varying: Mapping[str, Value]) -> RecordedSpan:
    """A span that has ended, with attributes that it shares and others."""
    ended: list[RecordedSpan] = []
    tracer = Tracer(
        sink=ended.extend,
        sampler=ALWAYS_ON,
        resource=RESOURCE,
        scrub=Scrubber(),
        defects=Defects(lambda: None),
        limits=limits,
    )
    root = tracer.start_root("POST /", 5, {}, {})
    for attributes in sets:
        root.share(AttributeSet(attributes))
    root.set(varying)
    root.end(9)
    return ended[0]


@settings(max_examples=150, deadline=None)
@given(st.lists(attributes, max_size=3), attributes)
def test_shared_attributes_are_attributes_like_any_others(
    sets: list[dict[str, Value]], varying: dict[str, Value]
) -> None:
    span = recorded(SPAN_LIMITS, sets, varying)
    merged = {**{key: value for each in sets for key, value in each.items()}, **varying}
    assert span.attributes == merged
    [encoded] = decoded([span]).resource_spans[0].scope_spans[0].spans
    [plain] = decoded([recorded(SPAN_LIMITS, [], merged)]).resource_spans[0].scope_spans[0].spans
    assert len(encoded.attributes) == len(merged)
    assert {one.key: one.value for one in encoded.attributes} == {one.key: one.value for one in plain.attributes}


def test_limits_hold_for_shared_attributes_too() -> None:
    span = recorded(SpanLimits(attributes=3, value_length=2), [{"a": "long", "b": 1}], {"c": "longer", "d": 2})
    [encoded] = decoded([span]).resource_spans[0].scope_spans[0].spans
    assert {one.key: one.value.string_value for one in encoded.attributes} == {"a": "lo", "b": "", "c": "lo"}
    assert encoded.dropped_attributes_count == 1


def test_a_set_takes_the_place_of_another_one() -> None:
    ended: list[RecordedSpan] = []
    tracer = Tracer(
        sink=ended.extend, sampler=ALWAYS_ON, resource=RESOURCE, scrub=Scrubber(), defects=Defects(lambda: None)
    )
    before, after = AttributeSet({"model": "a", "policy": "redact"}), AttributeSet({"model": "b", "policy": None})
    root = tracer.start_root("POST /", 5, {}, {}, before)
    root.share(after, instead_of=before)
    root.share(after, instead_of=after)
    root.end(6)
    assert ended[0].attributes == {"model": "b"}


def test_text_that_is_no_utf8_does_not_lose_a_batch() -> None:
    span = ReadableSpan("half \ud83d", context=SpanContext(1, 2, False), attributes={"half": "a \udc00"})
    [found] = decoded([as_ended(span)]).resource_spans[0].scope_spans[0].spans
    assert found.name == "half ?"


@pytest.mark.parametrize("id", ["req_" + "0" * 32, "\U0001f600" * 40, "", "half \ud83d"])
def test_an_id_of_a_request_is_a_text_like_any_other(id: str) -> None:
    span = ReadableSpan("chat", context=SpanContext(1, 2, False), attributes={Attribute.RESPONSE_ID: id, "n": 1})
    [encoded] = decoded([as_ended(span)]).resource_spans[0].scope_spans[0].spans
    found = {one.key: one.value for one in encoded.attributes}
    assert found[Attribute.RESPONSE_ID].string_value == id.encode("utf-8", "replace").decode()
