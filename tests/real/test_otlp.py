"""Every protocol against a real collector, which hands on what it understood: spans, log records and metrics."""

import io
import logging
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.trace import format_trace_id

from telemetry import AttemptTarget, HttpRequest, TelemetryOptions, setup
from tests.real.programs import Process, free_port, need, output_of
from tests.receivers import OtlpReceiver, attributes

_CONFIG = """\
receivers:
  otlp:
    protocols:
      grpc: {{endpoint: 127.0.0.1:{grpc}{tls}}}
      http: {{endpoint: 127.0.0.1:{http}{tls}}}
exporters:
  otlp_http: {{endpoint: "{receiver}", compression: none}}
extensions:
  health_check: {{endpoint: 127.0.0.1:{health}}}
service:
  extensions: [health_check]
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_http]}}
    metrics: {{receivers: [otlp], exporters: [otlp_http]}}
    logs: {{receivers: [otlp], exporters: [otlp_http]}}
"""


class Collector:
    """A collector in front of a receiver that shows what came through it."""

    def __init__(self, folder: Path, tls: str = "") -> None:
        self.receiver = OtlpReceiver()
        self.grpc, self.http, self._health = free_port(), free_port(), free_port()
        file = folder / "collector.yaml"
        file.write_text(
            _CONFIG.format(
                grpc=self.grpc, http=self.http, health=self._health, receiver=self.receiver.endpoint, tls=tls
            )
        )
        self._process = Process([need("otelcol"), "--config", str(file)], folder / "collector.log")

    def __enter__(self) -> "Collector":
        self._process.start()
        self._process.until(self._is_healthy, "healthy")
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stop()
        self.receiver.close()

    def _is_healthy(self) -> bool:
        return _is_open(self._health) and _is_open(self.grpc) and _is_open(self.http)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    with Collector(tmp_path) as collector:
        yield collector
    root.handlers[:] = before[0]
    root.setLevel(before[1])


@pytest.mark.parametrize("compression", ["none", "gzip"])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf", "http/json"])
def test_all_signals_arrive_by_every_protocol(
    collector: Collector, monkeypatch: pytest.MonkeyPatch, protocol: str, compression: str
) -> None:
    port = collector.grpc if protocol == "grpc" else collector.http
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_COMPRESSION": compression,
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "0",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    telemetry = setup(TelemetryOptions(), log_stream=io.StringIO())
    obs = telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {}))
    obs.describe(operation="chat", model="gpt-5", provider="openai", stream=True)
    first = obs.attempts.start(
        AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5", stream=True)
    )
    first.end()
    obs.attempts.start(
        AttemptTarget(deployment="d", provider="openai", model="gpt-5", model_group="gpt-5"), retry_of=first
    ).end()
    obs.finish("ok", status=200)
    telemetry.close()
    receiver = collector.receiver
    spans = receiver.spans(at_least=3)
    trace_id = format_trace_id(obs.span_context.trace_id)
    assert {span.trace_id.hex() for span in spans} == {trace_id}
    (retry,) = [span for span in spans if span.links]
    assert retry.links[0].dropped_attributes_count == 1
    root = next(span for span in spans if not span.parent_span_id)
    assert attributes(root.attributes)["http.response.status_code"] == 200
    lines = {record.body.string_value: record.trace_id.hex() for record in receiver.logs(at_least=2)}
    assert lines == {"attempt failed, retried": trace_id, "POST /v1/chat/completions ok": trace_id}
    metrics = {metric.name: metric for metric in receiver.metrics(at_least=1)}
    assert sum(point.as_double for point in metrics["flowspan_requests_total"].sum.data_points) == 1
    durations = metrics["gen_ai_server_request_duration_seconds"].histogram.data_points
    assert [exemplar.trace_id.hex() for point in durations for exemplar in point.exemplars] == [trace_id]
    assert {resource["service.name"] for resource in receiver.resources} == {"flowspan"}
    for signal in ("traces", "logs", "metrics"):
        labels = {"signal": signal, "result": "failed"}
        assert telemetry.registry.get_sample_value("flowspan_telemetry_exports_total", labels) == 0


@pytest.mark.parametrize(
    ("protocol", "to_grpc", "words"),
    [("http/protobuf", True, "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"), ("grpc", False, "HTTP/1.1")],
)
def test_a_port_of_another_protocol_is_named(
    collector: Collector,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    protocol: str,
    to_grpc: bool,
    words: str,
) -> None:
    port = collector.grpc if to_grpc else collector.http
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "500")
    one_transaction()
    (line,) = [record.message for record in caplog.records if "does not take traces" in record.message]
    assert words in line


def certificates(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that nobody has signed, and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    name = ("-subj", "/CN=collector", "-addext", "subjectAltName=IP:127.0.0.1")
    request = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    output_of("openssl", *request, *name, "-keyout", str(key), "-out", str(certificate))
    return certificate, key


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_each_side_shows_the_certificate_that_the_other_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, protocol: str
) -> None:
    certificate, key = certificates(tmp_path)
    tls = f", tls: {{cert_file: {certificate}, key_file: {key}, client_ca_file: {certificate}}}"
    with Collector(tmp_path, tls) as collector:
        port = collector.grpc if protocol == "grpc" else collector.http
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"https://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", protocol)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1000")
        one_transaction()
        (line,) = [record.message for record in caplog.records if "does not take traces" in record.message]
        assert "its certificate is not accepted" in line
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(certificate))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE", str(certificate))
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CLIENT_KEY", str(key))
        # The variables of the exporter count before those of the HTTP client.
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/ssl/certs/ca-certificates.crt")
        one_transaction()
        assert len(collector.receiver.spans(at_least=1)) == 1


def one_transaction() -> None:
    telemetry = setup()
    telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", {})).finish("ok", status=200)
    telemetry.close()
