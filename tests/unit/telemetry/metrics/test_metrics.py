import re
from pathlib import Path
from time import time

import pytest
from opentelemetry.trace import format_trace_id
from prometheus_client import CollectorRegistry

from telemetry import AttemptTarget
from telemetry.metrics.instruments import Bounded
from telemetry.metrics.pools import PoolReading
from telemetry.metrics.registry import Metrics
from telemetry.metrics.traffic import EAGER_DEPLOYMENTS
from telemetry.names import APIS, OUTCOMES
from telemetry.names import metrics as names
from telemetry.names.metrics import METRICS, PROCESS
from telemetry.names.semconv import Semconv
from tests.unit.telemetry.fakes import Bench, text_chunk

TELEMETRY = Path(names.__file__).parent


def exposed(registry: CollectorRegistry) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for metric in registry.collect():
        for sample in metric.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


@pytest.mark.parametrize("semconv", ["1.41", "0.1", "both"])
def test_every_declared_metric_is_made_and_no_other(semconv: Semconv) -> None:
    registry = Metrics(semconv=semconv).registry
    made = [f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in registry.collect()]
    declared = [
        spec.name for spec in (*METRICS, *PROCESS) if "both" in (semconv, spec.semconv) or spec.semconv == semconv
    ]
    assert sorted(made) == sorted(declared)


def test_names_say_unit_and_kind() -> None:
    assert len({spec.name for spec in METRICS}) == len(METRICS)
    for spec in METRICS:
        assert re.fullmatch(r"(flowspan|gen_ai)_[a-z_]+", spec.name)
        assert spec.name.endswith("_total") is (spec.kind == "counter")
        assert list(spec.buckets) == sorted(set(spec.buckets))
        assert bool(spec.buckets) is (spec.kind == "histogram")
        assert spec.help.endswith(".")


def test_no_name_is_spelt_out_elsewhere() -> None:
    spelt = re.compile("|".join(spec.name for spec in METRICS))
    for path in TELEMETRY.rglob("*.py"):
        if path.parent.name != "names":
            code = re.sub(r'"""(?s:.*?)"""', "", path.read_text())
            assert not spelt.search(code), path


def test_children_of_fixed_sets_stand_at_zero_from_the_start() -> None:
    registry = Metrics(models=[("gpt-5", "openai")], policies=["redact"]).registry
    samples = exposed(registry)
    requests = samples["flowspan_requests_total"]
    for outcome in OUTCOMES:
        assert {"api": "openai_chat", "model": "gpt-5", "stream": "true", "outcome": outcome} in requests
        assert {"api": "openai_chat", "model": "other", "stream": "false", "outcome": outcome} in requests
    assert {"queue": "sse"} in samples["flowspan_queue_overflows_total"]
    assert {"where": "upstream"} in samples["flowspan_stream_seconds_total"]
    assert {"policy": "redact", "kind": "tool_call"} in samples["flowspan_policy_skipped_total"]
    assert {"policy": "redact", "hook": "on_content_delta"} in samples["flowspan_policy_timeouts_total"]
    assert {"signal": "traces", "reason": "queue_full"} in samples["flowspan_telemetry_items_dropped_total"]
    assert {"signal": "traces", "result": "failed"} in samples["flowspan_telemetry_exports_total"]
    assert {"api": "anthropic_messages", "phase": "streaming"} in samples["flowspan_client_disconnects_total"]


def test_thousands_of_models_do_not_make_thousands_of_children_at_the_start() -> None:
    metrics = Metrics(models=[(f"model-{number}", "openai") for number in range(2000)])
    assert len(exposed(metrics.registry)["flowspan_requests_total"]) == len([*APIS, "other"]) * 2 * len(OUTCOMES)
    metrics.server.outcomes["openai_chat", "model-7", True]
    labels = {"api": "openai_chat", "model": "model-7", "stream": "true"}
    for outcome in OUTCOMES:
        assert metrics.registry.get_sample_value("flowspan_requests_total", {**labels, "outcome": outcome}) == 0


def test_configured_deployments_have_their_counters_before_anybody_asks_them() -> None:
    bench = Bench()
    bench.telemetry.register_deployments(["east", "west"])
    assert bench.value("flowspan_breaker_trips_total", breaker="east", reason="failure_rate") == 0
    assert bench.value("flowspan_upstream_attempts_total", deployment="west", reason="fallback") == 0
    assert bench.value("flowspan_upstream_outcomes_total", deployment="west", outcome="timeout") == 0
    assert bench.value("flowspan_upstream_responses_total", deployment="west", status_class="429") == 0
    assert bench.value("flowspan_upstream_in_flight", deployment="west") == 0


def test_thousands_of_deployments_do_not_make_thousands_of_children_at_the_start() -> None:
    bench = Bench()
    bench.telemetry.register_deployments([f"deployment-{number}" for number in range(EAGER_DEPLOYMENTS + 1)])
    assert bench.telemetry.snapshot().breakers == {}


def test_an_attempt_is_counted_by_why_it_was_made() -> None:
    bench = Bench()
    obs = bench.open()
    first = obs.attempts.start(AttemptTarget(deployment="east", provider="openai", model="gpt-5", model_group="gpt-5"))
    again = obs.attempts.start(
        AttemptTarget(deployment="east", provider="openai", model="gpt-5", model_group="gpt-5"), retry_of=first
    )
    obs.attempts.start(
        AttemptTarget(deployment="west", provider="openai", model="gpt-5-mini", model_group="gpt-5"),
        retry_of=again,
        fallback=True,
    )
    for deployment, reason in (("east", "first"), ("east", "retry"), ("west", "fallback")):
        assert bench.value("flowspan_upstream_attempts_total", deployment=deployment, reason=reason) == 1
    assert bench.value("flowspan_upstream_attempts_total", deployment="west", reason="retry") == 0


def test_pools_are_shown_as_sampled_and_at_zero_once_they_are_closed() -> None:
    bench = Bench()
    origin = "https://api.openai.com"
    readings = [PoolReading(origin, 2, 1, 3, [0.02, 0.03], 1)]
    bench.telemetry.watch_pools(lambda: readings)
    bench.telemetry.sampler.sample()
    for state, count in {"active": 2, "idle": 1, "waiting": 3}.items():
        assert bench.value("flowspan_upstream_connections", origin=origin, state=state) == count
    readings.clear()
    bench.telemetry.sampler.sample()
    for state in ("active", "idle", "waiting"):
        assert bench.value("flowspan_upstream_connections", origin=origin, state=state) == 0
    assert bench.value("flowspan_upstream_connect_seconds_count", origin=origin) == 2
    assert bench.value("flowspan_upstream_resent_requests_total", origin=origin) == 1


def test_what_comes_in_and_what_goes_out_is_counted_while_the_stream_runs() -> None:
    bench = Bench()
    obs = bench.open()
    for _ in range(3):
        obs.recorder.chunk_in()
    obs.recorder.sent_bytes(100)
    bench.telemetry.sampler.sample()
    obs.recorder.chunk_in()
    obs.recorder.sent_bytes(20)
    obs.finish("ok", status=200)
    assert bench.value("flowspan_upstream_chunks_total") == 4
    assert bench.value("flowspan_client_bytes_total") == 120


def test_a_policy_says_when_it_was_loaded() -> None:
    loaded = Bench().value("flowspan_policy_loaded_timestamp_seconds", policy="redact")
    assert loaded is not None
    assert abs(loaded - time()) < 60


def exemplars(registry: CollectorRegistry, metric: str) -> list[str]:
    found = (family for family in registry.collect() if family.name == metric)
    return [sample.exemplar.labels["trace_id"] for family in found for sample in family.samples if sample.exemplar]


def test_every_histogram_with_a_p95_leads_to_the_trace() -> None:
    bench = Bench()
    obs = bench.open()
    with obs.policy("redact").hook("on_request") as scope:
        obs.policy("redact").timer("on_request").observe(0.01, scope.span.exemplar)
    attempt = obs.attempts.start(
        AttemptTarget(deployment="east", provider="openai", model="gpt-5", model_group="gpt-5")
    )
    attempt.first_chunk()
    attempt.end()
    queue = obs.queues.open("sse", 10, 1000)
    queue.put(2, 2, bench.clock())
    queue.took(2, 2, bench.clock())
    queue.residence(0.2, 1)
    queue.residence(0.001, 1)
    obs.policy("redact").held("content", 0.1)
    obs.recorder.chunk_out(text_chunk("x"))
    obs.recorder.sent_bytes(1)
    obs.finish("ok", status=200)
    trace_id = format_trace_id(obs.span_context.trace_id)
    for spec in (
        names.SERVER_DURATION,
        names.SERVER_TTFT,
        names.CLIENT_DURATION,
        names.CLIENT_TTFC,
        names.QUEUE_RESIDENCE,
        names.POLICY_HOOK_SECONDS,
        names.POLICY_HOLD,
    ):
        assert exemplars(bench.registry, spec.name) == [trace_id], spec.name
    assert set(exemplars(bench.registry, names.OVERHEAD.name)) == {trace_id}


def test_a_registered_breaker_is_closed_and_has_all_its_counters() -> None:
    metrics = Metrics()
    metrics.breakers.register("sse")
    metrics.breakers.register("sse")
    samples = exposed(metrics.registry)
    assert {"breaker": "sse", "reason": "probe_failed"} in samples["flowspan_breaker_trips_total"]
    assert {"breaker": "sse", "reason": "open"} in samples["flowspan_breaker_rejections_total"]
    assert {"breaker": "sse", "from_state": "open", "to_state": "half_open"} in samples[
        "flowspan_breaker_transitions_total"
    ]
    assert metrics.breakers.states == {"sse": "closed"}


@pytest.mark.parametrize(("value", "expected"), [("known", "known"), ("new", "new"), ("with space", "other")])
def test_a_bounded_label_lets_names_through(value: str, expected: str) -> None:
    assert Bounded(("known",), room=2)[value] == expected


def test_a_bounded_label_lets_no_more_through_than_it_has_room_for() -> None:
    label = Bounded(room=2)
    assert [label[value] for value in ("a", "b", "c", "a")] == ["a", "b", "other", "a"]
