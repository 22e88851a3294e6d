"""Queries name what is there, and whoever renames it is told who lives on it."""

import re
from dataclasses import replace
from typing import Any, get_args

import pytest

from dashboards.checks import broken
from dashboards.promql import known_series, problems
from dashboards.queries import Query, read_queries
from telemetry.names import Where
from telemetry.names.metrics import METRICS, PROCESS, MetricSpec
from telemetry.names.spans import ATTRIBUTES

QUERIES = read_queries()
LINKS = [query for query in QUERIES if query.source == "tempo"]


def test_every_query_names_metrics_and_labels_that_are_there() -> None:
    assert broken(QUERIES) == []


def changed(metric: str, **changes: Any) -> list[MetricSpec]:
    return [replace(spec, **changes) if spec.name == metric else spec for spec in (*METRICS, *PROCESS)]


def test_renaming_a_metric_names_the_panels_and_alerts_concerned() -> None:
    found = broken(QUERIES, changed("flowspan_queue_overflows_total", name="flowspan_queue_spills_total"))
    assert {line.partition(": flowspan_")[0] for line in found} == {
        "panel Flow overview: Overflows",
        "panel Queue health: Overflows",
        "alert QueueOverflow",
    }
    assert all("flowspan_queue_overflows_total is no metric" in line for line in found)


def test_what_rests_on_a_recorded_series_is_told_too() -> None:
    found = broken(QUERIES, changed("flowspan_requests_total", name="flowspan_transactions_total"))
    assert "alert InternalErrors: rests on flowspan:internal_errors:increase5m" in found
    assert "record flowspan:requests_failed:ratio_rate5m: flowspan_requests_total is no metric" in found


def test_renaming_a_label_names_the_panels_and_alerts_concerned() -> None:
    found = broken(QUERIES, changed("flowspan_breaker_trips_total", labels=("circuit", "reason")))
    assert "record flowspan:breaker_trips:increase5m: groups by breaker, which nothing in it has" in found
    assert "alert BreakerTripped: rests on flowspan:breaker_trips:increase5m" in found
    assert "annotation Policies: Breaker trips: groups by breaker, which nothing in it has" in found


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ('rate(flowspan_requests_total{outcom="ok"}[5m])', "flowspan_requests_total has no label outcom"),
        ("flowspan_overhead_seconds", "flowspan_overhead_seconds is no metric"),
        ("sum by (queue) (flowspan_streams_in_flight)", "groups by queue, which nothing in it has"),
        ("sum(flowspan_streams_in_flight", "cannot be read"),
    ],
)
def test_what_a_query_gets_wrong(query: str, problem: str) -> None:
    (found,) = problems(query, known_series())
    assert problem in found


def attributes(traceql: str) -> list[str]:
    return [name.rstrip(".") for _, name in re.findall(r"\b(span|event)\.([\w.$\{\}]+)", traceql)]


@pytest.mark.parametrize("query", LINKS, ids=lambda query: query.where)
def test_every_search_for_traces_names_attributes_that_are_there(query: Query) -> None:
    for name in attributes(query.text):
        for where in get_args(Where) if "${" in name else [""]:
            assert re.sub(r"\$\{.*?\}", where, name) in ATTRIBUTES


@pytest.mark.parametrize("query", LINKS, ids=lambda query: query.where)
def test_a_search_for_transactions_or_attempts_names_attributes_that_they_have(query: Query) -> None:
    for kind, span in (("server", "transaction"), ("client", "attempt")):
        if f"kind = {kind}" in query.text:
            for name in re.findall(r"\bspan\.([\w.]+)", query.text):
                assert ATTRIBUTES[name].on == "any that failed" or span in ATTRIBUTES[name].on, name
