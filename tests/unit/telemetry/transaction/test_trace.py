import asyncio
from typing import Literal

import pytest
from opentelemetry.trace import format_span_id, format_trace_id
from opentelemetry.trace.status import StatusCode

from telemetry import AttemptTarget, TelemetryOptions
from tests.support import run
from tests.unit.telemetry.fakes import Bench, attributes_of

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def test_the_callers_trace_goes_on() -> None:
    bench = Bench()
    obs = bench.open({"traceparent": TRACEPARENT, "tracestate": "vendor=1"})
    obs.finish("ok", status=200)
    span = bench.transaction()
    assert span.context is not None
    assert span.parent is not None
    assert format_trace_id(span.context.trace_id) == TRACE_ID
    assert format_span_id(span.parent.span_id) == "00f067aa0ba902b7"
    assert span.parent.is_remote
    assert span.context.trace_state["vendor"] == "1"


def test_two_transactions_of_one_trace_have_two_ids() -> None:
    bench = Bench()
    ids = [bench.open({"traceparent": TRACEPARENT}).transaction_id for _ in range(2)]
    assert ids[0] != ids[1]
    assert all(each.startswith(f"txn_{TRACE_ID}") for each in ids)


def test_a_transaction_of_our_own_trace_bears_its_id() -> None:
    bench = Bench()
    obs = bench.open()
    assert obs.transaction_id == "txn_" + format_trace_id(obs.span_context.trace_id)


def test_a_caller_that_is_not_sampled_is_not_recorded_but_counted() -> None:
    bench = Bench()
    obs = bench.open({"traceparent": TRACEPARENT[:-1] + "0"})
    with obs.stage("policy_executor"):
        obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5")).end()
    obs.finish("ok", status=200)
    assert bench.exporter.get_finished_spans() == ()
    assert not obs.sampled
    assert bench.value("flowspan_requests_total", api="openai_chat", model="gpt-5", stream="true", outcome="ok") == 1


@pytest.mark.parametrize("header", ["", "garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "é" * 600])
def test_a_traceparent_that_is_none_begins_a_trace(header: str) -> None:
    bench = Bench()
    obs = bench.open({"traceparent": header})
    obs.finish("ok", status=200)
    assert bench.transaction().parent is None


def test_the_spans_of_a_stream_form_the_documented_tree() -> None:
    bench = Bench()
    obs = bench.open()
    with obs.policy("redact").hook("on_request"):
        bench.clock.advance(0.1)
    with obs.stage("policy_executor"):
        first = obs.queues.open("policy_out", 10, 1000)
        second = obs.queues.open("sse", 10, 1000)
        attempt = obs.attempts.start(
            AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5", stream=True)
        )
        for stats in (first, second):
            stats.put(1, 10, bench.clock.now)
            bench.clock.advance(0.5)
            stats.took(1, 10, bench.clock.now)
        attempt.end()
    with obs.stage("client_formatter"):
        bench.clock.advance(0.1)
    obs.queues.close(first)
    obs.finish("ok", status=200)
    spans = bench.spans()
    root = bench.transaction()
    assert root.context is not None
    parents = {name: span.parent.span_id for name, span in spans.items() if span.parent is not None}
    assert parents == {
        "flowspan.policy on_request": root.context.span_id,
        "flowspan.stage policy_executor": root.context.span_id,
        "chat gpt-5": root.context.span_id,
        "flowspan.queue policy_out": root.context.span_id,
        "flowspan.stage client_formatter": root.context.span_id,
        "flowspan.queue sse": root.context.span_id,
    }
    assert {span.context.trace_id for span in spans.values() if span.context} == {root.context.trace_id}


def test_a_stage_that_is_cancelled_ends_without_an_error() -> None:
    bench = Bench()
    obs = bench.open()
    entered = asyncio.Event()

    async def stage() -> None:
        with obs.stage("policy_executor"):
            entered.set()
            await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(stage())
        await entered.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        obs.finish("client_disconnect", status=499)

    run(main())
    span = bench.spans()["flowspan.stage policy_executor"]
    assert span.status.status_code is StatusCode.UNSET
    assert span.events == ()


class KnownError(Exception):
    error_type = "queue_overflow"


@pytest.mark.parametrize(
    ("error", "error_type", "with_stack"),
    [(KnownError("full"), "queue_overflow", False), (KeyError("x"), "KeyError", True)],
)
def test_a_stage_records_what_it_failed_with(error: Exception, error_type: str, with_stack: bool) -> None:
    bench = Bench()
    obs = bench.open()

    def fail() -> None:
        with obs.stage("client_formatter"):
            raise error

    with pytest.raises(type(error)):
        fail()
    obs.finish("internal_error", status=500)
    span = bench.spans()["flowspan.stage client_formatter"]
    assert span.status.status_code is StatusCode.ERROR
    assert attributes_of(span)["error.type"] == error_type
    (event,) = span.events
    assert ("exception.stacktrace" in (event.attributes or {})) is with_stack


@pytest.mark.parametrize(
    ("choice", "is_internal", "sent"),
    [(False, True, False), ("auto", False, False), ("auto", True, True), (True, False, True)],
)
def test_providers_are_told_the_trace_only_by_consent(
    choice: bool | Literal["auto"], is_internal: bool, sent: bool
) -> None:
    bench = Bench(TelemetryOptions(propagate_traceparent=choice))
    target = AttemptTarget(
        deployment="d", provider="openai", model="gpt-5", model_group="gpt-5", is_internal=is_internal
    )
    attempt = bench.open({"baggage": "team=a"}).attempts.start(target)
    headers = attempt.trace_headers
    assert headers.keys() == ({"traceparent"} if sent else set())
    if sent:
        version, trace_id, span_id, flags = headers["traceparent"].split("-")
        assert (version, flags) == ("00", "03")
        assert trace_id == format_trace_id(attempt.span_context.trace_id)
        assert span_id == format_span_id(attempt.span_context.span_id)


def test_the_formats_and_the_callers_baggage_are_those_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_PROPAGATORS", "b3,baggage")
    bench = Bench(TelemetryOptions(propagate_traceparent=True))
    obs = bench.open({"b3": f"{TRACE_ID}-00f067aa0ba902b7-1", "traceparent": "garbage", "baggage": "team=a"})
    attempt = obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5"))
    assert attempt.trace_headers == {
        "b3": f"{TRACE_ID}-{format_span_id(attempt.span_context.span_id)}-1",
        "baggage": "team=a",
    }
