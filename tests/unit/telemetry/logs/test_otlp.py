"""The log lines of the process on their way to a collector, over a real socket."""

import io
import logging
from collections.abc import Iterator

import pytest
from opentelemetry._logs import SeverityNumber
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from telemetry import HttpRequest, Telemetry, TelemetryOptions, setup
from telemetry.logs.records import log_fields
from telemetry.transaction.boundary import Mode
from tests.receivers import OtlpReceiver, attributes


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[OtlpReceiver]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    monkeypatch.setenv("OTEL_BLRP_SCHEDULE_DELAY", "20")
    with OtlpReceiver() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.endpoint)
        yield receiver
    root.handlers[:] = before[0]
    root.setLevel(before[1])


def started(boundary_events: Mode = "span") -> Telemetry:
    options = TelemetryOptions(boundary_events=boundary_events)
    return setup(options, secrets=["canary-secret"], log_stream=io.StringIO())


def one_line(receiver: OtlpReceiver) -> LogRecord:
    (record,) = receiver.logs(at_least=1)
    return record


def test_a_line_arrives_with_its_severity_its_fields_and_its_trace(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "otlp")
    telemetry = started()
    obs = telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
    obs.finish("upstream_error", status=502, detail="canary-secret was refused")
    record = one_line(receiver)
    telemetry.close()
    fields = attributes(record.attributes)
    assert record.body.string_value == "POST /v1/chat/completions upstream_error"
    assert (record.severity_text, record.severity_number) == ("WARNING", SeverityNumber.WARN.value)
    assert record.trace_id == obs.span_context.trace_id.to_bytes(16, "big")
    assert record.span_id == obs.span_context.span_id.to_bytes(8, "big")
    assert (fields["outcome"], fields["status"], fields["detail"]) == ("upstream_error", 502, "[redacted] was refused")
    assert fields["transaction_id"] == obs.transaction_id
    assert "time.upstream" in fields
    assert "ttft_s" not in fields
    assert not {"trace_id", "span_id"} & set(fields)
    assert receiver.resources[0]["service.name"] == "flowspan"


def test_an_exception_arrives_scrubbed(receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "otlp")
    telemetry = started()
    try:
        raise ValueError("password=hunter22")
    except ValueError:
        logging.getLogger("app").exception("the %s of canary-secret", "end", extra=log_fields(None, {"odd": object()}))
    record = one_line(receiver)
    telemetry.close()
    fields = attributes(record.attributes)
    assert record.body.string_value == "the end of [redacted]"
    assert record.severity_number == SeverityNumber.ERROR.value
    assert not record.trace_id
    assert fields["exception.type"] == "ValueError"
    assert "test_otlp.py" in str(fields["exception.stacktrace"])
    assert "hunter22" not in str(fields)


def test_an_otlp_endpoint_without_logs_exporter_exports_no_log_lines(receiver: OtlpReceiver) -> None:
    telemetry = started()
    logging.getLogger("app").warning("for stderr only")
    telemetry.close()
    assert receiver.logs() == []


def test_boundary_events_arrive_once_beside_the_lines(receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "otlp")
    telemetry = started(boundary_events="log")
    telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {})).finish("ok", status=200)
    records = receiver.logs(at_least=2)
    telemetry.close()
    assert [record.event_name for record in records] == ["response.completed", ""]


def test_a_line_that_no_record_can_be_made_of_is_counted(
    receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_LOGS_EXPORTER", "otlp")
    telemetry = started()
    logging.getLogger("app").info("%d", "not a number")
    telemetry.close()
    labels = {"signal": "logs", "reason": "defect"}
    assert telemetry.registry.get_sample_value("flowspan_telemetry_items_dropped_total", labels) == 1
    assert receiver.logs() == []
