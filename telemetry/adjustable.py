"""What of telemetry goes by its options, and can be changed while transactions are under way: those that have begun go
on with what they began with."""

import logging
from dataclasses import replace
from weakref import WeakSet

from opentelemetry.sdk.resources import Resource

from telemetry.environment import Environment
from telemetry.logs.console import LogWriter, show
from telemetry.metrics.registry import Metrics
from telemetry.otlp import Exports, make_log_export
from telemetry.traces.spans import Tracer
from telemetry.transaction.boundary import BoundaryEvents
from telemetry.transaction.content import ContentRecorder
from telemetry.transaction.services import Services, TelemetryOptions

_log = logging.getLogger("telemetry.setup")


class Adjustable:
    """Makes the parts that go by options. `exports` are those that were started; further ones are, as they are needed,
    where `may_export`."""

    def __init__(
        self,
        environment: Environment,
        metrics: Metrics,
        tracer: Tracer,
        *,
        resource: Resource,
        exports: Exports,
        writer: LogWriter | None,
        may_export: bool,
    ) -> None:
        self._environment = environment
        self._metrics = metrics
        self._tracer = tracer
        self._resource = resource
        self._exports = exports
        self._writer = writer
        self._may_export = may_export
        self._recorders: WeakSet[ContentRecorder] = WeakSet()
        """All that some transaction may still have."""

    def services(self, options: TelemetryOptions) -> Services:
        """What transactions work with by these options."""
        boundary = self._boundary_events(options)
        return Services(
            options=options,
            metrics=self._metrics,
            tracer=self._tracer,
            boundary=boundary,
            scrub=self._tracer.scrub,
            defects=self._tracer.defects,
            content=self._content_recorder(options, boundary),
        )

    def adjusted(self, services: Services, options: TelemetryOptions, generation: int) -> Services:
        """What transactions work with from now on. The names of metrics and spans are those of the start."""
        before = services.options
        options = replace(
            with_environment(options, self._environment),
            semconv=before.semconv,
            created_timestamps=before.created_timestamps,
        )
        if self._writer is not None and _of_log(options) != _of_log(before):
            show(self._writer, options.log_level, self._tracer.scrub, options.log_format)
        if _of_events(options) == _of_events(before):
            return replace(services, options=options, generation=generation)
        if self._may_export and self._exports.logs is None and has_events(options):
            self._exports.logs = make_log_export(self._environment, self._metrics)
        boundary = self._boundary_events(options)
        content = self._content_recorder(options, boundary)
        return replace(services, options=options, generation=generation, boundary=boundary, content=content)

    def close(self, timeout: float) -> None:
        """Record what still waits, for `timeout` seconds at most."""
        for recorder in tuple(self._recorders):
            recorder.close(timeout)

    def _boundary_events(self, options: TelemetryOptions) -> BoundaryEvents:
        logs = self._exports.logs
        return BoundaryEvents(
            options.boundary_events,
            self._metrics,
            self._resource,
            self._tracer.scrub,
            None if logs is None else logs.offer,
            self._environment.log_limits,
        )

    def _content_recorder(self, options: TelemetryOptions, boundary: BoundaryEvents) -> ContentRecorder:
        # The limit of all texts in spans is made for others, so only one that the operator sets holds for content.
        length, tracer = self._tracer.limits.value_length, self._tracer
        recorder = ContentRecorder(
            options.capture_content,
            options.content_limit if length is None else min(options.content_limit, length),
            has_spans=tracer.sink is not None,
            openinference=options.openinference,
            scrub=tracer.scrub,
            boundary=boundary,
            metrics=self._metrics.exports,
            defects=tracer.defects,
        )
        self._recorders.add(recorder)
        logs = self._exports.logs
        _log_content(options, has_spans=tracer.sink is not None, events_to=None if logs is None else logs.receiver)
        return recorder


def with_environment(options: TelemetryOptions, environment: Environment) -> TelemetryOptions:
    """The options, with `capture_content` from the standard variable where it is set."""
    capture = environment.capture_content
    return options if capture is None else replace(options, capture_content=capture)


def has_events(options: TelemetryOptions) -> bool:
    """Whether anything is recorded as log records."""
    return options.boundary_events != "span" or options.capture_content in ("event", "both")


def _of_log(options: TelemetryOptions) -> tuple[object, ...]:
    return options.log_level, options.log_format


def _of_events(options: TelemetryOptions) -> tuple[object, ...]:
    return options.boundary_events, options.capture_content, options.content_limit, options.openinference


def _log_content(options: TelemetryOptions, *, has_spans: bool, events_to: str | None) -> None:
    """Log where captured content goes, for nobody should have to look for it, or come upon it by chance. `events_to` is
    who gets the log records; None if they are lines of the log."""
    mode = options.capture_content
    if mode in ("span", "both") and not has_spans:
        _log.warning(
            "capture_content: %s records nothing on spans, because none are exported: set OTEL_EXPORTER_OTLP_ENDPOINT",
            mode,
        )
    if mode in ("event", "both"):
        where = "are lines of this log" if events_to is None else f"go to {events_to}, as log records"
        _log.info("capture_content: %s records prompts and answers: they %s", mode, where)
