"""A clock to turn by hand, telemetry that keeps its spans in memory, and the chunks it is told of."""

from dataclasses import dataclass, field

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from telemetry import HttpRequest, ObservabilityContext, Telemetry, TelemetryOptions, setup

STARTED_NS = 1_700_000_000_000_000_000


class ManualClock:
    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@dataclass(frozen=True)
class FakeFunction:
    name: str | None = None
    arguments: str = ""


@dataclass(frozen=True)
class FakeCall:
    index: int = 0
    id: str | None = None
    function: FakeFunction = FakeFunction()


@dataclass(frozen=True)
class FakeMessage:
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    thinking_blocks: tuple[object, ...] = ()
    tool_calls: tuple[FakeCall, ...] = ()


@dataclass(frozen=True)
class FakeChoice:
    index: int = 0
    delta: FakeMessage | None = None
    message: FakeMessage | None = None
    finish_reason: str | None = None


@dataclass(frozen=True)
class FakeChunk:
    choices: tuple[FakeChoice, ...] = ()


ROLE_CHUNK = FakeChunk((FakeChoice(delta=FakeMessage()),))


def text_chunk(text: str) -> FakeChunk:
    return FakeChunk((FakeChoice(delta=FakeMessage(content=text)),))


@dataclass
class Bench:
    """Telemetry with everything that a test looks at."""

    options: TelemetryOptions = field(default_factory=TelemetryOptions)
    models: tuple[tuple[str, str], ...] = (("gpt-5", "openai"),)
    secrets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.registry = CollectorRegistry()
        self.exporter = InMemorySpanExporter()
        self.telemetry: Telemetry = setup(
            self.options,
            models=self.models,
            policies=("redact",),
            secrets=self.secrets,
            span_exporter=self.exporter,
            registry=self.registry,
            clock=self.clock,
            wall_ns=lambda: STARTED_NS,
        )

    def open(self, headers: dict[str, str] | None = None) -> ObservabilityContext:
        obs = self.telemetry.open("openai_chat", HttpRequest("POST", "/v1/chat/completions", headers or {}))
        obs.describe(operation="chat", model="gpt-5", provider="openai", stream=True)
        return obs

    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}

    def transaction(self) -> ReadableSpan:
        return self.spans()["POST /v1/chat/completions"]

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


def attributes_of(span: ReadableSpan) -> dict[str, object]:
    return dict(span.attributes or {})


def event_names(span: ReadableSpan) -> list[str]:
    return [event.name for event in span.events]
