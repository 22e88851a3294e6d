import pytest
from opentelemetry.trace import SpanKind

from telemetry import AttemptTarget, HttpRequest
from tests.unit.telemetry.fakes import STARTED_NS, Bench, attributes_of


def test_a_transaction_is_a_server_span_with_http_attributes() -> None:
    bench = Bench()
    request = HttpRequest(
        "POST",
        "/v1/messages",
        {"user-agent": "anthropic/1.0"},
        server=("10.0.0.1", 8080),
        client_address="10.0.0.2",
        http_version="1.1",
    )
    obs = bench.telemetry.open("anthropic_messages", request)
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


def test_an_unknown_model_has_no_label_of_its_own() -> None:
    bench = Bench()
    for number in range(50):
        obs = bench.telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
        obs.describe(operation="chat", model=f"evil-{number}", provider=f"p{number}", stream=False)
        obs.finish("client_error", status=404)
    samples = [sample for metric in bench.registry.collect() for sample in metric.samples]
    for label in ("model", "gen_ai_request_model"):
        models = {sample.labels[label] for sample in samples if label in sample.labels}
        assert models <= {"gpt-5", "other"}
        assert "other" in models


def test_telemetry_that_fails_does_not_reach_the_data_path(caplog: pytest.LogCaptureFixture) -> None:
    bench = Bench()
    obs = bench.open()
    for _ in range(3):
        obs.policy("redact").evaluated("content", -1)
    obs.finish("ok", status=200)
    assert bench.value("flowspan_telemetry_items_dropped_total", signal="internal", reason="defect") == 3
    assert len([record for record in caplog.records if "telemetry failed" in record.message]) == 1


def test_keys_reach_no_span_and_no_metric() -> None:
    bench = Bench(secrets=("canary-of-the-operator",))
    obs = bench.open({"user-agent": "evil sk-abcdefghijklmnop"})
    obs.event("policy.decision", {"why": "Bearer abcdefghijklmnop and canary-of-the-operator"})
    obs.policy("redact").decided("on_request", "sk-abcdefghijklmnop!")
    attempt = obs.attempts.start(AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5"))
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


def test_long_texts_are_cut() -> None:
    bench = Bench()
    obs = bench.open()
    obs.finish("internal_error", status=500, detail="x" * 100_000)
    assert len(str(attributes_of(bench.transaction())["flowspan.detail"])) == 8192
