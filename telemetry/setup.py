"""Builds the process's telemetry, once, from its own options and the standard OTEL_* variables.

Traces are exported where OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_TRACES_EXPORTER=otlp
asks for it; without an exporter nothing is recorded that nobody would see. Log lines go there too where
OTEL_LOGS_EXPORTER=otlp asks for them. Nothing global is set but logging, and that only where a stream for it is given,
and prometheus-client's `_created` series, which are left out.
"""

import logging
import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from time import perf_counter, time_ns
from typing import TextIO

from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from prometheus_client import CollectorRegistry, disable_created_metrics

from telemetry.boundary import BoundaryEvents
from telemetry.content import CaptureMode
from telemetry.context import Telemetry
from telemetry.guard import Defects
from telemetry.log_export import LogExport
from telemetry.logs import LogWriter, install
from telemetry.metrics import Metrics
from telemetry.names import Signal
from telemetry.otlp import Exports, exports_from_environment, logs_asked_for, sdk_disabled
from telemetry.redact import Scrubber
from telemetry.sampler import Sampler
from telemetry.sdk_spans import ForeignSpans, as_readable
from telemetry.services import Services, TelemetryOptions
from telemetry.spans import EVENT_LIMIT, TEXT_LIMIT, Sink, Tracer

_log = logging.getLogger(__name__)
_CLOSE_LIMIT = 2.0
_CAPTURE_VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_CAPTURE: dict[str, CaptureMode] = {
    "NO_CONTENT": "none",
    "SPAN_ONLY": "span",
    "EVENT_ONLY": "event",
    "SPAN_AND_EVENT": "both",
}


def setup(
    options: TelemetryOptions | None = None,
    *,
    models: Iterable[tuple[str, str]] = (),
    policies: Iterable[str] = (),
    secrets: Iterable[str] = (),
    log_stream: TextIO | None = None,
    span_exporter: SpanExporter | None = None,
    registry: CollectorRegistry | None = None,
    clock: Callable[[], float] = perf_counter,
    wall_ns: Callable[[], int] = time_ns,
) -> Telemetry:
    """`models` are (name, provider) pairs, `secrets` the configured keys: none of these leaves by a log or a span.
    A given `span_exporter` gets each span as it ends and takes the place of what the environment asks for."""
    options = _with_environment(options or TelemetryOptions())
    # Series that would nearly double each scrape, for a time that Prometheus does not read by default.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    metrics = Metrics(registry, models=models, policies=policies)
    scrub = Scrubber(secrets)
    writer = install(options.log_level, metrics.exports, scrub, log_stream) if log_stream is not None else None
    defects = Defects(lambda: metrics.exports.dropped("internal", "defect"))
    limits = _limits()
    provider = _tracer_provider(limits)
    exports = Exports() if span_exporter is not None else _exports(options, metrics, provider.resource)
    log_export = _log_export(exports, provider.resource, scrub, metrics) if writer is not None else None
    processor = _processor(span_exporter, exports)
    if processor is not None:
        provider.add_span_processor(processor)
    services = Services(
        options=options,
        metrics=metrics,
        tracer=_tracer(provider, limits, _sink(processor, exports), scrub, defects),
        boundary=BoundaryEvents(
            options.boundary_events,
            metrics,
            provider.resource,
            scrub,
            exports.logs.offer if exports.logs is not None else None,
        ),
        scrub=scrub,
        defects=defects,
        clock=clock,
        wall_ns=wall_ns,
    )
    return Telemetry(
        services,
        sampler=Sampler(services.live, metrics, defects, waiting=lambda: _waiting(exports, writer), clock=clock),
        tracer_provider=provider,
        close_exports=lambda: _close(exports, writer, log_export),
    )


def _with_environment(options: TelemetryOptions) -> TelemetryOptions:
    """Where the standard variable speaks of content, it has the last word."""
    text = os.environ.get(_CAPTURE_VARIABLE, "").strip().upper()
    if not text:
        return options
    if text not in _CAPTURE:
        _log.warning("%s must be one of %s: it is ignored", _CAPTURE_VARIABLE, ", ".join(_CAPTURE))
        return options
    return replace(options, capture_content=_CAPTURE[text])


def _exports(options: TelemetryOptions, metrics: Metrics, resource: Resource) -> Exports:
    events = options.boundary_events != "span" or options.capture_content in ("event", "both")
    with_logs = events or logs_asked_for()
    return exports_from_environment(metrics.exports, resource, with_logs=with_logs, encoder=options.otlp_encoder)


def _log_export(exports: Exports, resource: Resource, scrub: Scrubber, metrics: Metrics) -> LogExport | None:
    """In line behind the writer, for the same records."""
    if exports.logs is None or not logs_asked_for():
        return None
    handler = LogExport(resource, scrub, exports.logs.offer, lambda: metrics.exports.dropped("logs", "defect"))
    logging.getLogger().addHandler(handler)
    return handler


def _limits() -> SpanLimits:
    """Ours, where the standard variables say nothing else."""
    return SpanLimits(
        max_events=None if "OTEL_SPAN_EVENT_COUNT_LIMIT" in os.environ else EVENT_LIMIT,
        max_attribute_length=None if "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT" in os.environ else TEXT_LIMIT,
    )


def _tracer_provider(limits: SpanLimits) -> TracerProvider:
    # Without the instrumentations' consent to the stable names, other routes would speak of HTTP in the old ones.
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http,gen_ai_latest_experimental")
    return TracerProvider(resource=_resource(), span_limits=limits, shutdown_on_exit=False)


def _resource() -> Resource:
    resource = Resource.create()
    if str(resource.attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        resource = resource.merge(Resource({SERVICE_NAME: "flowspan"}))
    return resource


def _processor(span_exporter: SpanExporter | None, exports: Exports) -> SpanProcessor | None:
    if span_exporter is not None:
        return SimpleSpanProcessor(span_exporter)
    return ForeignSpans(exports.spans.offer) if exports.spans is not None else None


def _sink(processor: SpanProcessor | None, exports: Exports) -> Sink | None:
    if exports.spans is not None:
        return exports.spans.offer
    return None if processor is None else lambda span: processor.on_end(as_readable(span))


def _tracer(
    provider: TracerProvider, limits: SpanLimits, sink: Sink | None, scrub: Scrubber, defects: Defects
) -> Tracer:
    disabled = sdk_disabled()
    return Tracer(
        sink=None if disabled else sink,
        sampler=ALWAYS_OFF if disabled else provider.sampler,
        resource=provider.resource,
        scrub=scrub,
        defects=defects,
        ids=provider.id_generator,
        text_limit=TEXT_LIMIT if limits.max_span_attribute_length is None else limits.max_span_attribute_length,
        event_limit=EVENT_LIMIT if limits.max_events is None else limits.max_events,
    )


def _waiting(exports: Exports, writer: LogWriter | None) -> dict[Signal, int]:
    waiting = exports.waiting()
    if writer is not None:
        waiting["console"] = writer.waiting()
    return waiting


def _close(exports: Exports, writer: LogWriter | None, log_export: LogExport | None) -> None:
    if log_export is not None:
        logging.getLogger().removeHandler(log_export)
    exports.close(_CLOSE_LIMIT)
    if writer is not None:
        writer.close()
