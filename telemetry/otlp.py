"""The exports that the environment asks for: OTLP by HTTP or gRPC, lines on stdout, both or none.

What the OTEL_* variables say is read and checked before (`telemetry.environment`). Here each signal gets its queue, its
encoder and its ways out, which are imported only then. A signal with two ways is encoded once; it is lost where one of
the two does not take it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from time import monotonic, time_ns
from typing import TypeVar

from google.protobuf.message import Message
from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from telemetry.delivery.rejections import Delivery, Rejection
from telemetry.environment import Environment, SignalExport
from telemetry.export import Batcher
from telemetry.metrics.registry import Metrics
from telemetry.names import Signal
from telemetry.periodic import PeriodicExport
from telemetry.traces.otlp_encoding import EncodedSpan, EndedSpan, encode, encode_export

T = TypeVar("T")


class SpanExport:
    """Encodes spans that have ended, and batches what it encoded."""

    def __init__(self, batcher: Batcher[EncodedSpan]) -> None:
        self.batcher = batcher

    def offer(self, spans: Sequence[EndedSpan]) -> None:
        """Take the spans of a transaction. Raises what kept one from being encoded, which then is counted as lost; the
        others are taken all the same."""
        encoded: list[EncodedSpan] = []
        fault: Exception | None = None
        for span in spans:
            try:
                encoded.append(encode(span))
            except Exception as error:
                fault = error
                self.batcher.lose("defect")
        self.batcher.offer(*encoded)
        if fault is not None:
            raise fault


@dataclass
class Exports:
    spans: SpanExport | None = None
    logs: Batcher[ReadableLogRecord] | None = None
    metrics: PeriodicExport | None = None

    def waiting(self) -> dict[Signal, int]:
        waiting: dict[Signal, int] = {}
        if self.spans is not None:
            waiting["traces"] = self.spans.batcher.waiting()
        if self.logs is not None:
            waiting["logs"] = self.logs.waiting()
        return waiting

    def close(self, timeout: float) -> None:
        """Send what is left of all of them, within one `timeout` in seconds."""
        deadline = monotonic() + timeout
        batchers = [self.spans.batcher if self.spans is not None else None, self.logs, self.metrics]
        open_ones = [one for one in batchers if one is not None]
        for one in open_ones:
            one.wake()
        for one in open_ones:
            one.close(max(0.0, deadline - monotonic()))


def make_exports(environment: Environment, metrics: Metrics, resource: Resource, *, with_logs: bool) -> Exports:
    """Start the exports of `environment`; those of log records only `with_logs`, of metrics those of `metrics`."""
    traces, points = environment.traces, environment.metrics
    return Exports(
        None if traces is None else SpanExport(_spans(traces, metrics, resource)),
        make_log_export(environment, metrics) if with_logs else None,
        None if points is None else _metrics(points, metrics, resource),
    )


def make_log_export(environment: Environment, metrics: Metrics) -> Batcher[ReadableLogRecord] | None:
    """Start the export of log records; None where the environment asks for none."""
    return None if environment.logs is None else _logs(environment.logs, metrics)


def _spans(export: SignalExport, metrics: Metrics, resource: Resource) -> Batcher[EncodedSpan]:
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

    return _batcher(
        "traces",
        export,
        metrics,
        ExportTraceServiceRequest,
        lambda batch: encode_export(batch, resource),
        itemgetter(1),
    )


def _logs(export: SignalExport, metrics: Metrics) -> Batcher[ReadableLogRecord]:
    from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    return _batcher(
        "logs",
        export,
        metrics,
        ExportLogsServiceRequest,
        lambda batch: encode_logs(batch).SerializeToString(),
        _size_of_record,
    )


def _size_of_record(record: ReadableLogRecord) -> int:
    """About how many bytes the attributes of a log record take."""
    attributes = record.log_record.attributes or {}
    return sum(len(value) for value in attributes.values() if isinstance(value, str))


def _batcher(
    signal: Signal,
    export: SignalExport,
    metrics: Metrics,
    kind: type[Message],
    encode_batch: Callable[[Sequence[T]], bytes],
    size_of: Callable[[T], int],
) -> Batcher[T]:
    ways = _Ways(export, kind)
    return Batcher(
        lambda batch: ways.send(encode_batch(batch)),
        signal,
        metrics.exports,
        queue_size=export.queue_size,
        batch_size=export.batch_size,
        delay=export.delay,
        receiver=ways.name,
        abort=ways.close,
        size_of=size_of,
    )


def _metrics(export: SignalExport, metrics: Metrics, resource: Resource) -> PeriodicExport:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    from telemetry.metrics.otlp_encoding import encode_metrics

    ways = _Ways(export, ExportMetricsServiceRequest)
    started_ns = time_ns()
    return PeriodicExport(
        lambda: encode_metrics(metrics.registry.collect(), resource.attributes, started_ns, time_ns()),
        ways.send,
        "metrics",
        metrics.exports,
        interval=export.delay,
        receiver=ways.name,
        abort=ways.close,
    )


class _Ways:
    """All ways that one signal takes: stdout, which is quick, before the collector."""

    def __init__(self, export: SignalExport, kind: type[Message]) -> None:
        self._all = _deliveries(export, kind)
        self.name = " and ".join(
            f"the collector at {one.name}" if one.name != "stdout" else one.name for one in self._all
        )

    def send(self, body: bytes) -> Rejection | None:
        rejections = [rejection for one in self._all if (rejection := one.send(body)) is not None]
        return rejections[0] if rejections else None

    def close(self) -> None:
        for one in self._all:
            one.close()


def _deliveries(export: SignalExport, kind: type[Message]) -> list[Delivery]:
    found: list[Delivery] = []
    if export.console:
        from telemetry.delivery.console import ConsoleDelivery

        found.append(ConsoleDelivery(kind))
    if export.target is not None and export.target.protocol == "grpc":
        from telemetry.delivery.grpc import GrpcDelivery

        found.append(GrpcDelivery(export.target))
    elif export.target is not None:
        from telemetry.delivery.http import HttpDelivery

        found.append(HttpDelivery(export.target, kind))
    return found
