"""From settings to a running gateway: the one place where long-lived objects are made, and closed in reverse."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from msgspec.structs import replace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor

from app.backends import Backend, Router, make_backend, prepare
from app.backends.breakers import UpstreamBreakers
from app.gateway.door import Door
from app.gateway.exchange import Gateway
from app.gateway.in_flight import InFlight
from app.gateway.rendering import add_error_handlers
from app.gateway.routes import HEALTH_PATHS, add_routes
from app.pipeline.admission import PipelineBreakers
from app.pipeline.client_formatter import ClientFormatter
from app.pipeline.executor import PolicyExecutor
from app.pipeline.orchestrator import PolicyOrchestrator
from app.pipeline.queues import ByteBudget
from app.policies.loading import LoadedPolicy, load_policies
from app.settings import Deployment, PipelineSettings, Settings
from telemetry.context import Telemetry, TelemetryOptions
from telemetry.setup import setup


def create_app(settings: Settings, telemetry: Telemetry | None = None) -> Door:
    """The gateway as an ASGI application. Telemetry that is handed in is closed with it, too."""
    policies = load_policies(settings.policies)
    telemetry = telemetry or make_telemetry(settings, policies)
    gateway = make_gateway(settings, policies, telemetry)
    app = FastAPI(title="Flowspan", openapi_url=None, lifespan=lambda _: _lifespan(gateway))
    add_routes(app, gateway)
    add_error_handlers(app)
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=telemetry.tracer_provider,
        excluded_urls=_without_instrumentation(),
        exclude_spans=["receive", "send"],
    )
    return Door(gateway, settings.keys, app)


def make_gateway(settings: Settings, policies: Sequence[LoadedPolicy], telemetry: Telemetry) -> Gateway:
    queue_breakers = PipelineBreakers(settings.breakers.queue)
    for name in queue_breakers.names:
        telemetry.register_breaker(name)
    telemetry.register_deployments([deployment.id for deployment in settings.deployments])
    pipeline = _with_request_timeout(settings)
    executor = PolicyExecutor(policies, pipeline)
    budget = ByteBudget(pipeline.total_queue_bytes)
    orchestrator = PolicyOrchestrator(policies, executor, ClientFormatter(), queue_breakers, budget, pipeline)

    def backend_of(deployment: Deployment) -> Backend:
        return make_backend(deployment, settings.router.request_timeout, pipeline.event_limit)

    router = Router(
        settings.deployments,
        settings.router,
        breakers=UpstreamBreakers(settings.breakers.upstream),
        make_backend=backend_of,
    )
    return Gateway(settings, router, orchestrator, telemetry, InFlight(), tuple(loaded.name for loaded in policies))


def _with_request_timeout(settings: Settings) -> PipelineSettings:
    """`request_timeout` bounds the wait for each next chunk of a stream too, where it is the shorter limit."""
    pipeline, limit = settings.pipeline, settings.router.request_timeout
    if not pipeline.upstream_idle_timeout or limit < pipeline.upstream_idle_timeout:
        return replace(pipeline, upstream_idle_timeout=limit)
    return pipeline


def make_telemetry(settings: Settings, policies: Sequence[LoadedPolicy]) -> Telemetry:
    said = settings.telemetry
    return setup(
        TelemetryOptions(
            boundary_events=said.boundary_events,
            capture_content=said.capture_content,
            propagate_traceparent=said.propagate_traceparent,
            otlp_encoder=said.otlp_encoder,
            log_level=said.log_level,
        ),
        models=[(deployment.model_name, deployment.provider) for deployment in settings.deployments],
        policies=[loaded.name for loaded in policies],
        secrets=secrets_of(settings),
        log_stream=sys.stderr,
    )


def secrets_of(settings: Settings) -> list[str]:
    """Every configured key, so that none of them leaves by a log line or a span."""
    keys = [deployment.params.get("api_key") for deployment in settings.deployments]
    return [*settings.keys, *{key for key in keys if isinstance(key, str)}]


@asynccontextmanager
async def _lifespan(gateway: Gateway) -> AsyncIterator[None]:
    sampler = asyncio.create_task(gateway.telemetry.run())
    try:
        await prepare(gateway.settings.deployments)
        yield
    finally:
        sampler.cancel()
        with suppress(asyncio.CancelledError):
            await sampler
        await gateway.router.aclose()
        await gateway.telemetry.aclose()


def _without_instrumentation() -> str:
    """The health routes are asked every few seconds."""
    return ",".join(f"^[a-z]+://[^/]+{path}$" for path in sorted(HEALTH_PATHS))
