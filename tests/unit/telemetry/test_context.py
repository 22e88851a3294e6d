import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind, format_span_id, format_trace_id
from opentelemetry.trace.status import StatusCode

from telemetry.context import TelemetryOptions
from telemetry.names import OUTCOMES, TIME, WHERE, Outcome
from tests.support import run
from tests.unit.telemetry.fakes import ROLE_CHUNK, STARTED_NS, Bench, attributes_of, event_names, text_chunk

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"


def test_a_transaction_is_a_server_span_with_http_attributes() -> None:
    bench = Bench()
    obs = bench.telemetry.open(
        "anthropic_messages",
        "POST",
        "/v1/messages",
        {"user-agent": "anthropic/1.0"},
        server_address="10.0.0.1",
        server_port=8080,
        client_address="10.0.0.2",
        http_version="1.1",
    )
    bench.clock.advance(2)
    obs.finish("ok", status=200)
    (span,) = bench.exporter.get_finished_spans()
    attributes = attributes_of(span)
    assert span.name == "POST /v1/messages"
    assert span.kind is SpanKind.SERVER
    assert span.start_time == STARTED_NS
    assert span.end_time == STARTED_NS + 2 * 10**9
    assert {
        "http.request.method": "POST",
        "url.path": "/v1/messages",
        "url.scheme": "http",
        "http.route": "/v1/messages",
        "http.response.status_code": 200,
        "server.address": "10.0.0.1",
        "server.port": 8080,
        "client.address": "10.0.0.2",
        "user_agent.original": "anthropic/1.0",
        "network.protocol.version": "1.1",
        "flowspan.api": "anthropic_messages",
        "flowspan.outcome": "ok",
        "flowspan.transaction_id": obs.transaction_id,
    }.items() <= attributes.items()


def test_the_time_ledger_on_the_span_adds_up_to_its_duration() -> None:
    bench = Bench()
    obs = bench.open()
    for where, seconds in zip(WHERE, (0.1, 0.02, 0.003, 0.0004, 5.0), strict=True):
        with obs.ledger.charge(where):
            bench.clock.advance(seconds)
    bench.clock.advance(0.25)
    obs.finish("ok", status=200)
    span = bench.transaction()
    attributes = attributes_of(span)
    parts = {where: attributes[TIME[where]] for where in WHERE}
    assert span.end_time is not None
    assert span.start_time is not None
    assert sum(parts.values()) == pytest.approx((span.end_time - span.start_time) / 1e9, abs=1e-8)  # type: ignore[arg-type]
    assert parts["client"] == pytest.approx(5.0)
    assert attributes["flowspan.overhead_s"] == pytest.approx(0.02 + 0.003 + 0.0004 + 0.25)


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
        obs.attempt(deployment="d", provider="openai", model="gpt-5").end()
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
    with obs.hook("redact", "on_request"):
        bench.clock.advance(0.1)
    with obs.stage("policy_executor"):
        first = obs.queue("policy_out", 10, 1000)
        second = obs.queue("sse", 10, 1000)
        attempt = obs.attempt(deployment="d", provider="openai", model="gpt-5", stream=True)
        for stats in (first, second):
            stats.put(1, 10, bench.clock.now)
            bench.clock.advance(0.5)
            stats.took(1, 10, bench.clock.now)
        attempt.end()
    with obs.stage("client_formatter"):
        bench.clock.advance(0.1)
    obs.queue_closed(first)
    obs.finish("ok", status=200)
    spans = bench.spans()
    root, executor = bench.transaction(), spans["flowspan.stage policy_executor"]
    assert root.context is not None
    assert executor.context is not None
    parents = {name: span.parent.span_id for name, span in spans.items() if span.parent is not None}
    assert parents == {
        "flowspan.policy on_request": root.context.span_id,
        "flowspan.stage policy_executor": root.context.span_id,
        "chat gpt-5": executor.context.span_id,
        "flowspan.queue policy_out": root.context.span_id,
        "flowspan.stage client_formatter": root.context.span_id,
        "flowspan.queue sse": root.context.span_id,
    }
    assert {span.context.trace_id for span in spans.values() if span.context} == {root.context.trace_id}


def test_a_queue_span_goes_from_the_first_put_to_the_drain() -> None:
    bench = Bench()
    obs = bench.open()
    stats = obs.queue("sse", 100, 1000)
    bench.clock.advance(1)
    stats.put(1, 40, bench.clock.now)
    stats.put(1, 60, bench.clock.now)
    bench.clock.advance(2)
    stats.took(2, 100, bench.clock.now)
    stats.residence(2.0, 1)
    bench.clock.advance(4)
    obs.queue_closed(stats)
    obs.queue_closed(stats)
    obs.finish("ok", status=200)
    queues = [span for span in bench.exporter.get_finished_spans() if span.name == "flowspan.queue sse"]
    assert len(queues) == 1
    assert queues[0].start_time == STARTED_NS + 10**9
    assert queues[0].end_time == STARTED_NS + 3 * 10**9
    attributes = attributes_of(queues[0])
    assert attributes["flowspan.queue.name"] == "sse"
    assert attributes["flowspan.queue.items_in"] == attributes["flowspan.queue.items_out"] == 2
    assert attributes["flowspan.queue.depth_max"] == 2
    assert attributes["flowspan.queue.bytes_max"] == 100
    assert attributes["flowspan.queue.residence_p50_s"] == pytest.approx(2.0, rel=0.13)


def test_a_queue_that_nobody_used_has_no_span() -> None:
    bench = Bench()
    obs = bench.open()
    obs.queue("sse", 10, 100)
    obs.finish("client_error", status=400)
    assert set(bench.spans()) == {"POST /v1/chat/completions"}


def test_high_water_marks_are_boundary_events_once_each() -> None:
    bench = Bench()
    obs = bench.open()
    stats = obs.queue("sse", 10, 1000)
    for _ in range(2):
        for _ in range(9):
            stats.put(1, 1, bench.clock.now)
        stats.took(9, 9, bench.clock.now)
    obs.finish("ok", status=200)
    marks = [event for event in bench.transaction().events if event.name == "queue.high_water"]
    assert [dict(mark.attributes or {})["flowspan.queue.percent"] for mark in marks] == [50, 80]


def test_boundary_events_stand_in_their_order_with_their_times() -> None:
    bench = Bench()
    obs = bench.open()
    obs.recorder.request_received()
    obs.recorder.request_sent()
    attempt = obs.attempt(deployment="d", provider="openai", model="gpt-5")
    bench.clock.advance(1)
    attempt.first_chunk()
    attempt.first_chunk()
    obs.policy_decision("redact", "on_content_delta", "changed")
    obs.recorder.chunk_out(text_chunk("hello"))
    obs.recorder.sent_bytes(10)
    obs.recorder.sent_bytes(10)
    obs.finish("ok", status=200)
    span = bench.transaction()
    assert event_names(span) == [
        "request.received",
        "request.sent",
        "upstream.first_chunk",
        "policy.decision",
        "client.first_byte",
        "response.completed",
    ]
    assert [event.timestamp - STARTED_NS for event in span.events][:3] == [0, 0, 10**9]


def test_time_to_first_token_waits_for_a_piece_of_the_answer() -> None:
    bench = Bench()
    obs = bench.open()
    bench.clock.advance(1)
    obs.recorder.chunk_out(ROLE_CHUNK)
    obs.recorder.sent_bytes(5)
    assert obs.recorder.ttft_s is None
    bench.clock.advance(1)
    obs.recorder.chunk_out(text_chunk("a"))
    obs.recorder.sent_bytes(5)
    bench.clock.advance(1)
    obs.recorder.chunk_out(text_chunk("b"))
    obs.recorder.sent_bytes(5)
    obs.finish("ok", status=200)
    attributes = attributes_of(bench.transaction())
    assert attributes["flowspan.ttft_s"] == 2
    assert attributes["flowspan.chunks_out"] == 3
    labels = {"operation": "chat", "provider": "openai", "model": "gpt-5"}
    assert bench.value("gen_ai_server_time_to_first_token_seconds_sum", **labels) == 2
    assert bench.value("flowspan_overhead_seconds_sum", api="openai_chat", phase="first_chunk") == 2


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_faults_make_an_error_of_the_span_and_others_do_not(outcome: Outcome) -> None:
    bench = Bench()
    obs = bench.open()
    obs.finish(outcome, status=500, error_type="some_type", detail="what happened")
    span = bench.transaction()
    unharmed = outcome in {"ok", "client_error", "policy_blocked"}
    assert span.status.status_code is (StatusCode.UNSET if unharmed else StatusCode.ERROR)
    assert attributes_of(span).get("error.type") == (None if outcome == "ok" else "some_type")


def test_a_client_that_leaves_is_not_ok() -> None:
    bench = Bench()
    obs = bench.open()
    obs.recorder.sent_bytes(1)
    obs.finish("client_disconnect", status=499)
    span = bench.transaction()
    attributes = attributes_of(span)
    assert attributes["flowspan.client_disconnected"] is True
    assert attributes["error.type"] == "client_disconnect"
    assert event_names(span)[-1] == "client.disconnected"
    assert bench.value("flowspan_client_disconnects_total", api="openai_chat", phase="streaming") == 1


def test_a_second_finish_is_ignored_and_counted_as_a_defect(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    obs = bench.open()
    obs.finish("ok", status=200)
    obs.finish("internal_error", status=500)
    assert len(bench.exporter.get_finished_spans()) == 1
    assert bench.value("flowspan_requests_total", **_labels("ok")) == 1
    assert bench.value("flowspan_requests_total", **_labels("internal_error")) == 0
    assert bench.value("flowspan_telemetry_items_dropped_total", signal="internal", reason="defect") == 1
    assert "finish" in caplog.text


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(OUTCOMES), max_size=12))
def test_outcomes_add_up_to_what_was_opened(outcomes: list[Outcome]) -> None:
    bench = Bench()
    open_now = [bench.open() for _ in outcomes]
    for obs, outcome in zip(open_now, outcomes, strict=True):
        obs.finish(outcome, status=200)
        obs.finish("ok", status=200)
    snapshot = bench.telemetry.snapshot()
    assert snapshot.opened == len(outcomes) == sum(snapshot.outcomes.values())
    assert sum(bench.value("flowspan_requests_total", **_labels(outcome)) or 0 for outcome in OUTCOMES) == len(outcomes)
    assert bench.value("flowspan_streams_in_flight", api="openai_chat") == 0


def _labels(outcome: Outcome) -> dict[str, str]:
    return {"api": "openai_chat", "model": "gpt-5", "stream": "true", "outcome": outcome}


def test_what_is_open_at_the_end_is_ended_with_it() -> None:
    bench = Bench()
    obs = bench.open()
    obs.stage("policy_executor").__enter__()
    obs.attempt(deployment="d", provider="openai", model="gpt-5")
    obs.queue("sse", 10, 100).put(1, 1, bench.clock.now)
    obs.finish("client_disconnect", status=499)
    assert set(bench.spans()) == {
        "POST /v1/chat/completions",
        "flowspan.stage policy_executor",
        "chat gpt-5",
        "flowspan.queue sse",
    }
    assert attributes_of(bench.spans()["chat gpt-5"])["error.type"] == "client_disconnect"


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


def test_a_hook_is_charged_to_policies() -> None:
    bench = Bench()
    obs = bench.open()
    with obs.hook("redact", "on_response"):
        bench.clock.advance(0.3)
    assert obs.ledger.snapshot()["policy"] == pytest.approx(0.3)
    assert bench.value("flowspan_policy_hook_seconds_sum", policy="redact", hook="on_response") == pytest.approx(0.3)


def test_an_unknown_model_has_no_label_of_its_own() -> None:
    bench = Bench()
    for number in range(50):
        obs = bench.telemetry.open("openai_chat", "POST", "/v1/chat/completions", {})
        obs.describe(operation="chat", model=f"evil-{number}", provider=f"p{number}", stream=False)
        obs.finish("client_error", status=404)
    metrics = bench.registry.collect()
    models = {sample.labels["model"] for metric in metrics for sample in metric.samples if "model" in sample.labels}
    assert models == {"gpt-5", "other"}


def test_a_rejection_links_to_the_transaction_that_tripped_the_breaker() -> None:
    bench = Bench()
    culprit = bench.open()
    culprit.breaker_transition("sse", "closed", "open", "failures_in_window")
    culprit.finish("overflow", status=503)
    rejected = bench.telemetry.open("openai_chat", "GET", "/other", {})
    rejected.breaker_rejected("sse")
    rejected.finish("breaker_open", status=503)
    (link,) = bench.spans()["GET /other"].links
    assert link.context == culprit.span_context
    assert bench.value("flowspan_breaker_trips_total", breaker="sse", reason="failures_in_window") == 1
    assert bench.value("flowspan_breaker_state", breaker="sse", state="open") == 1
    assert bench.value("flowspan_breaker_state", breaker="sse", state="closed") == 0
    assert bench.value("flowspan_breaker_rejections_total", breaker="sse", reason="open") == 1
    assert bench.telemetry.snapshot().breakers == {"sse": "open"}


def test_providers_are_told_the_trace_only_by_consent() -> None:
    silent, telling = Bench(), Bench(TelemetryOptions(propagate_traceparent=True))
    assert silent.open().attempt(deployment="d", provider="openai", model="gpt-5").trace_headers == {}
    attempt = telling.open().attempt(deployment="d", provider="openai", model="gpt-5")
    version, trace_id, span_id, flags = attempt.trace_headers["traceparent"].split("-")
    assert (version, flags) == ("00", "03")
    assert trace_id == format_trace_id(attempt.span_context.trace_id)
    assert span_id == format_span_id(attempt.span_context.span_id)


def test_telemetry_that_fails_does_not_reach_the_data_path(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    obs = bench.open()
    for _ in range(3):
        obs.policy_evaluated("redact", "content", -1)
    obs.finish("ok", status=200)
    assert bench.value("flowspan_telemetry_items_dropped_total", signal="internal", reason="defect") == 3
    assert len([record for record in caplog.records if "telemetry failed" in record.message]) == 1


def test_keys_reach_no_span_and_no_metric() -> None:
    bench = Bench(secrets=("canary-of-the-operator",))
    obs = bench.open({"user-agent": "evil sk-abcdefghijklmnop"})
    obs.emit_boundary("policy.decision", {"why": "Bearer abcdefghijklmnop and canary-of-the-operator"})
    obs.policy_decision("redact", "on_request", "sk-abcdefghijklmnop!")
    attempt = obs.attempt(deployment="d", provider="openai", model="gpt-5")
    attempt.response("sk-abcdefghijklmnop", "gpt-5", ["stop"])
    attempt.fail("upstream_error", "Incorrect API key: sk-abcdefghijklmnop", 401)
    attempt.end()

    def fail() -> None:
        with obs.stage("policy_executor"):
            raise ValueError("canary-of-the-operator")

    with pytest.raises(ValueError, match="canary"):
        fail()
    obs.finish("upstream_error", status=502, detail="api_key=abcdefghijklmnop canary-of-the-operator")
    everything = "".join(span.to_json() for span in bench.exporter.get_finished_spans())
    assert "abcdefghijklmnop" not in everything
    assert "canary-of-the-operator" not in everything
    labels = [value for metric in bench.registry.collect() for s in metric.samples for value in s.labels.values()]
    assert not any("abcdefghijklmnop" in label for label in labels)


def test_events_are_bounded_and_the_rest_is_counted() -> None:
    bench = Bench()
    obs = bench.open()
    for _ in range(300):
        obs.emit_boundary("policy.decision", {})
    obs.finish("ok", status=200)
    assert len(bench.transaction().events) == 256
    # Also the event of the end found no room.
    assert bench.value("flowspan_telemetry_items_dropped_total", signal="events", reason="limit") == 300 + 1 - 256


def test_long_texts_are_cut() -> None:
    bench = Bench()
    obs = bench.open()
    obs.finish("internal_error", status=500, detail="x" * 100_000)
    assert len(str(attributes_of(bench.transaction())["flowspan.detail"])) == 8192


def test_a_disconnect_is_told_once_by_whoever_sees_it_first() -> None:
    bench = Bench()
    obs = bench.open()
    obs.emit_boundary("client.disconnected", {})
    bench.clock.advance(1)
    obs.finish("client_disconnect", status=499)
    assert [(event.name, event.timestamp) for event in bench.transaction().events] == [
        ("client.disconnected", STARTED_NS)
    ]
