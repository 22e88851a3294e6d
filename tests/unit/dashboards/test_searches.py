"""The reader of TraceQL and LogQL that the live run is judged by: it has to find what is there, and only that."""

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tests.real.searches import Line, search_lines, search_traces


def span(name: str, **attributes: str | int) -> Span:
    made = Span(name=name, kind=Span.SPAN_KIND_SERVER, start_time_unix_nano=0, end_time_unix_nano=6_000_000_000)
    for key, value in attributes.items():
        wrapped = AnyValue(int_value=value) if isinstance(value, int) else AnyValue(string_value=value)
        made.attributes.append(KeyValue(key=key.replace("_", "."), value=wrapped))
    return made


SPANS = [span("POST /v1/messages", outcome="ok"), span("flowspan.queue sse", queue_name="sse", overflows=1)]
SPANS[0].status.CopyFrom(Status(code=Status.STATUS_CODE_ERROR))
policies = ArrayValue(values=[AnyValue(string_value="redact"), AnyValue(string_value="limit")])
SPANS[0].attributes.append(KeyValue(key="policy", value=AnyValue(array_value=policies)))


@pytest.mark.parametrize(
    ("conditions", "found"),
    [
        ('span.outcome = "ok"', [0]),
        ('span.outcome != "ok"', []),
        ('span.queue.name = "sse"', [1]),
        ("span.overflows > 0", [1]),
        ("span.overflows > 1", []),
        ('name =~ "flowspan.queue.*"', [1]),
        ("duration > 5s", [0, 1]),
        ("duration > 6s", []),
        ("kind = server && status = error", [0]),
        ("kind = client", []),
        ('span.policy = "limit"', [0]),
        ('event.decision = "redacted"', []),
    ],
)
def test_a_search_finds_the_spans_that_meet_all_its_conditions(conditions: str, found: list[int]) -> None:
    query = f'{{ resource.service.name = "flowspan" && {conditions} }} | select(span.outcome)'
    assert [SPANS.index(each) for each in search_traces(query, SPANS)] == found


LINES = [
    Line("a", {"service_name": "flowspan", "outcome": "overflow", "severity_text": "INFO"}),
    Line("b", {"service_name": "flowspan", "breaker": "queue:sse", "severity_text": "WARNING"}),
]


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ('outcome="overflow"', "a"),
        ('breaker!=""', "b"),
        ('severity_text=~"WARNING|ERROR"', "b"),
        ('outcome=~"over"', ""),
        ('breaker!="" | outcome="overflow"', ""),
    ],
)
def test_a_search_finds_the_lines_that_pass_all_its_filters(filters: str, found: str) -> None:
    query = f'{{service_name="flowspan"}} | {filters}'
    assert "".join(line.body for line in search_lines(query, LINES)) == found


@pytest.mark.parametrize("query", ['{ span.a = "b" || span.c = "d" }', "{ rate() }", "nothing"])
def test_what_it_cannot_read_is_no_empty_answer(query: str) -> None:
    with pytest.raises(ValueError, match="dashboards use"):
        search_traces(query, SPANS)
    with pytest.raises(ValueError, match="dashboards use"):
        search_lines(query, LINES)
