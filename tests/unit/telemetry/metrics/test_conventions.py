"""The names of the GenAI conventions by the operator's choice, over what was counted once."""

import pytest

from telemetry import AttemptTarget, TelemetryOptions, Tokens
from telemetry.names.semconv import Semconv
from tests.unit.telemetry.fakes import Bench, attributes_of

every_release = pytest.mark.parametrize("semconv", ["1.41", "0.1", "both"])
OLD = "gen_ai_client_operation_duration_seconds_count"
NEW = "gen_ai_client_inference_duration_seconds_count"
USAGE = "gen_ai_client_inference_usage"


def bench_of(semconv: Semconv) -> Bench:
    return Bench(TelemetryOptions(semconv=semconv))


def attempt(bench: Bench, operation: str = "chat", usage: Tokens | None = None, error_type: str = "") -> None:
    target = AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5", operation=operation)
    obs = bench.open()
    made = obs.attempts.start(target)
    if usage is not None:
        made.first_chunk()
        made.usage(usage)
    if error_type:
        made.fail(error_type)
    made.end()
    obs.finish("ok", status=200)


def labels(operation: str = "chat", **others: str) -> dict[str, str]:
    named = {"gen_ai_operation_name": operation, "gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-5"}
    return {**named, "flowspan_deployment": "d1", **others}


@every_release
def test_an_attempt_has_the_chosen_names(semconv: Semconv) -> None:
    bench = bench_of(semconv)
    attempt(bench, usage=Tokens(100, 0, 0, 20, 0))
    old, new = (None if semconv == unlike else 1 for unlike in ("0.1", "1.41"))
    assert bench.value(OLD, **labels(error_type="")) == old
    assert bench.value(NEW, **labels(error_type="")) == new
    assert bench.value("gen_ai_client_operation_time_to_first_chunk_seconds_count", **labels()) == old
    assert bench.value("gen_ai_client_inference_time_to_first_chunk_seconds_count", **labels()) == new
    assert bench.value("gen_ai_client_token_usage_sum", **labels(gen_ai_token_type="input")) == (old and 100)
    assert bench.value("gen_ai_client_inference_operation_input_tokens_sum", **labels()) == (new and 100)
    assert bench.value("gen_ai_client_inference_operation_output_tokens_sum", **labels()) == (new and 20)


def test_tokens_are_counters_to_which_a_failed_attempt_adds_nothing() -> None:
    bench = bench_of("0.1")
    attempt(bench, error_type="upstream_timeout")
    total = labels(gen_ai_token_modality="unknown")
    part = {name: value for name, value in total.items() if name != "gen_ai_operation_name"}
    assert bench.value(f"{USAGE}_input_tokens_total", **total) == 0
    assert bench.value(f"{USAGE}_cache_read_input_tokens_total", **part) == 0
    attempt(bench, usage=Tokens(30, 60, 10, 15, 5))
    for name, count in {"input": 100, "output": 20}.items():
        assert bench.value(f"{USAGE}_{name}_tokens_total", **total) == count
    for name, count in {"cache_read_input": 60, "cache_write_input": 10, "reasoning_output": 5}.items():
        assert bench.value(f"{USAGE}_{name}_tokens_total", **part) == count
    assert bench.value(NEW, **labels(error_type="upstream_timeout")) == 1


@every_release
def test_what_is_no_inference_is_told_apart_by_the_metrics_name(semconv: Semconv) -> None:
    bench = bench_of(semconv)
    attempt(bench, "embeddings", Tokens(7, 0, 0, 0, 0))
    attempt(bench, "fetch_response", Tokens(9, 0, 0, 0, 0))
    old, new = (None if semconv == unlike else 1 for unlike in ("0.1", "1.41"))
    assert bench.value(OLD, **labels("embeddings", error_type="")) == old
    assert bench.value(NEW, **labels("embeddings", error_type="")) is None
    assert bench.value("gen_ai_client_embeddings_duration_seconds_count", **labels("embeddings", error_type="")) == new
    assert bench.value("gen_ai_client_embeddings_operation_input_tokens_sum", **labels("embeddings")) == (new and 7)
    fetched = "stored_response" if semconv == "1.41" else "fetch_response"
    assert bench.value(OLD, **labels(fetched, error_type="")) == 1
    assert bench.value(NEW, **labels(fetched, error_type="")) is None
    assert bench.value(f"{USAGE}_input_tokens_total", **labels(fetched, gen_ai_token_modality="unknown")) is None
    assert f"{fetched} gpt-5" in bench.spans()


@every_release
def test_a_span_says_what_was_written_into_a_cache_by_the_chosen_name(semconv: Semconv) -> None:
    bench = bench_of(semconv)
    attempt(bench, usage=Tokens(90, 0, 10, 20, 0))
    found = {key for key in attributes_of(bench.spans()["chat gpt-5"]) if "cache" in key}
    names = {"1.41": {"cache_creation"}, "0.1": {"cache_write"}, "both": {"cache_creation", "cache_write"}}
    assert found == {f"gen_ai.usage.{name}.input_tokens" for name in names[semconv]}
