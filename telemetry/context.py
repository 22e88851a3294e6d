"""Telemetry of the process, and what it gives each transaction: the face that the gateway and the pipeline see.

`setup.py` builds a `Telemetry`; `open` begins a transaction, `run` is the sampler's task, `close` sends what is left.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence

from opentelemetry.sdk.trace import TracerProvider
from prometheus_client import CollectorRegistry

from telemetry.attempt import Attempt
from telemetry.guard import guarded
from telemetry.ledger import TimeLedger
from telemetry.metrics import Metrics
from telemetry.names import Attribute
from telemetry.redact import clean
from telemetry.sampler import Sampler
from telemetry.services import Services, TelemetryOptions
from telemetry.snapshot import Snapshot, take_snapshot
from telemetry.spans import Value
from telemetry.timeline import Timeline
from telemetry.traffic_metrics import EAGER_DEPLOYMENTS
from telemetry.transaction import ObservabilityContext

__all__ = ["Attempt", "ObservabilityContext", "Telemetry", "TelemetryOptions"]

_USER_AGENT_LIMIT = 256


class Telemetry:
    """`tracer_provider` has the same sampler, resource and export, for the routes that are no transactions;
    `close_exports` sends what is left, within a bounded time."""

    def __init__(
        self,
        services: Services,
        *,
        sampler: Sampler,
        tracer_provider: TracerProvider,
        close_exports: Callable[[], None] = lambda: None,
    ) -> None:
        self.tracer_provider = tracer_provider
        self.defects = services.defects
        self.sampler = sampler
        self._services = services
        self._close_exports = close_exports
        self._closed = False

    @property
    def metrics(self) -> Metrics:
        return self._services.metrics

    @property
    def registry(self) -> CollectorRegistry:
        return self._services.metrics.registry

    @property
    def options(self) -> TelemetryOptions:
        return self._services.options

    def scrub(self, text: str) -> str:
        """Without anything that looks like a key, and without the configured ones."""
        return self._services.scrub(text)

    def open(
        self,
        api: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        *,
        route: str | None = None,
        scheme: str = "http",
        server_address: str | None = None,
        server_port: int | None = None,
        client_address: str | None = None,
        http_version: str | None = None,
    ) -> ObservabilityContext:
        """`headers` has lower-case names; `route` is the path as the application declares it."""
        services = self._services
        ledger = TimeLedger(services.clock)
        timeline = Timeline(services.wall_ns(), ledger.opened_at, services.clock)
        route = route or path
        user_agent = headers.get("user-agent")
        limit = min(_USER_AGENT_LIMIT, services.tracer.text_limit)
        attributes: dict[str, Value | None] = {
            Attribute.HTTP_METHOD: method,
            Attribute.URL_PATH: path,
            Attribute.URL_SCHEME: scheme,
            Attribute.HTTP_ROUTE: route,
            Attribute.SERVER_ADDRESS: server_address,
            Attribute.SERVER_PORT: server_port,
            Attribute.CLIENT_ADDRESS: client_address,
            Attribute.PROTOCOL_VERSION: http_version,
            Attribute.USER_AGENT: clean(services.scrub, user_agent, limit) if user_agent else None,
        }
        span = services.tracer.start_root(f"{method} {route}", timeline.started_ns, attributes, headers)
        return ObservabilityContext(services, api, span, ledger, timeline)

    def register_breaker(self, breaker: str) -> None:
        """So that its metrics stand at zero before it first trips."""
        self._services.metrics.breakers.register(breaker)

    def register_deployments(self, deployments: Sequence[str]) -> None:
        """The same for deployments, with their breakers, where they are few enough to be scraped all the time."""
        if len(deployments) <= EAGER_DEPLOYMENTS:
            for deployment in deployments:
                self._services.metrics.register_deployment(deployment)

    @guarded
    def breaker_transition(self, breaker: str, from_state: str, to_state: str, reason: str) -> None:
        """A change that no transaction is the cause of, or none that is known."""
        self._services.breaker_changed(breaker, from_state, to_state, reason)

    def snapshot(self) -> Snapshot:
        return take_snapshot(self._services.live, self._services.metrics)

    async def run(self) -> None:
        """The sampler's task, until cancelled; a mishap of its own ends no task group."""
        await self.sampler.run()

    def close(self) -> None:
        """Waits two seconds at most for a collector. Further calls change nothing."""
        if not self._closed:
            self._closed = True
            self.sampler.sample()
            self._close_exports()

    async def aclose(self) -> None:
        """`close` off the event loop, so that a collector which is down holds up nobody."""
        await asyncio.to_thread(self.close)
