import pytest
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import StatusCode

from telemetry import AttemptTarget, Tokens
from telemetry.names.metrics import CLIENT_PER_CHUNK
from tests.unit.telemetry.fakes import Bench, attributes_of, text_chunk

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
            model_group="gpt-5",
            stream=True,
            server_address="api.openai.com",
            server_port=443,
        )
    )
    bench.clock.advance(0.5)
    attempt.first_chunk()
    bench.clock.advance(1.5)
    attempt.usage(Tokens(30, 60, 10, 15, 5), 0.5)
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
        "flowspan.cost_usd": 0.5,
        "flowspan.cache.read_ratio": 0.6,
    }
    assert not any(key.startswith("gen_ai.usage") for key in attributes_of(bench.transaction()))


def test_the_metrics_of_an_attempt_move_at_its_end_once() -> None:
    bench = Bench()
    obs = bench.open()
    attempt = obs.attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5"))
    bench.clock.advance(0.5)
    attempt.first_chunk()
    bench.clock.advance(1.5)
    attempt.usage(Tokens(100, 0, 0, 20, 0))
    attempt.usage(Tokens(100, 0, 0, 30, 10))
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
    obs.event("request.sent", {})
    attempt = obs.attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5"))
    bench.clock.advance(9)
    for gap in (0.0, 0.1, 6.0):
        bench.clock.advance(gap)
        obs.recorder.chunk_in()
    attempt.end()
    name = "gen_ai_client_operation_time_per_output_chunk_seconds"
    assert bench.value(f"{name}_count", **LABELS) == 2
    assert bench.value(f"{name}_sum", **LABELS) == pytest.approx(6.1)


def test_a_retry_links_to_the_attempt_before() -> None:
    bench = Bench()
    obs = bench.open()
    first = obs.attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5"))
    first.fail("upstream_timeout", "no byte within 5 s", 504)
    first.end()
    second = obs.attempts.start(
        AttemptTarget(deployment="d2", provider="openai", model="gpt-5", model_group="gpt-5"), retry_of=first
    )
    second.end()
    obs.finish("ok", status=200)
    attempts = [span for span in bench.exporter.get_finished_spans() if span.name == "chat gpt-5"]
    assert attempts[0].status.status_code is StatusCode.ERROR
    assert attributes_of(attempts[0])["error.type"] == "upstream_timeout"
    assert attributes_of(attempts[0])["http.response.status_code"] == 504
    assert [link.context for link in attempts[1].links] == [first.span_context]
    assert bench.value("gen_ai_client_operation_duration_seconds_count", **LABELS, error_type="upstream_timeout") == 1


def test_an_attempt_is_booked_to_the_model_in_the_configuration_that_it_asked() -> None:
    bench = Bench(models=(("gpt-5", "openai"), ("mini", "azure"), ("claude-*", "anthropic")))
    obs = bench.open()
    for provider, model, group in (
        ("openai", "gpt-5-2026-01-01", "gpt-5"),
        ("azure", "gpt-5", "mini"),
        ("anthropic", "claude-made-up", "claude-*"),
    ):
        target = AttemptTarget(deployment=f"at {provider}", provider=provider, model=model, model_group=group)
        attempt = obs.attempts.start(target)
        attempt.usage(Tokens(10, 0, 0, 5, 0), 0.25)
        attempt.end()
        booked = {"provider": provider, "model": group}
        conventions = {"gen_ai_provider_name": provider, "gen_ai_request_model": group}
        labels = {**LABELS, **conventions, "flowspan_deployment": f"at {provider}"}
        assert bench.value("gen_ai_client_operation_duration_seconds_count", **labels, error_type="") == 1
        assert bench.value("flowspan_cost_usd_total", **booked) == 0.25
        tokens = "flowspan_tokens_total"
        assert bench.value(tokens, **booked, deployment=f"at {provider}", token_type="input") == 10
    obs.finish("ok", status=200)
    assert {"chat gpt-5-2026-01-01", "chat gpt-5", "chat claude-made-up"} < bench.spans().keys()


def test_tokens_are_counted_in_parts_that_add_up() -> None:
    bench = Bench()
    obs = bench.open()
    attempt = obs.attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5"))
    tokens = Tokens(1, 2, 4, 8, 16)
    attempt.usage(tokens)
    attempt.end()
    booked = {"provider": "openai", "model": "gpt-5"}
    kinds = ("input", "cache_read", "cache_write", "output", "reasoning")
    name = "flowspan_tokens_total"
    parts = [bench.value(name, **booked, deployment="d1", token_type=kind) for kind in kinds]
    assert parts == [1, 2, 4, 8, 16]
    assert tokens.prompt + tokens.completion == sum(part for part in parts if part is not None)
    for kind, whole in (("input", 7), ("output", 24)):
        assert bench.value("gen_ai_client_token_usage_sum", **LABELS, gen_ai_token_type=kind) == whole


def test_cost_is_counted_where_the_price_is_known_and_unknown_prices_apart() -> None:
    bench = Bench()
    obs = bench.open()
    for cost in (0.02, None, 0.0):
        target = AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5")
        attempt = obs.attempts.start(target)
        attempt.usage(Tokens(10, 0, 0, 5, 0), cost)
        attempt.end()
    obs.finish("ok", status=200)
    assert bench.value("flowspan_cost_usd_total", provider="openai", model="gpt-5") == 0.02
    assert bench.value("flowspan_unpriced_attempts_total", provider="openai", model="gpt-5") == 1
    assert attributes_of(bench.transaction())["flowspan.cost_usd"] == 0.02
    attempts = [span for span in bench.exporter.get_finished_spans() if span.name == "chat gpt-5"]
    assert [attributes_of(span).get("flowspan.cost_usd") for span in attempts] == [0.02, None, 0.0]


def test_an_estimate_is_marked_and_counted_apart() -> None:
    bench = Bench()
    obs = bench.open()
    attempt = obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5"))
    attempt.usage(Tokens(10, 0, 0, 5, 0, uncounted_completion=3))
    attempt.end()
    obs.finish("ok", status=200)
    booked = {"provider": "openai", "model": "gpt-5"}
    assert bench.value("flowspan_tokens_without_usage_total", **booked, token_type="input") == 0
    assert bench.value("flowspan_tokens_without_usage_total", **booked, token_type="output") == 3
    assert attributes_of(bench.spans()["chat gpt-5"])["flowspan.usage.estimated"] is True


def test_the_totals_are_of_all_attempts_and_the_answer_is_the_last_ones() -> None:
    obs = Bench().open()
    assert obs.attempts.totals.attempts == obs.attempts.totals.retries == 0
    cut = obs.attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5"))
    cut.usage(Tokens(10, 0, 0, 0, 0, uncounted_prompt=10), 0.5)
    cut.end()
    target = AttemptTarget(deployment="d2", provider="openai", model="gpt-5", model_group="gpt-5")
    whole = obs.attempts.start(target, retry_of=cut)
    whole.first_chunk()
    whole.usage(Tokens(8, 2, 0, 5, 1), 0.25)
    whole.response("r", "m", ["stop"])
    whole.end()
    totals = obs.attempts.totals
    assert (totals.attempts, totals.retries, totals.cost_usd) == (2, 1, 0.75)
    assert totals.tokens == Tokens(18, 2, 0, 5, 1, 10, 0)
    assert totals.tokens is not None
    assert totals.tokens.is_estimated
    assert (totals.deployment, totals.finish_reasons) == ("d2", ("stop",))
    assert totals.answer_tokens == Tokens(8, 2, 0, 5, 1)


def test_a_breaker_stands_at_zero_from_the_first_attempt_on() -> None:
    bench = Bench()
    bench.open().attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5"))
    assert bench.value("flowspan_breaker_trips_total", breaker="d1", reason="consecutive_failures") == 0
    assert bench.value("flowspan_breaker_state", breaker="d1", state="closed") == 1


def test_an_attempt_is_in_flight_until_it_ends_and_then_counted_once_with_its_outcome() -> None:
    bench = Bench()
    obs = bench.open()
    cut, whole = (
        obs.attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5"))
        for _ in "ab"
    )
    assert bench.value("flowspan_upstream_in_flight", deployment="d1") == 2
    whole.first_chunk()
    for _ in range(2):
        whole.end()
    assert bench.value("flowspan_upstream_in_flight", deployment="d1") == 1
    obs.finish("policy_blocked", status=400, error_type="policy_blocked")
    assert cut.ended
    assert bench.value("flowspan_upstream_in_flight", deployment="d1") == 0
    for outcome, count in {"ok": 1, "cancelled": 1, "error": 0, "timeout": 0}.items():
        assert bench.value("flowspan_upstream_outcomes_total", deployment="d1", outcome=outcome) == count
    for status_class, count in {"2xx": 1, "none": 1, "5xx": 0}.items():
        assert bench.value("flowspan_upstream_responses_total", deployment="d1", status_class=status_class) == count


def test_the_head_of_a_response_counts_once_whatever_comes_behind_it() -> None:
    bench = Bench()
    attempt = bench.open().attempts.start(
        AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5")
    )
    attempt.responded(200)
    attempt.first_chunk()
    attempt.fail("upstream_error", "overloaded, in the stream", 529)
    attempt.end()
    for status_class, count in {"2xx": 1, "5xx": 0, "none": 0}.items():
        assert bench.value("flowspan_upstream_responses_total", deployment="d1", status_class=status_class) == count


def test_time_per_token_is_the_time_after_the_first_over_the_tokens_after_it() -> None:
    bench = Bench()
    obs = bench.open()
    attempt = obs.attempts.start(
        AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5", stream=True)
    )
    bench.clock.advance(1)
    attempt.first_chunk()
    obs.recorder.chunk_out(text_chunk("a"))
    obs.recorder.sent_bytes(1)
    bench.clock.advance(2)
    attempt.usage(Tokens(10, 0, 0, 5, 0))
    attempt.end()
    obs.finish("ok", status=200)
    assert bench.value("gen_ai_server_time_per_output_token_seconds_count", **GEN_AI) == 1
    assert bench.value("gen_ai_server_time_per_output_token_seconds_sum", **GEN_AI) == pytest.approx(0.5)


def test_chunks_that_come_in_one_read_have_no_time_between_them() -> None:
    bench = Bench()
    obs = bench.open()
    attempt = obs.attempts.start(AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5"))
    obs.recorder.chunk_in(3)
    bench.clock.advance(6.0)
    obs.recorder.chunk_in(2)
    attempt.end()
    name = "gen_ai_client_operation_time_per_output_chunk_seconds"
    assert bench.value(f"{name}_count", **LABELS) == 4
    assert bench.value(f"{name}_bucket", **LABELS, le=str(CLIENT_PER_CHUNK.buckets[0])) == 3
    assert bench.value(f"{name}_sum", **LABELS) == pytest.approx(6.0)
