import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace.status import StatusCode

from telemetry import AttemptTarget
from telemetry.names import OUTCOMES, STREAM_RESULTS, WHERE, Outcome
from telemetry.names.spans import TIME
from tests.unit.telemetry.fakes import ROLE_CHUNK, Bench, attributes_of, event_names, text_chunk


def test_the_time_ledger_on_the_span_adds_up_to_its_duration() -> None:
    bench = Bench()
    obs = bench.open()
    for where, seconds in zip(WHERE, (0.1, 0.3, 0.02, 0.003, 0.0004, 5.0), strict=True):
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
    labels = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "openai", "gen_ai_request_model": "gpt-5"}
    assert bench.value("gen_ai_server_time_to_first_token_seconds_sum", **labels) == 2
    assert bench.value("flowspan_overhead_seconds_sum", api="openai_chat", phase="first_chunk") == 2


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_faults_make_an_error_of_the_span_and_others_do_not(outcome: Outcome) -> None:
    bench = Bench()
    obs = bench.open()
    obs.finish(outcome, status=500, error_type="some_type", detail="what happened")
    span = bench.transaction()
    unharmed = outcome in {"ok", "client_error", "policy_blocked", "rate_limited"}
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
    obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5"))
    obs.queues.open("sse", 10, 100).put(1, 1, bench.clock.now)
    obs.finish("client_disconnect", status=499)
    assert set(bench.spans()) == {
        "POST /v1/chat/completions",
        "flowspan.stage policy_executor",
        "chat gpt-5",
        "flowspan.queue sse",
    }
    assert attributes_of(bench.spans()["chat gpt-5"])["error.type"] == "client_disconnect"


def test_a_transaction_that_is_left_without_an_end_is_ended_as_an_internal_error() -> None:
    bench = Bench()
    with pytest.raises(ValueError, match="lost"), bench.open():
        raise ValueError("lost")
    assert bench.value("flowspan_streams_in_flight", api="openai_chat") == 0
    assert attributes_of(bench.transaction())["flowspan.outcome"] == "internal_error"
    assert bench.value("flowspan_telemetry_items_dropped_total", signal="internal", reason="defect") == 1


def test_a_block_leaves_a_transaction_that_ended_in_it_as_it_is() -> None:
    bench = Bench()
    with bench.open() as obs:
        obs.finish("ok", status=200)
    assert attributes_of(bench.transaction())["flowspan.outcome"] == "ok"
    assert bench.value("flowspan_telemetry_items_dropped_total", signal="internal", reason="defect") == 0


@pytest.mark.parametrize(
    ("outcome", "begun", "delivered", "result"),
    [
        ("ok", True, True, "complete"),
        ("policy_blocked", True, True, "complete"),
        ("upstream_error", True, True, "failed"),
        ("overflow", True, False, "cut"),
        ("drained", True, False, "cut"),
        ("client_disconnect", True, False, "left"),
        ("client_disconnect", False, False, "unanswered"),
        ("upstream_error", False, True, None),
    ],
)
def test_a_stream_is_counted_by_what_its_client_got_of_it(
    outcome: Outcome, begun: bool, delivered: bool, result: str | None
) -> None:
    bench = Bench()
    obs = bench.open()
    if begun:
        obs.recorder.sent_bytes(1)
    obs.finish(outcome, status=200, delivered=delivered)
    for each in STREAM_RESULTS:
        assert bench.value("flowspan_streams_delivered_total", model="gpt-5", result=each) == (each == result)
        assert bench.value("flowspan_key_streams_total", key="none", team="", result=each) == (each == result)


@pytest.mark.parametrize(("last", "longest"), [(1, 7), (9, 9)])
def test_the_longest_silence_may_be_the_last(last: float, longest: float) -> None:
    bench = Bench()
    obs = bench.open()
    bench.clock.advance(20)
    obs.recorder.sent_bytes(1)
    for pause in (2, 7, 3):
        bench.clock.advance(pause)
        obs.recorder.sent_bytes(1)
    bench.clock.advance(last)
    obs.finish("client_disconnect", status=200)
    assert bench.value("flowspan_stream_longest_silence_seconds_sum", model="gpt-5") == longest
    assert bench.value("flowspan_stream_longest_silence_seconds_count", model="gpt-5") == 1
