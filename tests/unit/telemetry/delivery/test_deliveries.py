"""Batches on their way: over real sockets, in each protocol, and why they do not arrive."""

import io
import json
import socket
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span

from telemetry.delivery.console import ConsoleDelivery
from telemetry.delivery.grpc import GrpcDelivery
from telemetry.delivery.http import HttpDelivery
from telemetry.delivery.reasons import reason_of_error, reason_of_grpc
from telemetry.delivery.rejections import Rejection
from telemetry.delivery.retries import Retries
from telemetry.environment import OtlpTarget, read_environment
from tests.receivers import OtlpReceiver

SPAN = Span(
    trace_id=b"\x4b" * 16,
    span_id=b"\x00\x01\x02\x03\x04\x05\x06\xff",
    name="chat",
    kind=Span.SPAN_KIND_CLIENT,
    start_time_unix_nano=2**63,
    attributes=[KeyValue(key="traceId", value=AnyValue(int_value=7))],
)
REQUEST = ExportTraceServiceRequest(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=[SPAN])])])
BODY = REQUEST.SerializeToString()


def target(endpoint: str, **environ: str) -> OtlpTarget:
    timeout = {"OTEL_EXPORTER_OTLP_TIMEOUT": "300"}
    export = read_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **timeout, **environ}).traces
    assert export is not None
    assert export.target is not None
    return export.target


def reason(endpoint: str, **environ: str) -> str:
    found = target(endpoint, **environ)
    delivery = GrpcDelivery(found) if found.protocol == "grpc" else HttpDelivery(found, ExportTraceServiceRequest)
    rejection = delivery.send(BODY)
    delivery.close()
    assert rejection is not None
    return rejection.reason


@contextmanager
def listener(greeting: bytes = b"") -> Iterator[str]:
    """A port that reads a little, says something, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.settimeout(1)
                    connection.recv(65536)
                    connection.sendall(greeting)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_a_batch_arrives_with_its_headers_and_compressed(compression: str) -> None:
    with OtlpReceiver() as receiver:
        environ = {"OTEL_EXPORTER_OTLP_COMPRESSION": compression, "OTEL_EXPORTER_OTLP_HEADERS": "x-team=a"}
        delivery = HttpDelivery(target(receiver.endpoint, **environ), ExportTraceServiceRequest)
        assert delivery.send(BODY) is None
        delivery.close()
    assert receiver.spans() == [SPAN]
    assert receiver.headers[0]["x-team"] == "a"


def test_a_delivery_goes_by_the_proxy_and_the_password_that_the_environment_had_when_it_was_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine collector.invalid login gateway password x\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    with OtlpReceiver() as receiver:
        monkeypatch.setenv("http_proxy", receiver.endpoint)
        delivery = HttpDelivery(target("http://collector.invalid"), ExportTraceServiceRequest)
        monkeypatch.delenv("http_proxy")
        monkeypatch.delenv("NETRC")
        assert delivery.send(BODY) is None
        delivery.close()
    assert receiver.spans() == [SPAN]
    assert receiver.headers[0]["host"] == "collector.invalid"
    assert receiver.headers[0]["authorization"].startswith("Basic ")


def test_json_has_hexadecimal_ids_and_numbers_as_the_protocol_wants_them() -> None:
    with OtlpReceiver() as receiver:
        delivery = HttpDelivery(
            target(receiver.endpoint, OTEL_EXPORTER_OTLP_PROTOCOL="http/json"), ExportTraceServiceRequest
        )
        assert delivery.send(BODY) is None
        delivery.close()
    assert receiver.headers[0]["content-type"] == "application/json"
    (span,) = json.loads(receiver.bodies[0])["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert span == {
        "traceId": "4b" * 16,
        "spanId": "00010203040506ff",
        "name": "chat",
        "kind": 3,
        "startTimeUnixNano": str(2**63),
        "attributes": [{"key": "traceId", "value": {"intValue": "7"}}],
    }


def test_the_console_gets_a_line_for_each_batch() -> None:
    stream = io.StringIO()
    delivery = ConsoleDelivery(ExportTraceServiceRequest, stream)
    assert delivery.send(BODY) is None
    assert delivery.send(BODY) is None
    assert [json.loads(line)["resourceSpans"] is None for line in stream.getvalue().splitlines()] == [False, False]
    stream.close()
    rejection = delivery.send(BODY)
    assert rejection is not None


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (302, "it is not followed"),
        (401, "401 (Unauthorized); check OTEL_EXPORTER_OTLP_HEADERS"),
        (404, "the path of"),
        (415, "OTLP_PROTOCOL"),
    ],
)
def test_a_status_says_what_to_look_at(status: int, words: str) -> None:
    with OtlpReceiver(status=status) as receiver:
        assert words in reason(receiver.endpoint)
        assert receiver.requests == 1


def test_who_is_not_reached_is_named_with_the_reason() -> None:
    with listener(greeting=b"\x00\x00\x06\x04\x00\x00\x00\x00\x00") as port:
        assert "OTEL_EXPORTER_OTLP_PROTOCOL=grpc" in reason(f"http://{port}")
    with listener(greeting=b"HTTP/1.1 400 Bad Request\r\n\r\n") as port:
        assert "does not speak TLS" in reason(f"https://{port}")
    with listener() as port:
        assert "closed the connection" in reason(f"http://{port}")
    assert "refused" in reason(f"http://{port}")
    assert "no answer" in reason_of_error(TimeoutError())
    assert "no address" in reason_of_error(ConnectionError(socket.gaierror(-2, "unknown")))
    untrusted = ssl.SSLCertVerificationError()
    untrusted.verify_message = "self-signed certificate"
    assert "self-signed certificate" in reason_of_error(ConnectionError(untrusted))
    assert reason_of_error(ValueError("what a stranger wrote")) == "ValueError"


def test_what_is_transient_is_tried_again_as_long_as_there_is_time() -> None:
    tries: list[float] = []

    def fail(left: float) -> Rejection:
        tries.append(left)
        return Rejection("503", is_transient=True, retry_after=0.01)

    assert Retries(0.05).run(fail) == Rejection("503", is_transient=True, retry_after=0.01)
    assert 2 <= len(tries) <= 6
    tries.clear()
    cancelled = Retries(60)
    cancelled.cancel()
    cancelled.run(fail)
    assert len(tries) == 1


def grpc_server(calls: list[tuple[bytes, dict[str, object]]], rejected: int = 0) -> tuple[grpc.Server, int]:
    def export(body: bytes, context: grpc.ServicerContext) -> bytes:
        calls.append((body, dict(context.invocation_metadata())))
        partial = ExportTracePartialSuccess(rejected_spans=rejected)
        return bytes(ExportTraceServiceResponse(partial_success=partial).SerializeToString())

    service = "opentelemetry.proto.collector.trace.v1.TraceService"
    handlers = {"Export": grpc.unary_unary_rpc_method_handler(export)}
    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    return server, port


def test_a_batch_arrives_by_grpc_and_what_is_rejected_of_it_is_lost() -> None:
    calls: list[tuple[bytes, dict[str, object]]] = []
    server, port = grpc_server(calls, rejected=3)
    environ = {
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_EXPORTER_OTLP_HEADERS": "x-team=a",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "5000",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    }
    delivery = GrpcDelivery(target(f"http://127.0.0.1:{port}", **environ))
    rejection = delivery.send(BODY)
    delivery.close()
    server.stop(0).wait()
    assert [(body, headers["x-team"]) for body, headers in calls] == [(BODY, "a")]
    assert rejection is not None
    assert rejection.items == 3


def test_why_a_batch_does_not_arrive_by_grpc() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    assert "refused" in reason(f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_PROTOCOL="grpc")
    assert reason_of_grpc("UNIMPLEMENTED", "some words") == "gRPC status UNIMPLEMENTED"
    assert "HEADERS" in reason_of_grpc("UNAUTHENTICATED", "")
    assert "HTTP/1.1" in reason_of_grpc("UNAVAILABLE", "Trying to connect an http1.x server")
