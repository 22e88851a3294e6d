"""The real gateway on a real loopback socket, in a thread with a loop of its own; what it emitted can be looked at.

with RunningGateway(YAML) as gateway:
    ... gateway.url ... gateway.transaction(reply.request_id).outcome ... gateway.logs()
"""

import asyncio
import io
import json
import logging
import threading
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import TracebackType
from typing import Any, Self, TypeVar

from msgspec.structs import replace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from app.configuration import parse
from app.main import compose, secrets_of
from app.policies import load_policies
from app.serving.server import GatewayServer
from app.settings import Settings
from telemetry import MetricsServer, Telemetry, TelemetryOptions, setup

T = TypeVar("T")
TIMEOUT = 10.0
_START = 45.0
"""LiteLLM may have to be imported first, on a machine that is busy."""


def until(fulfilled: Callable[[], Any], what: str, timeout: float = TIMEOUT) -> Any:
    """Poll until `fulfilled` gives something true, which is returned."""
    deadline = time.monotonic() + timeout
    while True:
        if found := fulfilled():
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout:g} s: {what}")
        time.sleep(0.005)


@dataclass(frozen=True)
class Transaction:
    """What was recorded of one request: its SERVER span and those below it."""

    span: ReadableSpan
    others: tuple[ReadableSpan, ...]

    @property
    def outcome(self) -> str:
        return str(self["flowspan.outcome"])

    @property
    def attempts(self) -> list[ReadableSpan]:
        return [span for span in self.others if span.kind is SpanKind.CLIENT]

    @property
    def names(self) -> list[str]:
        return [span.name for span in self.others]

    @property
    def events(self) -> list[str]:
        return [event.name for event in self.span.events]

    def __getitem__(self, attribute: str) -> Any:
        return (self.span.attributes or {})[attribute]

    def get(self, attribute: str) -> Any:
        return (self.span.attributes or {}).get(attribute)


class RunningGateway:
    """`telemetry` makes another telemetry than one that keeps spans in memory."""

    def __init__(
        self, configuration: str | Settings, telemetry: Callable[[Settings], Telemetry | None] | None = None
    ) -> None:
        settings = parse(configuration, environ={}).settings if isinstance(configuration, str) else configuration
        self.settings = replace(settings, server=replace(settings.server, port=0, metrics_port=0))
        self.log = io.StringIO()
        self._spans = InMemorySpanExporter()
        self._logging = _LoggingState()
        self.composition = compose(self.settings, (telemetry or self._in_memory)(self.settings))
        self.app = self.composition.app
        self.telemetry = self.app.gateway.telemetry
        self.server = GatewayServer(self.settings, self.app)
        self._thread = threading.Thread(target=self.server.run, name="gateway", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self.server.started or not self._thread.is_alive(), "the gateway listens", _START)
        assert self.server.started
        self.port = self.server.port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self.join()
        if "metrics_server" in vars(self):
            self.metrics_server.close()
        self._logging.restore()

    def reload(self, configuration: str) -> int:
        """Serve by another configuration from now on; returns its generation."""
        settings = parse(configuration, environ={}).settings
        server = replace(settings.server, port=0, metrics_port=0)
        self.settings = replace(settings, server=server)
        before = zip(self.app.gateway.settings.policies, self.app.gateway.policies, strict=True)
        policies = load_policies(settings.policies, before)
        return self.run(self.composition.reload(self.settings, policies)).generation

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """What a coroutine returns, on the gateway's event loop."""
        assert self.server.loop is not None
        return asyncio.run_coroutine_threadsafe(work, self.server.loop).result(TIMEOUT)

    def stop(self) -> None:
        self.server.should_exit = True

    def join(self, timeout: float = 20) -> None:
        self._thread.join(timeout)
        assert not self._thread.is_alive(), "the gateway does not end"

    def cpu_seconds(self) -> float:
        """What the thread of its event loop has used so far."""
        assert self._thread.ident is not None
        return time.clock_gettime(time.pthread_getcpuclockid(self._thread.ident))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @cached_property
    def metrics_server(self) -> MetricsServer:
        """Made for who asks for it: it takes a tenth of a second to end."""
        return MetricsServer(self.telemetry.registry, port=0)

    @property
    def metrics_url(self) -> str:
        return f"http://127.0.0.1:{self.metrics_server.port}/metrics"

    def spans(self) -> tuple[ReadableSpan, ...]:
        return self._spans.get_finished_spans()

    def transactions(self, seen: int = 0) -> list[Transaction]:
        """The transactions that ended after `seen` others."""
        spans = self.spans()
        traces = _by_trace(spans)
        roots = [span for span in spans if _is_transaction(span)]
        return [_transaction(span, traces[span.context.trace_id]) for span in roots[seen:]]

    def transaction(self, request_id: str) -> Transaction:
        """The transaction that a reply's `x-request-id` names, once it has ended."""

        def found() -> Transaction | None:
            spans = self.spans()
            for span in reversed(spans):
                if (span.attributes or {}).get("flowspan.transaction_id") == request_id:
                    return _transaction(span, _by_trace(spans)[span.context.trace_id])
            return None

        ended: Transaction = until(found, f"the end of {request_id}")
        return ended

    def next_transaction(self, seen: int) -> Transaction:
        """The transaction that ended after `seen` others."""
        ended: list[Transaction] = until(lambda: self.transactions(seen), "one more transaction")
        return ended[0]

    def wait_until_idle(self) -> int:
        """How many transactions there were, once all have ended: a client has its answer a moment earlier."""

        def ended() -> int:
            return sum(map(_is_transaction, self.spans()))

        until(lambda: self.in_flight() == 0 and ended() == sum(self.outcomes().values()), "all transactions have ended")
        return ended()

    def sample(self, name: str, **labels: str) -> float:
        """A metric's value now, summed over the labels that are not given."""
        return sum(
            sample.value
            for family in self.telemetry.registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def outcomes(self) -> dict[str, int]:
        """How many requests ended how; outcomes that never came are left out."""
        found: dict[str, int] = {}
        for family in self.telemetry.registry.collect():
            for sample in family.samples:
                if sample.name == "flowspan_requests_total" and sample.value:
                    outcome = sample.labels["outcome"]
                    found[outcome] = found.get(outcome, 0) + int(sample.value)
        return found

    def in_flight(self) -> float:
        return self.sample("flowspan_streams_in_flight")

    def logs(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.getvalue().splitlines()]

    def log_line(self, **fields: object) -> dict[str, Any]:
        """The first line with these fields, once it is written."""

        def found() -> dict[str, Any] | None:
            return next((line for line in self.logs() if fields.items() <= line.items()), None)

        line: dict[str, Any] = until(found, f"a log line with {fields}")
        return line

    def _in_memory(self, settings: Settings) -> Telemetry:
        options = settings.telemetry
        return setup(
            TelemetryOptions(
                options.boundary_events,
                options.capture_content,
                options.propagate_traceparent,
                log_level=options.log_level,
                content_limit=options.content_limit,
                openinference=options.openinference,
            ),
            models=[(one.model_name, one.provider) for one in settings.deployments],
            policies=[loaded.name for loaded in load_policies(settings.policies)],
            secrets=secrets_of(settings),
            log_stream=self.log,
            span_exporter=self._spans,
        )


class Gateways:
    """Gateways by their configuration, each started once and kept to the end: stopping one takes a quarter second,
    stopping fifty together not much longer."""

    def __init__(self) -> None:
        self._running: dict[str, RunningGateway] = {}

    def __enter__(self) -> "Gateways":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for gateway in self._running.values():
            gateway.stop()
        for gateway in reversed(self._running.values()):
            gateway.__exit__(None, None, None)

    def __call__(self, configuration: str) -> RunningGateway:
        if configuration not in self._running:
            self._running[configuration] = RunningGateway(configuration).__enter__()
        return self._running[configuration]


def configuration(models: Iterable[str], gateway: str = "", rest: str = "") -> str:
    """YAML of `name: litellm_params` entries; no retries and no waits unless `rest` says otherwise."""
    entries = "\n".join(
        f"  - {{model_name: {one.partition(':')[0]}, litellm_params: {one.partition(':')[2]}}}" for one in models
    )
    rest = rest or "litellm_settings: {num_retries: 0}"
    return f"model_list:\n{entries}\n{rest}\n{'gateway:' if gateway else ''}\n{gateway}\n"


def simulated(*names: str) -> list[str]:
    """Entries of models that are named as their scenarios."""
    return [f"{name}: {{model: simulated/{name}}}" for name in names]


class _LoggingState:
    """`setup` takes over the process's logging; tests give it back."""

    def __init__(self) -> None:
        self._handlers = logging.getLogger().handlers[:]
        self._levels = {name: logging.getLogger(name).level for name in ("", "opentelemetry.exporter", "urllib3")}

    def restore(self) -> None:
        logging.captureWarnings(False)
        logging.getLogger().handlers[:] = self._handlers
        for name, level in self._levels.items():
            logging.getLogger(name).setLevel(level)


def _is_transaction(span: ReadableSpan) -> bool:
    return "flowspan.transaction_id" in (span.attributes or {})


def _by_trace(spans: Iterable[ReadableSpan]) -> dict[int, list[ReadableSpan]]:
    traces: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        traces.setdefault(span.context.trace_id, []).append(span)
    return traces


def _transaction(span: ReadableSpan, spans: Sequence[ReadableSpan]) -> Transaction:
    below = {span.context.span_id}
    grew = True
    while grew:
        children = {one.context.span_id for one in spans if one.parent is not None and one.parent.span_id in below}
        grew = not children <= below
        below |= children
    return Transaction(span, tuple(one for one in spans if one.context.span_id in below and one is not span))
