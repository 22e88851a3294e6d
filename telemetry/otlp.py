"""The exports that the standard OTEL_* variables ask for: OTLP over HTTP, or none.

The exporters read their endpoint, headers, timeout, compression and certificates from the environment themselves; here
it is decided whether there is one, and how much may wait for it (OTEL_BSP_*, OTEL_BLRP_*). They are imported only then.
"""

import logging
import os
from dataclasses import dataclass
from time import monotonic
from typing import Literal

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from telemetry.export import Batcher
from telemetry.metrics.registry import ExportMetrics
from telemetry.names import Signal
from telemetry.traces.otlp_encoding import EncodedSpan, EndedSpan, encode

_log = logging.getLogger(__name__)


class SpanExport:
    """Encodes spans as they end, and batches what it encoded."""

    def __init__(self, batcher: Batcher[EncodedSpan]) -> None:
        self.batcher = batcher

    def offer(self, span: EndedSpan) -> None:
        self.batcher.offer(encode(span))


@dataclass(frozen=True)
class Exports:
    spans: SpanExport | None = None
    logs: Batcher[ReadableLogRecord] | None = None

    def waiting(self) -> dict[Signal, int]:
        waiting: dict[Signal, int] = {}
        if self.spans is not None:
            waiting["traces"] = self.spans.batcher.waiting()
        if self.logs is not None:
            waiting["logs"] = self.logs.waiting()
        return waiting

    def close(self, timeout: float) -> None:
        """Send what is left of both, within one `timeout` in seconds."""
        deadline = monotonic() + timeout
        if self.logs is not None:
            self.logs.wake()
        if self.spans is not None:
            self.spans.batcher.close(max(0.0, deadline - monotonic()))
        if self.logs is not None:
            self.logs.close(max(0.0, deadline - monotonic()))


def sdk_disabled() -> bool:
    return os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"


def logs_asked_for() -> bool:
    """Whether the process's log lines go to the collector too, which takes OTEL_LOGS_EXPORTER=otlp."""
    return os.environ.get("OTEL_LOGS_EXPORTER", "").strip().lower() == "otlp"


def exports_from_environment(metrics: ExportMetrics, resource: Resource, *, with_logs: bool) -> Exports:
    if sdk_disabled():
        return Exports()
    return Exports(
        _spans(metrics, resource) if _wanted("TRACES") else None,
        _logs(metrics) if with_logs and _wanted("LOGS") else None,
    )


def _wanted(signal: Literal["TRACES", "LOGS"]) -> bool:
    chosen = os.environ.get(f"OTEL_{signal}_EXPORTER", "").strip().lower()
    if chosen not in ("", "otlp"):
        if chosen != "none":
            _log.warning("OTEL_%s_EXPORTER=%s is not supported: nothing is exported", signal, chosen)
        return False
    endpoints = ("OTEL_EXPORTER_OTLP_ENDPOINT", f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT")
    wanted = bool(chosen) or any(os.environ.get(name) for name in endpoints)
    if wanted:
        _check_protocol(signal)
    return wanted


def _check_protocol(signal: str) -> None:
    names = (f"OTEL_EXPORTER_OTLP_{signal}_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
    protocol = next((value for name in names if (value := os.environ.get(name))), "http/protobuf")
    if protocol != "http/protobuf":
        _log.warning("OTLP by %s is not supported: %s go out as http/protobuf", protocol, signal.lower())


def _spans(metrics: ExportMetrics, resource: Resource) -> SpanExport:
    from telemetry.traces.exporter import EncodedSpanExporter

    exporter = EncodedSpanExporter()
    batcher: Batcher[EncodedSpan] = Batcher(
        lambda batch: exporter.send(batch, resource),
        "traces",
        metrics,
        queue_size=_number("OTEL_BSP_MAX_QUEUE_SIZE", 2048),
        batch_size=_number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512),
        delay=_number("OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000,
        abort=exporter.shutdown,
    )
    return SpanExport(batcher)


def _logs(metrics: ExportMetrics) -> Batcher[ReadableLogRecord]:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.sdk._logs.export import LogRecordExportResult

    exporter = OTLPLogExporter()
    return Batcher(
        lambda batch: exporter.export(batch) is LogRecordExportResult.SUCCESS,
        "logs",
        metrics,
        queue_size=_number("OTEL_BLRP_MAX_QUEUE_SIZE", 2048),
        batch_size=_number("OTEL_BLRP_MAX_EXPORT_BATCH_SIZE", 512),
        delay=_number("OTEL_BLRP_SCHEDULE_DELAY", 1000) / 1000,
        abort=exporter.shutdown,
    )


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    if text.isdecimal() and int(text) > 0:
        return int(text)
    _log.warning("%s must be a positive number: %d is used", name, default)
    return default
