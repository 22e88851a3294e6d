"""The text of a scrape, held to what prometheus-client makes of the same calls."""

from collections.abc import Iterator
from time import time

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from telemetry import AttemptTarget, TelemetryOptions, Tokens
from telemetry.metrics import rendering
from telemetry.metrics.instruments import counter, gauge, histogram
from telemetry.names.metrics import MetricSpec
from tests.unit.telemetry.fakes import Bench

CALLS = MetricSpec("calls_total", "counter", ("model", "kind"), "Calls.")
PLAIN = MetricSpec("plain_total", "counter", (), "No labels.")
DEPTH = MetricSpec("depth", "gauge", ("queue",), "Depth.")
TOOK = MetricSpec("took_seconds", "histogram", ("model",), "Time.", (0.01, 1.0, 67108864.0))
WHOLE = MetricSpec("whole_seconds", "histogram", (), "Time, all of it.", (0.5,))
TRACE = {"trace_id": "a" * 32}
AWKWARD = 'a\\b"c\nd{%s}é'


def use(calls: Counter, plain: Counter, depth: Gauge, took: Histogram, whole: Histogram) -> None:
    calls.labels("gpt-5", AWKWARD).inc()
    calls.labels("gpt-5", AWKWARD).inc(12345678901)
    calls.labels("idle", "x")
    plain.inc(0.25)
    for queue, value in {"sse": 3.0, "up": float("inf"), "down": float("-inf"), "lost": float("nan")}.items():
        depth.labels(queue).set(value)
    depth.labels("sse").inc(2)
    depth.labels("sse").dec()
    for value in (0.01, 0.5, 0.5, 1e9):
        took.labels(AWKWARD).observe(value, TRACE if value != 0.01 else None)
    took.labels("idle")
    whole.observe(0.1)


def ours() -> CollectorRegistry:
    registry = CollectorRegistry()
    use(
        counter(CALLS, registry),
        counter(PLAIN, registry),
        gauge(DEPTH, registry),
        histogram(TOOK, registry),
        histogram(WHOLE, registry),
    )
    return registry


def theirs() -> CollectorRegistry:
    registry = CollectorRegistry()
    use(
        Counter(CALLS.name, CALLS.help, CALLS.labels, registry=registry),
        Counter(PLAIN.name, PLAIN.help, registry=registry),
        Gauge(DEPTH.name, DEPTH.help, DEPTH.labels, registry=registry),
        Histogram(TOOK.name, TOOK.help, TOOK.labels, registry=registry, buckets=TOOK.buckets),
        Histogram(WHOLE.name, WHOLE.help, registry=registry, buckets=WHOLE.buckets),
    )
    return registry


def parsed(text: str, openmetrics: bool) -> list[Metric]:
    families = parse_openmetrics(text) if openmetrics else parse_text(text)  # type: ignore[no-untyped-call]
    return [family for family in families if not family.name.startswith("process_")]


def scraped(registry: CollectorRegistry, openmetrics: bool, *, created: bool = False) -> list[Metric]:
    return parsed("".join(rendering.pieces(registry, openmetrics=openmetrics, created=created)), openmetrics)


def by_library(registry: CollectorRegistry, openmetrics: bool) -> list[Metric]:
    text = generate_openmetrics(registry) if openmetrics else generate_latest(registry)  # type: ignore[no-untyped-call]
    return parsed(text.decode(), openmetrics)


def facts(families: list[Metric]) -> Iterator[tuple[object, ...]]:
    """Everything but times of creation and of exemplars, which no two runs share; in text, for NaN is like nothing."""
    for family in families:
        yield family.name, family.type, family.documentation
        for sample in family.samples:
            exemplar = sample.exemplar and (sample.exemplar.labels, sample.exemplar.value)
            if not sample.name.endswith("_created"):
                yield sample.name, sorted(sample.labels.items()), str(float(sample.value)), exemplar


@pytest.mark.parametrize("openmetrics", [False, True])
def test_a_scrape_says_what_the_librarys_own_would(openmetrics: bool) -> None:
    expected = list(facts(by_library(theirs(), openmetrics)))
    assert list(facts(scraped(ours(), openmetrics))) == expected
    assert any(len(fact) == 4 and fact[3] for fact in expected) is openmetrics


@pytest.mark.parametrize("openmetrics", [False, True])
def test_of_the_gateways_own_registry_text_and_samples_say_the_same(openmetrics: bool) -> None:
    bench = Bench(TelemetryOptions(semconv="both"))
    obs = bench.open()
    attempt = obs.attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5"))
    attempt.first_chunk()
    attempt.usage(Tokens(100, 0, 0, 20, 0))
    attempt.end()
    obs.finish("ok", status=200)
    assert scraped(bench.registry, openmetrics) == by_library(bench.registry, openmetrics)


def test_created_timestamps_are_told_where_they_are_asked_for() -> None:
    registry = ours()
    for openmetrics, created in ((True, False), (False, True)):
        text = "".join(rendering.pieces(registry, openmetrics=openmetrics, created=created))
        assert "_created" not in text
    families = scraped(registry, True, created=True)
    made = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name.endswith("_created")
    }
    assert {("calls_created", "idle", "x"), ("plain_created",), ("took_seconds_created", "idle")} <= made.keys()
    assert not any(name.startswith("depth") for name, *_ in made)
    assert all(abs(at - time()) < 60 for at in made.values())


def test_no_piece_keeps_others_waiting_for_long() -> None:
    registry = CollectorRegistry()
    took = histogram(TOOK, registry)
    for number in range(2000):
        took.labels(f"model-{number}")
    sizes = [len(piece) for piece in rendering.pieces(registry, openmetrics=True)]
    assert len(sizes) > 3
    assert max(sizes) < rendering.PIECE + 1000
