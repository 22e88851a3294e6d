"""Telemetry of a process: `setup` builds it, from its options and the standard OTEL_* variables; `open` begins a
transaction, `run` is the sampler's task, `close` sends what is left.

Traces are exported where OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_TRACES_EXPORTER asks
for it; without an exporter nothing is recorded that nobody would see. Log lines and metrics go there too where
OTEL_LOGS_EXPORTER and OTEL_METRICS_EXPORTER ask for them. A variable that cannot be obeyed stops `setup`. Nothing
global is set but logging, and that only where a stream for it is given, and prometheus-client's `_created` series,
which are left out.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from time import perf_counter, time_ns
from typing import TextIO

from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter
from prometheus_client import CollectorRegistry, disable_created_metrics

from telemetry.adjustable import Adjustable, has_events, with_environment
from telemetry.environment import Environment, read_environment
from telemetry.guard import Defects
from telemetry.live.sampler import Sampler
from telemetry.live.streams import Snapshot, take_snapshot
from telemetry.logs.console import LogWriter, install
from telemetry.logs.otlp import LogExport
from telemetry.metrics.cell_files import FileCells
from telemetry.metrics.cells import CellRegistry
from telemetry.metrics.keys import KeyIdentity
from telemetry.metrics.pools import PoolReading
from telemetry.metrics.quotas import BudgetWarning, LimitedKey, QuotaFigure, QuotaState
from telemetry.metrics.recordings import RecorderReading
from telemetry.metrics.registry import Metrics
from telemetry.metrics.traffic import EAGER_DEPLOYMENTS
from telemetry.metrics.workers import Worker
from telemetry.names import Signal
from telemetry.names.resource import SCHEMA_URL, SERVICE, VERSION
from telemetry.operations import Operations
from telemetry.otlp import Exports, make_exports
from telemetry.recording.ledger import TimeLedger
from telemetry.recording.timeline import Timeline
from telemetry.redact import TEXT_LIMIT, Scrubber, clean
from telemetry.traces.http import HttpRequest
from telemetry.traces.propagation import Propagation
from telemetry.traces.sdk_spans import ForeignSpans, end_in
from telemetry.traces.spans import Sink, Tracer
from telemetry.transaction.context import ObservabilityContext
from telemetry.transaction.head import head_of
from telemetry.transaction.other_requests import OtherRequest
from telemetry.transaction.services import Services, TelemetryOptions
from telemetry.transaction.taping import TransactionTaker

_log = logging.getLogger("telemetry.setup")
_CLOSE_LIMIT = 2.0


class Telemetry:
    """The telemetry of a process.

    `tracer_provider`, for the routes that are no transactions, has the same sampler, resource and export;
    `close_exports` sends what is left, within a bounded time.
    """

    def __init__(
        self,
        services: Services,
        *,
        adjustable: Adjustable,
        sampler: Sampler,
        tracer_provider: TracerProvider,
        close_exports: Callable[[], None] = lambda: None,
    ) -> None:
        self.tracer_provider = tracer_provider
        self.sampler = sampler
        self._services = services
        self._adjustable = adjustable
        self.operations = Operations(services)
        self._close_exports = close_exports
        self._closed = False
        self._taker: TransactionTaker | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop in which transactions run; None before `run`. Only there may a snapshot be taken while they
        do."""
        return self._loop

    @property
    def metrics(self) -> Metrics:
        return self._services.metrics

    @property
    def registry(self) -> CollectorRegistry:
        return self._services.metrics.registry

    @property
    def options(self) -> TelemetryOptions:
        return self._services.options

    def open(self, api: str, request: HttpRequest) -> ObservabilityContext:
        """Begin a transaction, at the head of its request. It has to be finished; as a `with` block it always is."""
        services = self._services
        ledger = TimeLedger(services.clock)
        timeline = Timeline(services.wall_ns(), ledger.opened_at, services.clock)
        head = head_of(request, services.tracer.text_limit, services.generation)
        span = services.tracer.start_root(head.name, timeline.started_ns, {}, request.headers, head.attributes)
        return ObservabilityContext(services, api, span, ledger, timeline, head.log_fields, self._taker)

    def record(self, taker: TransactionTaker) -> None:
        """Have all transactions from now on kept by `taker`."""
        self._taker = taker

    def open_other(self, request: HttpRequest, path: str, *, is_probe: bool) -> OtherRequest:
        """Begin a request that is no transaction. `request.route` is one of those given to `register_routes`, or
        `other`; `path` is as it came. It has to be ended."""
        return OtherRequest(self._services, request, path, is_probe=is_probe)

    @property
    def generation(self) -> int:
        """Counts the configurations by whose options transactions were begun, the present one included."""
        return self._services.generation

    @property
    def scrub(self) -> Scrubber:
        """Removes keys from texts: those that were hidden, and what looks like one."""
        return self._services.scrub

    def hide(self, secrets: Iterable[str]) -> None:
        """Hide further secrets from now on. Any thread may call it."""
        self._services.scrub.hide(secrets)

    def use(
        self,
        options: TelemetryOptions,
        *,
        models: Iterable[tuple[str, str]],
        policies: Iterable[str],
    ) -> int:
        """Go by another configuration for transactions that begin from now on, and return its generation. `models` are
        as in `setup`; `policies` are those that were made anew."""
        services = self._services
        services.metrics.register(models, policies)
        self._services = self._adjustable.adjusted(services, options, services.generation + 1)
        return self._services.generation

    def register_routes(self, routes: Iterable[str]) -> None:
        """Have the counters of routes that are no model routes stand at zero."""
        self._services.metrics.other_requests.register(routes)

    def register_breaker(self, breaker: str) -> None:
        """Have the metrics of a breaker stand at zero before it first trips."""
        self._services.metrics.breakers.register(breaker)

    def register_deployments(self, deployments: Sequence[str]) -> None:
        """Have the metrics of deployments and their breakers stand at zero, unless they are too many to be scraped. Of
        deployments that are not among them any more no state and no allowance is shown."""
        self._services.metrics.forget_deployments(deployments)
        if len(deployments) <= EAGER_DEPLOYMENTS:
            for deployment in deployments:
                self._services.metrics.deployment(deployment)

    def register_certificates(self, expiries: Mapping[str, float]) -> None:
        """Show when the client certificates expire that providers are shown, in Unix time by deployment."""
        self._services.metrics.deployments.show_certificates(expiries)

    def register_admission(self, deployments: Mapping[str, int | None]) -> None:
        """Have the metrics of waits stand at zero for deployments that are limited, by how many attempts they may have
        at a time; None where it is by something else."""
        self._services.metrics.admission.register(deployments)

    def register_keys(self, keys: Sequence[KeyIdentity]) -> None:
        """Have the metrics of callers' keys stand at zero, unless they are too many to be scraped."""
        scrub = self._services.scrub
        self._services.metrics.keys.register(
            [
                replace(key, labels={name: clean(scrub, text, TEXT_LIMIT) for name, text in key.labels.items()})
                for key in keys
            ]
        )

    def register_quotas(self, limited: Iterable[LimitedKey], warnings: Iterable[BudgetWarning]) -> None:
        """Have the counters of requests that limits turn away stand at zero, unless they are too many to be scraped,
        and show from what on budgets are warned of."""
        self._services.metrics.quotas.register(limited, warnings)

    def watch_quotas(self, reading: Callable[[], tuple[Iterable[QuotaFigure], QuotaState]] | None) -> None:
        """Sample how much is used of limits; `reading` may return some of them, and others at its next call. None stops
        that."""
        self.sampler.quotas = reading

    def watch_bodies(self, held: Callable[[], int], limit: int) -> None:
        """Sample `held`, which returns the bytes of request and response bodies in memory, of at most `limit`."""
        self._services.metrics.body_limit.set(limit)
        self.sampler.bodies = held

    def watch_breakers(self, states: Callable[[], Mapping[str, str]]) -> None:
        """Sample the states of breakers, by their names. A breaker that opened lets probes through after a while, and
        nothing happens by which that could be told."""
        self.sampler.breakers = states

    def watch_pools(self, readings: Callable[[], Iterable[PoolReading]]) -> None:
        """Sample what the pools of connections to providers hold."""
        self.sampler.pools = readings

    def watch_recorder(self, reading: Callable[[], RecorderReading]) -> None:
        """Sample what the recorder has written and lost, and what it holds."""
        self.sampler.recorder = reading

    def snapshot(self) -> Snapshot:
        return take_snapshot(self._services.live, self._services.metrics)

    async def look(self) -> Snapshot:
        """A snapshot of the moment in which the event loop comes to it."""
        return self.snapshot()

    async def run(self) -> None:
        """Run the sampler until cancelled. A failure of its own is noted and ends no task group."""
        self._loop = asyncio.get_running_loop()
        await self.sampler.run()

    def close(self) -> None:
        """Send what is left, for two seconds at most. Further calls change nothing."""
        if not self._closed:
            self._closed = True
            self.sampler.sample()
            self._close_exports()

    async def aclose(self) -> None:
        """Close in a thread, so that a collector which is down does not block the event loop."""
        await asyncio.to_thread(self.close)


def setup(
    options: TelemetryOptions | None = None,
    *,
    models: Iterable[tuple[str, str]] = (),
    policies: Iterable[str] = (),
    secrets: Iterable[str] = (),
    log_stream: TextIO | None = None,
    span_exporter: SpanExporter | None = None,
    registry: CollectorRegistry | None = None,
    worker: Worker | None = None,
    clock: Callable[[], float] = perf_counter,
    wall_ns: Callable[[], int] = time_ns,
) -> Telemetry:
    """Build the telemetry of a process.

    `models` are (name, provider) pairs; `secrets` are the configured keys, which no log line or span will hold. A given
    `span_exporter` gets each span as it ends, in place of the exporter that the environment asks for. With `worker` the
    process is one of several, whose metrics another one sums up. Raises EnvironmentRefused where an OTEL_* variable
    cannot be obeyed, and OSError where a worker has no place for its metrics.
    """
    environment = read_environment(os.environ)
    options = with_environment(options or TelemetryOptions(), environment)
    # Series that would nearly double each scrape, for a time that Prometheus does not read by default.
    disable_created_metrics()  # type: ignore[no-untyped-call]
    if worker is not None:
        registry = CellRegistry(FileCells(worker.files))
    metrics = Metrics(registry, models=models, policies=policies, semconv=options.semconv)
    if worker is None:
        metrics.workers.serving.set(1)
    scrub = Scrubber((*secrets, *environment.secrets))
    writer = _writer(options, metrics, scrub, log_stream)
    _apply_log_level(environment)
    defects = Defects(lambda: metrics.exports.dropped("internal", "defect"))
    provider = _tracer_provider(environment, _resource(worker))
    exports = Exports() if span_exporter is not None else _exports(environment, options, metrics, provider.resource)
    log_export = None if writer is None else _log_export(environment, exports, provider.resource, scrub, metrics)
    tracer = _tracer(environment, provider, _sink(provider, span_exporter, exports), scrub, defects)
    adjustable = Adjustable(
        environment,
        metrics,
        tracer,
        resource=provider.resource,
        exports=exports,
        writer=writer,
        may_export=span_exporter is None,
    )
    services = replace(adjustable.services(options), clock=clock, wall_ns=wall_ns)
    return Telemetry(
        services,
        adjustable=adjustable,
        sampler=Sampler(services.live, metrics, defects, waiting=lambda: _waiting(exports, writer), clock=clock),
        tracer_provider=provider,
        close_exports=lambda: _close(adjustable, exports, writer, log_export),
    )


def _writer(options: TelemetryOptions, metrics: Metrics, scrub: Scrubber, stream: TextIO | None) -> LogWriter | None:
    if stream is None:
        return None
    return install(options.log_level, metrics.exports, scrub, stream, options.log_format)


def _apply_log_level(environment: Environment) -> None:
    """Let telemetry's own lines, which are of exports that fail and variables that mean nothing, have their level."""
    if environment.log_level is not None:
        logging.getLogger("telemetry").setLevel(environment.log_level)


def _exports(environment: Environment, options: TelemetryOptions, metrics: Metrics, resource: Resource) -> Exports:
    with_logs = has_events(options) or environment.exports_log_lines
    return make_exports(environment, metrics, resource, with_logs=with_logs)


def _log_export(
    environment: Environment, exports: Exports, resource: Resource, scrub: Scrubber, metrics: Metrics
) -> LogExport | None:
    """A second handler of the root logger, for the records that the console gets, where the environment asks for it."""
    if exports.logs is None or not environment.exports_log_lines:
        return None
    lose = partial(metrics.exports.dropped, "logs", "defect")
    handler = LogExport(resource, scrub, exports.logs.offer, lose, environment.log_limits)
    logging.getLogger().addHandler(handler)
    return handler


def _tracer_provider(environment: Environment, resource: Resource) -> TracerProvider:
    limits = environment.span_limits
    return TracerProvider(
        sampler=environment.sampler,
        resource=resource,
        shutdown_on_exit=False,
        span_limits=SpanLimits(
            max_span_attributes=limits.attributes,
            max_events=limits.events,
            max_links=limits.links,
            max_event_attributes=limits.event_attributes,
            max_link_attributes=limits.link_attributes,
            max_attributes=limits.attributes,
            max_attribute_length=limits.text_length,
            max_span_attribute_length=limits.text_length,
        ),
    )


def _resource(worker: Worker | None) -> Resource:
    found = Resource.create()
    attributes = {SERVICE_VERSION: VERSION, **found.attributes}
    if worker is not None:
        # The environment may give all of them the same.
        attributes[SERVICE_INSTANCE_ID] = f"{attributes.get(SERVICE_INSTANCE_ID, '')}-{worker.index}".lstrip("-")
    if str(attributes.get(SERVICE_NAME, "")).startswith("unknown_service"):
        attributes[SERVICE_NAME] = SERVICE
    return Resource(attributes, found.schema_url or SCHEMA_URL)


def _sink(provider: TracerProvider, span_exporter: SpanExporter | None, exports: Exports) -> Sink | None:
    """Have the provider export the spans of its own tracers. Returns where a transaction's spans go."""
    if span_exporter is not None:
        processor = SimpleSpanProcessor(span_exporter)
        provider.add_span_processor(processor)
        return partial(end_in, processor)
    if exports.spans is None:
        return None
    provider.add_span_processor(ForeignSpans(exports.spans.offer))
    return exports.spans.offer


def _tracer(
    environment: Environment, provider: TracerProvider, sink: Sink | None, scrub: Scrubber, defects: Defects
) -> Tracer:
    return Tracer(
        sink=None if environment.is_disabled else sink,
        sampler=environment.sampler,
        resource=provider.resource,
        scrub=scrub,
        defects=defects,
        ids=provider.id_generator,
        limits=environment.span_limits,
        propagation=Propagation(environment.propagators),
        has_exemplars=environment.has_exemplars,
    )


def _waiting(exports: Exports, writer: LogWriter | None) -> dict[Signal, int]:
    waiting = exports.waiting()
    if writer is not None:
        waiting["console"] = writer.waiting()
    return waiting


def _close(adjustable: Adjustable, exports: Exports, writer: LogWriter | None, log_export: LogExport | None) -> None:
    adjustable.close(_CLOSE_LIMIT)
    if log_export is not None:
        logging.getLogger().removeHandler(log_export)
    exports.close(_CLOSE_LIMIT)
    if writer is not None:
        writer.close()
