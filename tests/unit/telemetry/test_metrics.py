import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

import telemetry.names
from telemetry.instruments import Bounded
from telemetry.metrics import Metrics
from telemetry.names import METRICS, OUTCOMES

TELEMETRY = Path(telemetry.names.__file__).parent


def exposed(registry: CollectorRegistry) -> dict[str, list[dict[str, str]]]:
    found: dict[str, list[dict[str, str]]] = {}
    for metric in registry.collect():
        for sample in metric.samples:
            found.setdefault(sample.name, []).append(sample.labels)
    return found


def test_every_declared_metric_is_made_and_no_other() -> None:
    registry = Metrics().registry
    made = {f"{metric.name}_total" if metric.type == "counter" else metric.name for metric in registry.collect()}
    assert made == {spec.name for spec in METRICS}


def test_names_say_unit_and_kind() -> None:
    assert len({spec.name for spec in METRICS}) == len(METRICS)
    for spec in METRICS:
        assert re.fullmatch(r"(flowspan|gen_ai)_[a-z_]+", spec.name)
        assert spec.name.endswith("_total") is (spec.kind == "counter")
        assert list(spec.buckets) == sorted(set(spec.buckets))
        assert bool(spec.buckets) is (spec.kind == "histogram")
        assert spec.help.endswith(".")


def test_no_name_is_spelt_out_elsewhere() -> None:
    names = re.compile("|".join(spec.name for spec in METRICS))
    for path in TELEMETRY.rglob("*.py"):
        if path.name != "names.py":
            code = re.sub(r'"""(?s:.*?)"""', "", path.read_text())
            assert not names.search(code), path


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
    assert len(exposed(metrics.registry)["flowspan_requests_total"]) < 100
    metrics.server.outcomes("openai_chat", "model-7", True)
    labels = {"api": "openai_chat", "model": "model-7", "stream": "true"}
    for outcome in OUTCOMES:
        assert metrics.registry.get_sample_value("flowspan_requests_total", {**labels, "outcome": outcome}) == 0


def test_a_registered_breaker_is_closed_and_has_all_its_counters() -> None:
    metrics = Metrics()
    metrics.register_breaker("sse")
    metrics.register_breaker("sse")
    samples = exposed(metrics.registry)
    assert {"breaker": "sse", "reason": "probe_failed"} in samples["flowspan_breaker_trips_total"]
    assert {"breaker": "sse", "reason": "open"} in samples["flowspan_breaker_rejections_total"]
    assert {"breaker": "sse", "from_state": "open", "to_state": "half_open"} in samples[
        "flowspan_breaker_transitions_total"
    ]
    assert metrics.breakers.states == {"sse": "closed"}


@pytest.mark.parametrize(("value", "expected"), [("known", "known"), ("new", "new"), ("with space", "other")])
def test_a_bounded_label_lets_names_through(value: str, expected: str) -> None:
    assert Bounded(("known",), room=2)(value) == expected


def test_a_bounded_label_lets_no_more_through_than_it_has_room_for() -> None:
    label = Bounded(room=2)
    assert [label(value) for value in ("a", "b", "c", "a")] == ["a", "b", "other", "a"]
