"""Makes the gateway from its settings: the only place that creates long-lived objects, and closes them in reverse."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import TextIO

from fastapi import FastAPI
from msgspec.structs import replace
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID
from opentelemetry.sdk.trace.export import SpanExporter

from app.addresses import secrets_of_params
from app.backends import Backend, Router, make_backend, pool_readings, prepare
from app.backends.attempts import AttemptControl
from app.backends.overrides import DeploymentOverrides
from app.bodies import Bodies
from app.gateway import (
    HEALTH_PATHS,
    ROUTES,
    Gateway,
    GatewayApp,
    InFlight,
    RevokedKeys,
    add_error_handlers,
    add_health_routes,
    add_litellm_health_routes,
    add_model_routes,
)
from app.lookups import Lookups
from app.loop_stalls import LoopStalls
from app.pipeline import AdmissionControl, ByteBudget, ClientFormatter, PolicyExecutor, PolicyOrchestrator
from app.policies import LoadedPolicy, load_policies
from app.proxies import TrustedProxies
from app.recorder.capture import Capture
from app.recorder.masking import Concealing
from app.recorder.recorder import Recorder, open_recorder
from app.recorder.store_urls import secrets_of_store
from app.recorder.stores import StoreFailed
from app.request_ids import Conversations, Finder
from app.settings import Deployment, Key, PipelineSettings, Settings
from telemetry import KeyIdentity, Telemetry, TelemetryOptions, setup
from telemetry.names import UNNAMED_KEY
from telemetry.names.resource import VERSION
from telemetry.names.variables import SEMCONV_OPT_IN
from telemetry.traces.http import restrict_http_attributes


def create_app(settings: Settings, telemetry: Telemetry | None = None) -> GatewayApp:
    """The gateway as an ASGI application; `telemetry`, if given, is closed with it. Raises StoreFailed, and closes the
    telemetry, where recordings are to be kept in what cannot be opened."""
    policies = load_policies(settings.policies)
    telemetry = telemetry or make_telemetry(settings, policies)
    stalls = LoopStalls()
    try:
        recorder = open_recorder(settings.recorder)
    except StoreFailed:
        telemetry.close()
        raise
    gateway = make_gateway(settings, policies, telemetry, stalls, recorder)
    app = FastAPI(
        title="Flowspan",
        openapi_url=None,
        redirect_slashes=False,
        lifespan=lambda _: _lifespan(gateway, stalls),
    )
    add_model_routes(app, gateway)
    add_health_routes(app, gateway)
    add_litellm_health_routes(app, gateway)
    add_error_handlers(app)
    # Else the instrumentation speaks of HTTP in its old names, which hold whole paths.
    os.environ.setdefault(SEMCONV_OPT_IN, "http")
    FastAPIInstrumentor.instrument_app(
        app,
        tracer_provider=telemetry.tracer_provider,
        excluded_urls=_excluded_urls(),
        exclude_spans=["receive", "send"],
        server_request_hook=restrict_http_attributes,
    )
    return GatewayApp(gateway, app)


def make_gateway(
    settings: Settings,
    policies: Sequence[LoadedPolicy],
    telemetry: Telemetry,
    stalls: LoopStalls,
    recorder: Recorder | None = None,
    backend: Backend | None = None,
) -> Gateway:
    """All services of the process; the application that serves requests with them is made by `create_app`. A given
    `backend` takes the place of those of all deployments."""
    bodies = Bodies(settings.server.total_body_bytes)
    telemetry.watch_bodies(lambda: bodies.used, settings.server.total_body_bytes)
    telemetry.watch_pools(pool_readings)
    telemetry.register_routes(ROUTES)
    telemetry.register_deployments([deployment.id for deployment in settings.deployments])
    telemetry.register_keys(_key_identities(settings.keys))
    admission = AdmissionControl(settings.breakers.queue, by_caller=settings.has_several_callers)
    control = AttemptControl(settings.breakers.upstream, by_caller=settings.has_several_callers, stalls=stalls)
    for name in admission.breakers.names:
        telemetry.register_breaker(name)
    telemetry.watch_breakers(lambda: {**admission.states(), **control.states()})
    orchestrator, unfiltered = _orchestrators(settings, policies, admission)
    conversations, overrides = Conversations(), DeploymentOverrides()
    return Gateway(
        settings=settings,
        router=_router(settings, bodies, control, overrides, backend),
        orchestrator=orchestrator,
        unfiltered=unfiltered,
        telemetry=telemetry,
        in_flight=InFlight(),
        queue_breakers=admission,
        attempts=control,
        overrides=overrides,
        revoked=RevokedKeys(),
        policy_names=tuple(loaded.name for loaded in policies),
        response_policy_names=tuple(loaded.name for loaded in policies if loaded.looks_at_responses),
        bodies=bodies,
        ids=Finder(settings.telemetry, conversations),
        conversations=conversations,
        proxies=TrustedProxies(settings.server.forwarded_allow_ips),
        request_policies=any("on_request" in loaded.hooks for loaded in policies),
        recorder=recorder,
        capture=None if recorder is None else _capture(settings, policies, telemetry, recorder),
    )


def _capture(settings: Settings, policies: Sequence[LoadedPolicy], telemetry: Telemetry, recorder: Recorder) -> Capture:
    """What takes transactions for the recorder, from now on."""
    resource = telemetry.tracer_provider.resource.attributes
    capture = Capture(
        recorder,
        settings.recorder,
        secrets=secrets_of(settings),
        concealing=concealing_of(policies),
        gateway=f"{resource.get(SERVICE_INSTANCE_ID, '')} {VERSION}".strip(),
    )
    telemetry.record(capture)
    telemetry.watch_recorder(recorder.reading)
    return capture


def _key_identities(keys: Sequence[Key]) -> list[KeyIdentity]:
    """What telemetry shows of callers, by the names of their keys. With several they may call until the last ends."""
    by_name: dict[str, list[Key]] = {}
    for key in keys:
        by_name.setdefault(key.name or UNNAMED_KEY, []).append(key)
    return [
        KeyIdentity(name, same[0].team, same[0].labels, _last_end([key.expires for key in same]))
        for name, same in by_name.items()
    ]


def _last_end(ends: Sequence[datetime | None]) -> float | None:
    """In Unix time; None where one never comes."""
    known = [end.timestamp() for end in ends if end is not None]
    return max(known) if len(known) == len(ends) else None


def _orchestrators(
    settings: Settings, policies: Sequence[LoadedPolicy], admission: AdmissionControl
) -> tuple[PolicyOrchestrator, PolicyOrchestrator]:
    """One with all policies and one without any; breakers and queue budget are the same for both."""
    pipeline = _with_request_timeout(settings)
    budget = ByteBudget(pipeline.total_queue_bytes)

    def orchestrator(policies: Sequence[LoadedPolicy]) -> PolicyOrchestrator:
        executor = PolicyExecutor(policies, pipeline)
        return PolicyOrchestrator(policies, executor, ClientFormatter(), admission, budget, pipeline)

    return orchestrator(policies), orchestrator(())


def _with_request_timeout(settings: Settings) -> PipelineSettings:
    """The pipeline's settings with an idle timeout no longer than `request_timeout`, which also bounds the wait for
    each next chunk of a stream."""
    pipeline, limit = settings.pipeline, settings.router.request_timeout
    if not pipeline.upstream_idle_timeout or limit < pipeline.upstream_idle_timeout:
        return replace(pipeline, upstream_idle_timeout=limit)
    return pipeline


def _router(
    settings: Settings,
    bodies: Bodies,
    control: AttemptControl,
    overrides: DeploymentOverrides,
    backend: Backend | None,
) -> Router:
    lookups = Lookups(settings.dns)

    def backend_of(deployment: Deployment) -> Backend:
        return backend or make_backend(
            deployment,
            request_timeout=settings.router.request_timeout,
            event_limit=settings.pipeline.event_limit,
            relays_limits=settings.server.relay_rate_limit_headers,
            lookups=lookups,
            bodies=bodies,
        )

    several_callers = settings.has_several_callers
    return Router(
        settings.deployments,
        settings.router,
        control=control,
        overrides=overrides,
        make_backend=backend_of,
        shared_responses=settings.router.share_stored_responses or not several_callers,
    )


def make_telemetry(
    settings: Settings,
    policies: Sequence[LoadedPolicy],
    *,
    log_stream: TextIO | None = None,
    span_exporter: SpanExporter | None = None,
) -> Telemetry:
    """Telemetry for these settings. Log lines go to `log_stream`, by default to stderr; a given `span_exporter` gets
    each span as it ends, and takes the place of the exporter that the environment asks for."""
    options = settings.telemetry
    return setup(
        TelemetryOptions(
            boundary_events=options.boundary_events,
            capture_content=options.capture_content,
            content_limit=options.content_limit,
            openinference=options.openinference,
            propagate_traceparent=options.propagate_traceparent,
            spans=options.spans,
            log_level=options.log_level,
            log_format=options.log_format,
            created_timestamps=options.created_timestamps,
            semconv=options.semconv,
        ),
        models=[(deployment.model_name, deployment.provider) for deployment in settings.deployments],
        policies=[loaded.name for loaded in policies],
        secrets=secrets_of(settings),
        log_stream=log_stream or sys.stderr,
        span_exporter=span_exporter,
    )


def concealing_of(policies: Sequence[LoadedPolicy]) -> Concealing:
    """The policies that take out of requests, and of responses, what is not to be kept."""
    some = [loaded for loaded in policies if loaded.policy.conceals]
    return Concealing(
        requests=frozenset(loaded.name for loaded in some if "on_request" in loaded.hooks),
        responses=frozenset(loaded.name for loaded in some if loaded.looks_at_responses),
    )


def secrets_of(settings: Settings) -> list[str]:
    """Every configured key and password, so that logs and spans can be scrubbed of them."""
    of_providers = (secret for one in settings.deployments for secret in secrets_of_params(one.params))
    found = (
        *(key.secret for key in settings.keys),
        settings.server.metrics_token,
        settings.console.token,
        settings.admin.key,
        *of_providers,
        *secrets_of_store(settings.recorder.store),
    )
    return list(dict.fromkeys(secret for secret in found if secret is not None))


@asynccontextmanager
async def _lifespan(gateway: Gateway, stalls: LoopStalls) -> AsyncIterator[None]:
    watches = [asyncio.create_task(gateway.telemetry.run()), asyncio.create_task(stalls.run())]
    try:
        await prepare(gateway.settings.deployments)
        yield
    finally:
        for watch in watches:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
        gateway.bodies.close()
        await gateway.router.aclose()
        if gateway.recorder is not None:
            await asyncio.to_thread(gateway.recorder.close)
        await gateway.telemetry.aclose()


def _excluded_urls() -> str:
    """A pattern of the URLs of the health routes, which are asked every few seconds."""
    return ",".join(f"^[a-z]+://[^/]+{path}$" for path in sorted(HEALTH_PATHS))
