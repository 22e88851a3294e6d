"""An environment in, what the OTEL_* variables in it ask for out; or all that is wrong with them. Reads files, sets
nothing."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.parse import unquote

from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    ParentBased,
    Sampler,
    TraceIdRatioBased,
)

from telemetry.environment.targets import OtlpSignal, OtlpTarget, read_target
from telemetry.environment.variables import Variables
from telemetry.limits import LOG_LIMITS, SPAN_LIMITS, LogLimits, SpanLimits
from telemetry.names import CaptureMode
from telemetry.names import variables as names
from telemetry.names.propagators import DEFAULT_PROPAGATORS, PROPAGATORS

_SAMPLERS: dict[str, Sampler] = {
    "parentbased_always_on": DEFAULT_ON,
    "parentbased_always_off": DEFAULT_OFF,
    "always_on": ALWAYS_ON,
    "always_off": ALWAYS_OFF,
}
_RATIOS = ("traceidratio", "parentbased_traceidratio")
_LOG_LEVELS = {
    "trace": "DEBUG",
    "debug": "DEBUG",
    "info": "INFO",
    "warn": "WARNING",
    "warning": "WARNING",
    "error": "ERROR",
    "fatal": "CRITICAL",
    "none": "CRITICAL",
}
_CAPTURE: dict[str, CaptureMode] = {
    "no_content": "none",
    "span_only": "span",
    "event_only": "event",
    "span_and_event": "both",
}
_EXPORTERS = ("otlp", "console", "otlp/stdout", "none")


class EnvironmentRefused(Exception):
    """At least one OTEL_* variable cannot be obeyed; each of the `problems` names one."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class SignalExport:
    """Where one signal goes, and how much of it may wait. Times are in seconds."""

    target: OtlpTarget | None
    """Where it goes by OTLP; None for nowhere."""
    console: bool
    """Whether it is written to stdout."""
    delay: float
    queue_size: int = 1
    batch_size: int = 1


@dataclass(frozen=True)
class Environment:
    """What the variables ask for."""

    traces: SignalExport | None = None
    metrics: SignalExport | None = None
    logs: SignalExport | None = None
    exports_log_lines: bool = False
    """Whether `logs` gets the process's log lines, too, and not events alone."""
    is_disabled: bool = False
    sampler: Sampler = DEFAULT_ON
    span_limits: SpanLimits = SPAN_LIMITS
    log_limits: LogLimits = LOG_LIMITS
    propagators: tuple[str, ...] = DEFAULT_PROPAGATORS
    has_exemplars: bool = True
    capture_content: CaptureMode | None = None
    """Where content is recorded; None for what the configuration says."""
    log_level: str | None = None
    """The level of the loggers of telemetry itself; None for that of all others."""
    secrets: tuple[str, ...] = ()
    """Values of headers, which no log line may hold."""
    warnings: tuple[str, ...] = ()


def read_environment(
    environ: Mapping[str, str], is_installed: Callable[[str], bool] = lambda name: find_spec(name) is not None
) -> Environment:
    """Read the OTEL_* variables of `environ`. Raises EnvironmentRefused with all that is wrong. `is_installed` tells
    whether an optional package is there."""
    variables = Variables(environ)
    environment = _read(variables, is_installed)
    if variables.problems:
        raise EnvironmentRefused(dict.fromkeys(variables.problems))
    return environment


def _read(variables: Variables, is_installed: Callable[[str], bool]) -> Environment:
    propagators = variables.words(names.PROPAGATORS, PROPAGATORS)
    # Events with content go into the log where nothing is exported, so this counts without exports, too.
    capture = _CAPTURE.get(variables.word(names.CAPTURE_CONTENT, known=_CAPTURE, default=""))
    is_disabled = variables.flag(names.SDK_DISABLED)
    if is_disabled:
        return Environment(
            is_disabled=True, sampler=ALWAYS_OFF, propagators=_or_default(propagators), capture_content=capture
        )
    variables.look_over()
    _check_resource(variables)
    _check_metrics(variables)
    level = variables.word(names.LOG_LEVEL, known=_LOG_LEVELS, default="")
    exemplars = variables.word(names.EXEMPLAR_FILTER, known=("trace_based", "always_off"), default="trace_based")
    exports = [_export(signal, variables, is_installed) for signal in _SIGNALS]
    targets = [export.target for export in exports if export is not None and export.target is not None]
    traces, metrics, logs = exports
    return Environment(
        traces=traces,
        metrics=metrics,
        logs=logs,
        exports_log_lines=logs is not None and bool(variables.text(names.LOGS_EXPORTER)),
        sampler=_sampler(variables),
        span_limits=_span_limits(variables),
        log_limits=_log_limits(variables),
        propagators=_or_default(propagators),
        has_exemplars=exemplars == "trace_based",
        capture_content=capture,
        log_level=_LOG_LEVELS[level] if level else None,
        secrets=tuple(value for target in targets for value in target.headers.values()),
        warnings=tuple(dict.fromkeys(variables.warnings)),
    )


def _or_default(propagators: tuple[str, ...] | None) -> tuple[str, ...]:
    return DEFAULT_PROPAGATORS if propagators is None else propagators


@dataclass(frozen=True)
class _Signal:
    """The variables of one signal."""

    name: OtlpSignal
    exporter: str
    delay: tuple[str, int]
    timeout: str
    queue: str = ""
    batch: str = ""


_SIGNALS = (
    _Signal(
        "traces", names.TRACES_EXPORTER, (names.BSP_DELAY, 5000), names.BSP_TIMEOUT, names.BSP_QUEUE, names.BSP_BATCH
    ),
    _Signal("metrics", names.METRICS_EXPORTER, (names.METRIC_INTERVAL, 60_000), names.METRIC_TIMEOUT),
    _Signal(
        "logs", names.LOGS_EXPORTER, (names.BLRP_DELAY, 1000), names.BLRP_TIMEOUT, names.BLRP_QUEUE, names.BLRP_BATCH
    ),
)


def _export(signal: _Signal, variables: Variables, is_installed: Callable[[str], bool]) -> SignalExport | None:
    known = (*_EXPORTERS, "prometheus") if signal.name == "metrics" else _EXPORTERS
    chosen = variables.words(signal.exporter, known)
    if chosen is None:
        # Metrics are scraped already, so they go out by OTLP as well only where that is asked for.
        endpoints = f"OTEL_EXPORTER_OTLP_{signal.name.upper()}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"
        chosen = ("otlp",) if signal.name != "metrics" and variables.text(*endpoints) else ()
    name, default = signal.delay
    delay = variables.seconds(name, default=default, least=1)
    longest = variables.timeout(signal.timeout, default=30_000)
    size = variables.number(signal.queue, default=2048, least=1) if signal.queue else 1
    batch = variables.number(signal.batch, default=min(512, size), least=1) if signal.batch else 1
    if batch > size:
        variables.refuse(signal.batch, f"more than {signal.queue}, which is {size}")
    is_used = "otlp" in chosen
    # Checked in any case: who comes to export later learns now what is wrong. A package is wanted only for use.
    checked = read_target(signal.name, variables, is_installed if is_used else lambda _: True, longest)
    target = checked if is_used else None
    console = not {"console", "otlp/stdout"}.isdisjoint(chosen)
    if target is None and not console:
        return None
    return SignalExport(target, console, delay, size, batch)


def _sampler(variables: Variables) -> Sampler:
    name = variables.word(names.TRACES_SAMPLER, known=(*_SAMPLERS, *_RATIOS), default="parentbased_always_on")
    if name not in _RATIOS:
        return _SAMPLERS[name]
    text = variables.text(names.TRACES_SAMPLER_ARG) or "1"
    try:
        ratio = TraceIdRatioBased(float(text))
    except ValueError:
        variables.refuse(names.TRACES_SAMPLER_ARG, "expected a number from 0 to 1")
        return ALWAYS_OFF
    return ratio if name == "traceidratio" else ParentBased(ratio)


def _span_limits(variables: Variables) -> SpanLimits:
    limits = SPAN_LIMITS
    count = variables.number(names.SPAN_ATTRIBUTE_COUNT, names.ATTRIBUTE_COUNT, default=limits.attributes)
    return SpanLimits(
        attributes=count,
        events=variables.number(names.SPAN_EVENT_COUNT, default=limits.events),
        links=variables.number(names.SPAN_LINK_COUNT, default=limits.links),
        event_attributes=variables.number(names.EVENT_ATTRIBUTE_COUNT, default=limits.event_attributes),
        link_attributes=variables.number(names.LINK_ATTRIBUTE_COUNT, default=limits.link_attributes),
        value_length=variables.optional_number(names.SPAN_VALUE_LENGTH, names.VALUE_LENGTH),
    )


def _log_limits(variables: Variables) -> LogLimits:
    return LogLimits(
        attributes=variables.number(names.LOG_ATTRIBUTE_COUNT, names.ATTRIBUTE_COUNT, default=LOG_LIMITS.attributes),
        value_length=variables.optional_number(names.LOG_VALUE_LENGTH, names.VALUE_LENGTH),
    )


def _check_metrics(variables: Variables) -> None:
    variables.word(names.TEMPORALITY, known=("cumulative",), default="cumulative")
    variables.word(names.HISTOGRAM_AGGREGATION, known=("explicit_bucket_histogram",), default="")


def _check_resource(variables: Variables) -> None:
    for pair in filter(None, (part.strip() for part in variables.text(names.RESOURCE_ATTRIBUTES).split(","))):
        key, separator, value = pair.partition("=")
        if not separator or not unquote(key).strip() or not unquote(value).isprintable():
            variables.refuse(names.RESOURCE_ATTRIBUTES, "expected attributes as key=value,key=value")
            return
