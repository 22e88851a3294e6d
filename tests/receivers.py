"""A collector for tests: takes OTLP over HTTP on a port of its own, decodes it, and can refuse or stall."""

import gzip
import threading
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

Plain = str | bool | int | float | bytes | list["Plain"] | None


class OtlpReceiver:
    """`with OtlpReceiver() as receiver:`; set OTEL_EXPORTER_OTLP_ENDPOINT to its `endpoint`. It answers with `status`;
    with `stall` it reads a request and never answers until it is closed."""

    def __init__(self, *, status: int = 200, stall: bool = False) -> None:
        self.status = status
        self.stall = stall
        self.requests = 0
        self.bodies: list[bytes] = []
        self.headers: list[dict[str, str]] = []
        """The headers of each request, with lower-case names."""
        self.resources: list[dict[str, Plain]] = []
        self._traces: list[Span] = []
        self._logs: list[LogRecord] = []
        self._metrics: list[Metric] = []
        self._scopes: list[str] = []
        self._changed = threading.Condition()
        self._closed = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._closed.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def spans(self, at_least: int = 0, timeout: float = 5) -> list[Span]:
        """All spans so far; waits until there are enough."""
        self.wait_until(lambda: len(self._traces) >= at_least, timeout)
        return list(self._traces)

    def logs(self, at_least: int = 0, timeout: float = 5) -> list[LogRecord]:
        self.wait_until(lambda: len(self._logs) >= at_least, timeout)
        return list(self._logs)

    def logs_by_scope(self) -> list[tuple[str, LogRecord]]:
        """All log records so far, each with the name of its scope."""
        with self._changed:
            return list(zip(self._scopes, self._logs, strict=True))

    def metrics(self, at_least: int = 0, timeout: float = 5) -> list[Metric]:
        self.wait_until(lambda: len(self._metrics) >= at_least, timeout)
        return list(self._metrics)

    def wait_until(self, fulfilled: Callable[[], bool], timeout: float = 5) -> None:
        with self._changed:
            if not self._changed.wait_for(fulfilled, timeout):
                raise TimeoutError(
                    f"{self.requests} requests, {len(self._traces)} spans and {len(self._logs)} log records came"
                )

    def receive(self, path: str, headers: dict[str, str], body: bytes) -> int:
        """What the server's threads call; gives the status to answer with."""
        with self._changed:
            self.requests += 1
            self.bodies.append(body)
            self.headers.append(headers)
            if not self.stall and self.status == 200 and headers.get("content-type") != "application/json":
                self._decode(path, body)
            self._changed.notify_all()
        if self.stall:
            self._closed.wait()
        return self.status

    def _decode(self, path: str, body: bytes) -> None:
        if path.endswith("/v1/traces"):
            traces = ExportTraceServiceRequest.FromString(body)
            for spans_of in traces.resource_spans:
                self.resources.append(attributes(spans_of.resource.attributes))
                self._traces.extend(span for scope in spans_of.scope_spans for span in scope.spans)
        elif path.endswith("/v1/logs"):
            logs = ExportLogsServiceRequest.FromString(body)
            for logs_of in logs.resource_logs:
                self.resources.append(attributes(logs_of.resource.attributes))
                for scope in logs_of.scope_logs:
                    self._logs.extend(scope.log_records)
                    self._scopes.extend(scope.scope.name for _ in scope.log_records)
        elif path.endswith("/v1/metrics"):
            metrics = ExportMetricsServiceRequest.FromString(body)
            for metrics_of in metrics.resource_metrics:
                self._metrics.extend(metric for scope in metrics_of.scope_metrics for metric in scope.metrics)


def attributes(pairs: Iterable[KeyValue]) -> dict[str, Plain]:
    """The attributes of a span, an event, a log record or a resource as a plain dictionary."""
    return {pair.key: _plain(pair.value) for pair in pairs}


def _plain(value: AnyValue) -> Plain:
    kind = value.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return [_plain(inner) for inner in value.array_value.values]
    found: Plain = getattr(value, kind)
    return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


def _handler(receiver: OtlpReceiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            headers = {name.lower(): value for name, value in self.headers.items()}
            status = receiver.receive(self.path, headers, body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Tests read what was received, not lines."""

    return Handler
