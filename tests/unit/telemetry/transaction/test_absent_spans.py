"""Fewer spans where the operator wants fewer: what the absent ones would say stands on the transaction's."""

import pytest
from msgspec.structs import replace
from opentelemetry.trace import format_span_id

from telemetry import AttemptTarget, TelemetryOptions, Tokens
from telemetry.names.spans import SpanChoice
from tests.unit.telemetry.fakes import Bench, attributes_of, event_names


def streamed(choice: SpanChoice) -> tuple[Bench, str]:
    """A transaction with two attempts, of which the first failed, and a stage that failed. Also gives the id of the
    span that the provider of the second is told of."""
    bench = Bench(TelemetryOptions(spans=choice, propagate_traceparent=True))
    obs = bench.open()
    with obs.policy("redact").hook("on_request"):
        bench.clock.advance(0.1)
    target = AttemptTarget(deployment="d1", provider="openai", model="gpt-5", model_group="gpt-5", stream=True)
    first = obs.attempts.start(target)
    first.usage(Tokens(100, 0, 0, 0, 0))
    first.fail("upstream_error", "it was down", 503)
    first.end()
    second = obs.attempts.start(replace(target, deployment="d2", model="gpt-5-mini"), retry_of=first)
    parent = second.trace_headers["traceparent"].split("-")[2]
    second.first_chunk()
    second.usage(Tokens(100, 0, 0, 20, 0))
    second.response("resp_1", "gpt-5-mini-2026", ["stop"])
    second.end()
    obs.queues.open("sse", 10, 1000).put(1, 10, bench.clock.now)
    with obs.stage("client_formatter") as stage:
        stage.failed(RuntimeError())
    obs.finish("ok", status=200)
    return bench, parent


def test_a_transaction_alone_says_what_matters_of_its_attempts() -> None:
    bench, parent = streamed("transaction")
    (span,) = bench.exporter.get_finished_spans()
    assert span.context is not None
    assert parent == format_span_id(span.context.span_id)
    fields = attributes_of(span)
    assert fields["gen_ai.usage.input_tokens"] == 200
    assert fields["gen_ai.usage.output_tokens"] == 20
    assert fields["gen_ai.response.model"] == "gpt-5-mini-2026"
    assert fields["flowspan.deployment"] == "d2"
    assert fields["gen_ai.request.model"] == "gpt-5"
    assert fields["http.response.status_code"] == 200
    # The first attempt's failure is not the transaction's.
    assert "error.type" not in fields
    assert "flowspan.detail" not in fields
    assert "exception" in event_names(span)
    assert not span.links


def test_attempts_alone_keep_their_tokens() -> None:
    bench, _ = streamed("attempts")
    assert bench.spans().keys() == {"POST /v1/chat/completions", "chat gpt-5", "chat gpt-5-mini"}
    transaction = bench.transaction()
    assert "gen_ai.usage.input_tokens" not in attributes_of(transaction)
    assert "exception" in event_names(transaction)
    (link,) = bench.spans()["chat gpt-5-mini"].links
    assert link.context == bench.spans()["chat gpt-5"].context


@pytest.mark.parametrize("choice", ["transaction", "attempts", "all"])
def test_metrics_are_the_same_whatever_spans_there_are(choice: SpanChoice) -> None:
    bench, _ = streamed(choice)
    assert bench.value("flowspan_upstream_attempts_total", deployment="d2", reason="retry") == 1
    assert bench.value("flowspan_requests_total", api="openai_chat", model="gpt-5", stream="true", outcome="ok") == 1
    assert bench.value("flowspan_queue_enqueued_items_total", queue="sse") == 1
    assert bench.value("flowspan_queue_high_water_ratio_count", queue="sse") == 1
