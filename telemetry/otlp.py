"""The exports that the standard OTEL_* variables ask for: OTLP over HTTP, or none.

The exporters read their endpoint, headers, timeout, compression and certificates from the environment themselves; here
it is decided whether there is one, and how much may wait for it (OTEL_BSP_*, OTEL_BLRP_*). They are imported only then.
"""

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Any, Literal

from opentelemetry.sdk._logs import ReadableLogRecord
from opentelemetry.sdk.resources import Resource

from telemetry.export import Batcher
from telemetry.metrics import ExportMetrics
from telemetry.names import Signal
from telemetry.otlp_encoding import EndedSpan, encode
from telemetry.sdk_spans import as_readable

Encoder = Literal["lean", "sdk"]
"""Who encodes spans: we, or the SDK's exporter, which takes ten times as long."""
_log = logging.getLogger(__name__)


class SpanExport:
    """Spans wait in the form that `encode` gives them."""

    def __init__(self, encode: Callable[[EndedSpan], Any], batcher: Batcher[Any]) -> None:
        self.batcher = batcher
        self._encode = encode

    def offer(self, span: EndedSpan) -> None:
        self.batcher.offer(self._encode(span))


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
        """Both have the same time: a collector that takes neither costs it once."""
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
    """Whether the process's log lines go to the collector too; an endpoint alone asks for none of them."""
    return os.environ.get("OTEL_LOGS_EXPORTER", "").strip().lower() == "otlp"


def exports_from_environment(
    metrics: ExportMetrics, resource: Resource, *, with_logs: bool, encoder: Encoder = "lean"
) -> Exports:
    if sdk_disabled():
        return Exports()
    return Exports(
        _spans(metrics, resource, encoder) if _wanted("TRACES") else None,
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


def _spans(metrics: ExportMetrics, resource: Resource, encoder: Encoder) -> SpanExport:
    from telemetry.span_exporters import LeanSpanExporter, SdkSpanExporter

    if encoder == "lean":
        lean = LeanSpanExporter()
        return SpanExport(encode, _batcher(lambda spans: lean.send(spans, resource), lean.shutdown, metrics))
    sdk = SdkSpanExporter()
    return SpanExport(as_readable, _batcher(sdk.send, sdk.shutdown, metrics))


def _batcher(send: Callable[[Sequence[Any]], bool], abort: Callable[[], None], metrics: ExportMetrics) -> Batcher[Any]:
    return Batcher(
        send,
        "traces",
        metrics,
        queue_size=_number("OTEL_BSP_MAX_QUEUE_SIZE", 2048),
        batch_size=_number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 512),
        delay=_number("OTEL_BSP_SCHEDULE_DELAY", 5000) / 1000,
        abort=abort,
    )


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
