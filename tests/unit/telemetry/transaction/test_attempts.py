import pytest
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import StatusCode

from telemetry import AttemptTarget
from telemetry.recording.chunks import dollars
from tests.unit.telemetry.fakes import Bench, FakeCost, FakeUsage, attributes_of, text_chunk

GEN_AI = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-5"}
LABELS = {**GEN_AI, "flowspan_deployment": "d1"}


def test_an_attempt_is_a_client_span_with_what_the_conventions_ask_for() -> None:
    bench = Bench()
    obs = bench.open()
    attempt = obs.attempts.start(
        AttemptTarget(
            deployment="d1",
            provider="openai",
            model="gpt-5",
            stream=True,
            server_address="api.openai.com",
            server_port=443,
        )
    )
    bench.clock.advance(0.5)
    attempt.first_chunk()
    bench.clock.advance(1.5)
    attempt.usage(FakeUsage(100, 20, cache_read_input_tokens=60, cache_creation_input_tokens=10, reasoning_tokens=5))
    attempt.response("resp_1", "gpt-5-2026", ["stop"])
    attempt.end()
    obs.finish("ok", status=200)
    span = bench.spans()["chat gpt-5"]
    assert span.kind is SpanKind.CLIENT
    assert attributes_of(span) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-5",
        "gen_ai.request.stream": True,
        "flowspan.deployment": "d1",
        "server.address": "api.openai.com",
        "server.port": 443,
        "gen_ai.response.id": "resp_1",
        "gen_ai.response.model": "gpt-5-2026",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.time_to_first_chunk": 0.5,
        "gen_ai.usage.input_tokens": 100,
        "gen_ai.usage.output_tokens": 20,
        "gen_ai.usage.cache_read.input_tokens": 60,
        "gen_ai.usage.cache_creation.input_tokens": 10,
        "gen_ai.usage.reasoning.output_tokens": 5,
    }
    assert not any(key.startswith("gen_ai.usage") for key in attributes_of(bench.transaction()))


def test_the_metrics_of_an_attempt_move_at_its_end_once() -> None:
    bench = Bench()
    obs = bench.open()
    attempt = obs.attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5"))
    bench.clock.advance(0.5)
    attempt.first_chunk()
    bench.clock.advance(1.5)
    attempt.usage(FakeUsage(100, 20))
    attempt.usage(FakeUsage(100, 40))
    attempt.end()
    attempt.end()
    assert bench.value("gen_ai_client_operation_duration_seconds_sum", **LABELS, error_type="") == 2
    assert bench.value("gen_ai_client_operation_duration_seconds_count", **LABELS, error_type="") == 1
    assert bench.value("gen_ai_client_operation_time_to_first_chunk_seconds_sum", **LABELS) == 0.5
    assert bench.value("gen_ai_client_token_usage_sum", **LABELS, gen_ai_token_type="output") == 40
    assert bench.value("gen_ai_client_token_usage_sum", **LABELS, gen_ai_token_type="cache_read") is None


def test_gaps_between_chunks_are_told_without_the_wait_for_the_first() -> None:
    bench = Bench()
    obs = bench.open()
    obs.recorder.request_sent()
    attempt = obs.attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5"))
    bench.clock.advance(9)
    for gap in (0.0, 0.1, 6.0):
        bench.clock.advance(gap)
        obs.recorder.chunk_in(text_chunk("a"))
    attempt.end()
    name = "gen_ai_client_operation_time_per_output_chunk_seconds"
    assert bench.value(f"{name}_count", **LABELS) == 2
    assert bench.value(f"{name}_sum", **LABELS) == pytest.approx(6.1, rel=0.13)


def test_a_retry_links_to_the_attempt_before() -> None:
    bench = Bench()
    obs = bench.open()
    first = obs.attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5"))
    first.fail("upstream_timeout", "no byte within 5 s", 504)
    first.end()
    second = obs.attempts.start(AttemptTarget(deployment="d2", provider="openai", model="gpt-5"), retry_of=first)
    second.end()
    obs.finish("ok", status=200)
    attempts = [span for span in bench.exporter.get_finished_spans() if span.name == "chat gpt-5"]
    assert attempts[0].status.status_code is StatusCode.ERROR
    assert attributes_of(attempts[0])["error.type"] == "upstream_timeout"
    assert attributes_of(attempts[0])["http.response.status_code"] == 504
    assert [link.context for link in attempts[1].links] == [first.span_context]
    assert bench.value("gen_ai_client_operation_duration_seconds_count", **LABELS, error_type="upstream_timeout") == 1


def test_a_model_that_only_the_provider_knows_keeps_its_clients_label() -> None:
    bench = Bench()
    obs = bench.open()
    obs.attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5-2026-01-01")).end()
    assert bench.value("gen_ai_client_operation_duration_seconds_count", **LABELS, error_type="") == 1
    assert "chat gpt-5-2026-01-01" in bench.spans()


def test_cost_is_counted_where_the_price_is_known() -> None:
    bench = Bench()
    obs = bench.open()
    attempt = obs.attempts.start(
        AttemptTarget(deployment="d", provider="openai", model="gpt-5", cost=FakeCost(input=0.001, output=0.002))
    )
    attempt.usage(FakeUsage(10, 5))
    attempt.end()
    obs.finish("ok", status=200)
    assert bench.value("flowspan_cost_usd_total", provider="openai", model="gpt-5") == pytest.approx(0.02)
    assert attributes_of(bench.transaction())["flowspan.cost_usd"] == pytest.approx(0.02)


@pytest.mark.parametrize(
    ("usage", "cost", "expected"),
    [
        (FakeUsage(10, 5), FakeCost(1, 2), 20),
        (FakeUsage(10, 0, cache_read_input_tokens=4), FakeCost(1, 2), 10),
        (FakeUsage(10, 0, cache_read_input_tokens=4), FakeCost(1, 2, cache_read=0.5), 8),
        (FakeUsage(10, 0, cache_creation_input_tokens=4), FakeCost(1, 2, cache_creation=2), 14),
        (FakeUsage(2, 0, cache_read_input_tokens=4), FakeCost(1, 2, cache_read=0.5), 2),
    ],
)
def test_cached_tokens_have_their_own_price(usage: FakeUsage, cost: FakeCost, expected: float) -> None:
    assert dollars(usage, cost) == expected


def test_a_breaker_stands_at_zero_from_the_first_attempt_on() -> None:
    bench = Bench()
    bench.open().attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5"))
    assert bench.value("flowspan_breaker_trips_total", breaker="d1", reason="consecutive_failures") == 0
    assert bench.value("flowspan_breaker_state", breaker="d1", state="closed") == 1


def test_time_per_token_is_the_time_after_the_first_over_the_tokens_after_it() -> None:
    bench = Bench()
    obs = bench.open()
    attempt = obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="gpt-5", stream=True))
    bench.clock.advance(1)
    obs.recorder.chunk_out(text_chunk("a"))
    obs.recorder.sent_bytes(1)
    bench.clock.advance(2)
    attempt.usage(FakeUsage(10, 5))
    attempt.end()
    obs.finish("ok", status=200)
    assert bench.value("gen_ai_server_time_per_output_token_seconds_count", **GEN_AI) == 1
    assert bench.value("gen_ai_server_time_per_output_token_seconds_sum", **GEN_AI) == pytest.approx(0.5)
