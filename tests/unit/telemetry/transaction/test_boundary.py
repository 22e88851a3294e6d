from telemetry import AttemptTarget
from tests.unit.telemetry.fakes import STARTED_NS, Bench, event_names, text_chunk


def test_boundary_events_stand_in_their_order_with_their_times() -> None:
    bench = Bench()
    obs = bench.open()
    obs.event("request.received", {})
    obs.event("request.sent", {})
    attempt = obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5"))
    bench.clock.advance(1)
    attempt.first_chunk()
    attempt.first_chunk()
    obs.policy("redact").decided("on_content_delta", "changed")
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


def test_events_are_bounded_and_the_rest_is_counted() -> None:
    bench = Bench()
    obs = bench.open()
    for _ in range(300):
        obs.event("policy.decision", {})
    obs.finish("ok", status=200)
    assert len(bench.transaction().events) == 256
    # Also the event of the end found no room.
    assert bench.value("flowspan_telemetry_items_dropped_total", signal="events", reason="limit") == 300 + 1 - 256


def test_a_disconnect_is_told_once_by_whoever_sees_it_first() -> None:
    bench = Bench()
    obs = bench.open()
    obs.event("client.disconnected", {})
    bench.clock.advance(1)
    obs.finish("client_disconnect", status=499)
    assert [(event.name, event.timestamp) for event in bench.transaction().events] == [
        ("client.disconnected", STARTED_NS)
    ]
