"""What every transaction works with: the long-lived parts of telemetry, made once by `setup.py`."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter, time_ns
from typing import Literal

from opentelemetry.trace import SpanContext

from telemetry.guard import Defects
from telemetry.live.streams import Live
from telemetry.logs.console import LogFormat
from telemetry.logs.records import Level
from telemetry.metrics.registry import Metrics
from telemetry.names import CaptureMode
from telemetry.names.semconv import Semconv
from telemetry.names.spans import SpanChoice
from telemetry.prompt_cache import PromptCaches
from telemetry.redact import Scrubber
from telemetry.traces.spans import Tracer
from telemetry.transaction.boundary import BoundaryEvents, Mode
from telemetry.transaction.content import ContentRecorder


@dataclass(frozen=True)
class TelemetryOptions:
    """What an operator can choose; the exporters and the sampler are chosen by the standard OTEL_* variables."""

    boundary_events: Mode = "span"
    capture_content: CaptureMode = "none"
    propagate_traceparent: bool | Literal["auto"] = "auto"
    """Whether providers get the trace context; `auto`: those whose attempt says that they are internal."""
    spans: SpanChoice = "all"
    log_level: Level = "info"
    log_format: LogFormat = "auto"
    content_limit: int = 1024**2
    """Bytes of an attribute with content."""
    openinference: bool = False
    created_timestamps: bool = False
    semconv: Semconv = "1.41"


@dataclass(frozen=True)
class Services:
    options: TelemetryOptions
    metrics: Metrics
    tracer: Tracer
    boundary: BoundaryEvents
    scrub: Scrubber
    defects: Defects
    content: ContentRecorder
    generation: int = 1
    """Counts the configurations of the process."""
    live: Live = field(default_factory=Live)
    trips: dict[str, SpanContext] = field(default_factory=dict)
    """The span of the transaction that tripped a breaker last, by the breaker's name."""
    prompt_caches: PromptCaches = field(default_factory=PromptCaches)
    clock: Callable[[], float] = perf_counter
    wall_ns: Callable[[], int] = time_ns
