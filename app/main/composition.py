"""Makes the gateway of a process from its settings, and changes it: the only place that creates long-lived objects, and
closes them in reverse.

A reload makes a new `Gateway` beside the old one and has the application go on with it. The old one is closed when the
last request that began with it has ended, so no stream notices.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from opentelemetry.instrumentation.asgi import OpenTelemetryMiddleware
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.types import Scope

from app.backends import prepare
from app.gateway import ERROR_HANDLERS, FRAMEWORK_ROUTES, HEALTH_PATHS, Gateway, GatewayApp, route_of
from app.loop_stalls import LoopStalls
from app.main.generation import make_gateway
from app.main.lasting import Lasting, make_lasting
from app.main.observability import make_telemetry
from app.peers import Peers
from app.policies import LoadedPolicy, load_policies
from app.quotas import rules_of
from app.recorder.recorder import open_recorder
from app.recorder.stores import Store, StoreFailed
from app.settings import Settings
from telemetry import Telemetry
from telemetry.names.spans import Attribute
from telemetry.names.variables import SEMCONV_OPT_IN
from telemetry.traces.http import restrict_http_attributes

_CLOSING_LIMIT = 2.0
"""Seconds that earlier configurations have to be closed in, at the end of the process."""


class Composition:
    """The application of a process, and what it is made of."""

    def __init__(self, lasting: Lasting, gateway: Gateway) -> None:
        self.lasting = lasting
        self.app = GatewayApp(gateway, _framework_app(self))
        self._closing: set[asyncio.Task[None]] = set()
        """Each closes a gateway whose last requests are still under way."""

    @property
    def gateway(self) -> Gateway:
        """What requests that begin now work with."""
        return self.app.gateway

    async def reload(
        self, settings: Settings, policies: Sequence[LoadedPolicy], generation: int | None = None
    ) -> Gateway:
        """Serve by these settings from the next request on, as the next generation or a given one; to be called on the
        gateway's event loop. Raises TooManyLimits, and then nothing is changed."""
        await prepare(settings.deployments)
        taking = await asyncio.to_thread(self.lasting.prepare, settings, policies)
        before = self.app.gateway
        # Before all else, as it may be refused.
        self.lasting.quotas.use(rules_of(settings))
        gateway = make_gateway(settings, policies, self.lasting, generation or before.generation + 1)
        self.lasting.use(before, settings, policies, taking)
        self.app.go_on_with(gateway)
        closing = asyncio.create_task(_close_unused(before))
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        return gateway

    async def aclose(self) -> None:
        """Close everything, once no request is served any more."""
        lasting = self.lasting
        lasting.bodies.close()
        await self.gateway.router.aclose()
        if self._closing:
            await asyncio.wait(self._closing, timeout=_CLOSING_LIMIT)
        lasting.telemetry.watch_quotas(None)
        await lasting.quotas.close()
        if lasting.recorder is not None:
            await asyncio.to_thread(lasting.recorder.close)
        await lasting.telemetry.aclose()


def compose(
    settings: Settings,
    telemetry: Telemetry | None = None,
    *,
    peers: Peers | None = None,
    recording_store: Store | None = None,
) -> Composition:
    """A gateway; `telemetry`, if given, is closed with it. `peers` are the processes that serve with this one; a given
    `recording_store` takes the place of the one that the settings name. Raises StoreFailed, and closes the telemetry,
    where recordings are to be kept in what cannot be opened."""
    policies = load_policies(settings.policies)
    telemetry = telemetry or make_telemetry(settings, policies)
    stalls = LoopStalls()
    try:
        recorder = open_recorder(settings.recorder, recording_store)
    except StoreFailed:
        telemetry.close()
        raise
    lasting = make_lasting(settings, policies, telemetry, stalls, recorder, peers)
    if peers is None:
        return Composition(lasting, make_gateway(settings, policies, lasting))
    telemetry.metrics.configuration.in_use(peers.generation, peers.since)
    return Composition(lasting, make_gateway(settings, policies, lasting, peers.generation))


def create_app(settings: Settings, telemetry: Telemetry | None = None) -> GatewayApp:
    """The gateway of `compose` as an ASGI application, for who does not change it."""
    return compose(settings, telemetry).app


def _framework_app(composition: Composition) -> Starlette:
    """What serves the routes that are no model routes, and begins and ends with the server."""
    # Else the instrumentation speaks of HTTP in its old names, which hold whole paths.
    os.environ.setdefault(SEMCONV_OPT_IN, "http")
    traced = Middleware(
        OpenTelemetryMiddleware,
        tracer_provider=composition.lasting.telemetry.tracer_provider,
        excluded_urls=_excluded_urls(),
        default_span_details=_span_details,
        exclude_spans=["receive", "send"],
        server_request_hook=restrict_http_attributes,
    )
    app = Starlette(
        routes=FRAMEWORK_ROUTES,
        middleware=[traced],
        exception_handlers=ERROR_HANDLERS,
        lifespan=lambda _: _lifespan(composition),
    )
    app.router.redirect_slashes = False
    return app


def _span_details(scope: Scope) -> tuple[str, dict[str, str]]:
    """The name and the first attributes of a request's span."""
    route = route_of(scope["path"])
    return f"{scope['method']} {route}", {Attribute.HTTP_ROUTE: route}


async def _close_unused(gateway: Gateway) -> None:
    """Close what only this configuration uses, once its last request has ended."""
    await gateway.users.wait_until_none()
    await gateway.router.aclose()


@asynccontextmanager
async def _lifespan(composition: Composition) -> AsyncIterator[None]:
    lasting = composition.lasting
    watches = [asyncio.create_task(lasting.telemetry.run()), asyncio.create_task(lasting.stalls.run())]
    try:
        await lasting.quotas.start()
        await prepare(composition.gateway.settings.deployments)
        yield
    finally:
        for watch in watches:
            watch.cancel()
            with suppress(asyncio.CancelledError):
                await watch
        await composition.aclose()


def _excluded_urls() -> str:
    """A pattern of the URLs of the health routes, which are asked every few seconds."""
    return ",".join(f"^[a-z]+://[^/]+{path}$" for path in sorted(HEALTH_PATHS))
