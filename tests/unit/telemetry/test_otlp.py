import json
import logging
from collections.abc import Iterator
from platform import python_version
from time import monotonic

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import format_trace_id

from telemetry import AttemptTarget, HttpRequest, Telemetry, TelemetryOptions, setup
from telemetry.environment import EnvironmentRefused
from telemetry.names.resource import VERSION
from tests.receivers import OtlpReceiver, attributes


@pytest.fixture(autouse=True)
def otel(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    monkeypatch.setenv("OTEL_BLRP_SCHEDULE_DELAY", "20")
    # The exporter logs each failed batch; that is another test's subject.
    logger = logging.getLogger("opentelemetry.exporter")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    yield monkeypatch
    logger.setLevel(level)


def one_transaction(telemetry: Telemetry) -> str:
    obs = telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {"user-agent": "test"}))
    obs.describe(operation="chat", model="gpt-5", provider="openai", stream=True, policies=["redact", "limit"])
    with obs.stage("policy_executor"):
        attempt = obs.attempts.start(
            AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5", stream=True)
        )
        attempt.first_chunk()
        attempt.end()
    obs.finish("ok", status=200)
    return format_trace_id(obs.span_context.trace_id)


def dropped(telemetry: Telemetry, signal: str, reason: str) -> float:
    labels = {"signal": signal, "reason": reason}
    return telemetry.registry.get_sample_value("flowspan_telemetry_items_dropped_total", labels) or 0


def test_spans_arrive_at_a_collector(otel: pytest.MonkeyPatch) -> None:
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup()
        trace_id = one_transaction(telemetry)
        spans = {span.name: span for span in receiver.spans(at_least=3)}
        telemetry.close()
    assert set(spans) == {"POST /v1/chat/completions", "flowspan.stage policy_executor", "chat gpt-5"}
    assert {span.trace_id.hex() for span in spans.values()} == {trace_id}
    assert spans["chat gpt-5"].parent_span_id == spans["POST /v1/chat/completions"].span_id
    root = spans["POST /v1/chat/completions"]
    assert attributes(root.attributes)["flowspan.policy"] == ["redact", "limit"]
    assert [event.name for event in root.events] == ["upstream.first_chunk", "response.completed"]
    assert receiver.resources[0]["service.name"] == "flowspan"
    exports = {"signal": "traces", "result": "ok"}
    assert telemetry.registry.get_sample_value("flowspan_telemetry_exports_total", exports) == receiver.requests


def test_the_service_is_named_by_the_standard_variables(otel: pytest.MonkeyPatch) -> None:
    otel.setenv("OTEL_SERVICE_NAME", "edge")
    otel.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test")
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", receiver.endpoint + "/v1/traces")
        telemetry = setup()
        one_transaction(telemetry)
        receiver.spans(at_least=3)
        telemetry.close()
    assert receiver.resources[0]["service.name"] == "edge"
    assert receiver.resources[0]["deployment.environment.name"] == "test"


@pytest.mark.parametrize(("events", "length"), [(1, 20), (0, 0)])
def test_spans_keep_to_the_limits_of_the_standard_variables(otel: pytest.MonkeyPatch, events: int, length: int) -> None:
    otel.setenv("OTEL_SPAN_EVENT_COUNT_LIMIT", str(events))
    otel.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", str(length))
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup()
        obs = telemetry.open(
            "openai_chat", HttpRequest("POST", "/v1/chat/completions", {"user-agent": "test/1.0 " * 4})
        )
        obs.event("request.received", {})
        obs.finish("upstream_error", status=502, detail="no " * 50)
        (root,) = receiver.spans(at_least=1)
        telemetry.close()
    assert [event.name for event in root.events] == ["request.received"][:events]
    assert root.dropped_events_count == 2 - events
    fields = attributes(root.attributes)
    assert len(str(fields.get("user_agent.original", ""))) <= length
    assert len(root.status.message) <= length
    assert dropped(telemetry, "events", "limit") == 2 - events


@pytest.mark.parametrize("mode", ["log", "both"])
def test_boundary_events_arrive_as_log_records(otel: pytest.MonkeyPatch, mode: str) -> None:
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup(TelemetryOptions(boundary_events="log" if mode == "log" else "both"))
        trace_id = one_transaction(telemetry)
        records = receiver.logs(at_least=2)
        spans = {span.name: span for span in receiver.spans(at_least=3)}
        telemetry.close()
    assert [record.event_name for record in records] == ["upstream.first_chunk", "response.completed"]
    assert {record.trace_id.hex() for record in records} == {trace_id}
    root = spans["POST /v1/chat/completions"]
    assert {record.span_id for record in records} == {root.span_id}
    assert len(root.events) == (0 if mode == "log" else 2)


def test_what_a_collector_refuses_is_counted(otel: pytest.MonkeyPatch) -> None:
    otel.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "200")
    with OtlpReceiver(status=503) as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup()
        one_transaction(telemetry)
        receiver.wait_until(lambda: receiver.requests > 0)
        telemetry.close()
    assert dropped(telemetry, "traces", "export_failed") == 3


def test_a_collector_that_hangs_holds_up_neither_requests_nor_the_end(otel: pytest.MonkeyPatch) -> None:
    otel.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "10")
    otel.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5")
    with OtlpReceiver(stall=True) as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup()
        one_transaction(telemetry)
        receiver.wait_until(lambda: receiver.requests > 0)
        started = monotonic()
        for _ in range(20):
            one_transaction(telemetry)
        assert monotonic() - started < 1
        assert dropped(telemetry, "traces", "queue_full") == 60 - 10
        telemetry.sampler.sample()
        labels = {"signal": "traces"}
        assert telemetry.registry.get_sample_value("flowspan_telemetry_queue_items", labels) == 10
        assert telemetry.registry.get_sample_value("flowspan_telemetry_queue_capacity_items", labels) == 10
        telemetry.close()
        assert monotonic() - started < 4
    # All of them: those that waited, those on their way, and those that found no room.
    assert sum(dropped(telemetry, "traces", reason) for reason in ("queue_full", "shutdown")) == 63


def test_nobody_listening_costs_spans_and_nothing_else(otel: pytest.MonkeyPatch) -> None:
    otel.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "100")
    with OtlpReceiver() as receiver:
        endpoint = receiver.endpoint
    otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
    telemetry = setup()
    one_transaction(telemetry)
    telemetry.close()
    assert dropped(telemetry, "traces", "export_failed") == 3


def test_without_an_endpoint_nothing_is_recorded_and_ids_are_made() -> None:
    telemetry = setup()
    obs = telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
    assert not obs.sampled
    assert obs.transaction_id != "txn_" + "0" * 32
    obs.finish("ok", status=200)
    telemetry.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OTEL_SDK_DISABLED", "true"),
        ("OTEL_TRACES_EXPORTER", "none"),
        ("OTEL_TRACES_SAMPLER", "always_off"),
    ],
)
def test_the_standard_variables_turn_traces_off(otel: pytest.MonkeyPatch, name: str, value: str) -> None:
    otel.setenv(name, value)
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup()
        one_transaction(telemetry)
        telemetry.close()
    assert receiver.requests == 0


@pytest.mark.parametrize(("share", "expected"), [("0", 0), ("1", 3)])
def test_a_share_is_sampled(otel: pytest.MonkeyPatch, share: str, expected: int) -> None:
    otel.setenv("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    otel.setenv("OTEL_TRACES_SAMPLER_ARG", share)
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup()
        one_transaction(telemetry)
        telemetry.close()
    assert len(receiver.spans()) == expected


def test_spans_of_other_routes_take_the_same_way(otel: pytest.MonkeyPatch) -> None:
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup()
        telemetry.tracer_provider.get_tracer("fastapi").start_span("GET /v1/models").end()
        (span,) = receiver.spans(at_least=1)
        telemetry.close()
    assert span.name == "GET /v1/models"


def test_spans_keep_to_every_count_and_say_what_was_dropped(otel: pytest.MonkeyPatch) -> None:
    for name, value in {"SPAN_ATTRIBUTE": 4, "EVENT_ATTRIBUTE": 1, "SPAN_LINK": 1, "LINK_ATTRIBUTE": 0}.items():
        otel.setenv(f"OTEL_{name}_COUNT_LIMIT", str(value))
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup()
        obs = telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
        obs.policy("redact").decided("on_request", "changed")
        for breaker in ("a", "b"):
            obs.breakers.changed(breaker, "closed", "open", "failures")
            obs.breakers.rejected(breaker)
        obs.finish("ok", status=200)
        (root,) = receiver.spans(at_least=1)
        telemetry.close()
    assert len(root.attributes) == 4
    assert root.dropped_attributes_count > 10
    assert [(len(event.attributes), event.dropped_attributes_count) for event in root.events[:2]] == [(1, 2), (1, 3)]
    assert [(len(link.attributes), link.dropped_attributes_count) for link in root.links] == [(0, 1)]
    assert root.dropped_links_count == 1


def test_log_records_keep_to_their_limits(otel: pytest.MonkeyPatch) -> None:
    otel.setenv("OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT", "2")
    otel.setenv("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "3")
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup(TelemetryOptions(boundary_events="log"))
        obs = telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
        obs.policy("redact").decided("on_request", "changed")
        record = receiver.logs(at_least=1)[0]
        telemetry.close()
    assert attributes(record.attributes) == {"flowspan.policy": "red", "flowspan.hook": "on_"}
    assert record.dropped_attributes_count == 1


def test_resource_and_scope_say_their_version_and_schema(otel: pytest.MonkeyPatch) -> None:
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup()
        one_transaction(telemetry)
        receiver.spans(at_least=3)
        telemetry.close()
    (spans,) = ExportTraceServiceRequest.FromString(receiver.bodies[0]).resource_spans
    assert receiver.resources[0]["service.version"] == VERSION
    assert receiver.resources[0]["service.instance.id"]
    scope = spans.scope_spans[0]
    assert (scope.scope.name, scope.scope.version) == ("flowspan", VERSION)
    assert spans.schema_url == scope.schema_url == "https://opentelemetry.io/schemas/1.41.0"
    labels = {"version": VERSION, "python": python_version()}
    assert telemetry.registry.get_sample_value("flowspan_build_info", labels) == 1


def test_metrics_arrive_from_time_to_time_and_at_the_end(otel: pytest.MonkeyPatch) -> None:
    otel.setenv("OTEL_METRICS_EXPORTER", "otlp")
    otel.setenv("OTEL_METRIC_EXPORT_INTERVAL", "20")
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", receiver.endpoint + "/v1/metrics")
        telemetry = setup()
        receiver.wait_until(lambda: receiver.requests >= 2)
        telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {})).finish("ok", status=200)
        telemetry.close()
        last = {metric.name: metric for metric in receiver.metrics()}
    requests = last["flowspan_requests_total"].sum.data_points
    assert sum(point.as_double for point in requests) == 1
    exports = {"signal": "metrics", "result": "ok"}
    assert telemetry.registry.get_sample_value("flowspan_telemetry_exports_total", exports) == receiver.requests


def test_metrics_that_are_refused_are_counted_as_lost(otel: pytest.MonkeyPatch) -> None:
    otel.setenv("OTEL_METRICS_EXPORTER", "otlp")
    with OtlpReceiver(status=400) as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup()
        telemetry.close()
    assert dropped(telemetry, "metrics", "export_failed") > 100


def test_spans_go_to_the_console_and_the_collector_at_once(
    otel: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    otel.setenv("OTEL_TRACES_EXPORTER", "otlp,console")
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup()
        trace_id = one_transaction(telemetry)
        telemetry.close()
        assert len(receiver.spans()) == 3
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    spans = [span for line in lines for span in line["resourceSpans"][0]["scopeSpans"][0]["spans"]]
    assert [span["traceId"] for span in spans] == [trace_id] * 3


def test_a_variable_that_cannot_be_obeyed_stops_the_start(otel: pytest.MonkeyPatch) -> None:
    otel.setenv("OTEL_PROPAGATORS", "carrier_pigeon")
    with pytest.raises(EnvironmentRefused, match="OTEL_PROPAGATORS"):
        setup()


def test_keys_in_headers_are_in_no_log_line(otel: pytest.MonkeyPatch) -> None:
    otel.setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-api-key=canary-secret")
    with OtlpReceiver() as receiver:
        otel.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        telemetry = setup()
        obs = telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
        obs.finish("upstream_error", status=502, detail="canary-secret was refused")
        (root,) = receiver.spans(at_least=1)
        telemetry.close()
    assert attributes(root.attributes)["flowspan.detail"] == "[redacted] was refused"
