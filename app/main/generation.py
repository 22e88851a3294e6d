"""What is made anew for each configuration: a `Gateway`, of the settings and of what outlives them."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from msgspec.structs import replace

from app.backends import Backend, Router, make_backend
from app.bodies import Bodies
from app.gateway import Gateway, PolicyChain
from app.lookups import Lookups
from app.main.lasting import Lasting
from app.pipeline import PolicyExecutor, PolicyOrchestrator
from app.policies import LoadedPolicy
from app.proxies import TrustedProxies
from app.request_ids import Finder
from app.settings import Deployment, PipelineSettings, Settings


def make_gateway(
    settings: Settings,
    policies: Sequence[LoadedPolicy],
    lasting: Lasting,
    generation: int = 1,
    backend: Backend | None = None,
) -> Gateway:
    """All that a request works with. A given `backend` takes the place of those of all deployments."""
    chains, unfiltered = _chains(settings, policies, lasting)
    return Gateway(
        settings=settings,
        router=_router(settings, lasting, backend),
        chains=chains,
        quotas=lasting.quotas,
        unfiltered=unfiltered,
        telemetry=lasting.telemetry,
        in_flight=lasting.in_flight,
        queue_breakers=lasting.queue_breakers,
        attempts=lasting.attempts,
        overrides=lasting.overrides,
        revoked=lasting.revoked,
        policies=tuple(policies),
        policy_names=tuple(loaded.name for loaded in policies),
        bodies=lasting.bodies,
        ids=Finder(settings.telemetry, lasting.conversations),
        conversations=lasting.conversations,
        proxies=TrustedProxies(settings.server.forwarded_allow_ips),
        recorder=lasting.recorder,
        capture=lasting.capture,
        generation=generation,
    )


def _chains(
    settings: Settings, policies: Sequence[LoadedPolicy], lasting: Lasting
) -> tuple[dict[tuple[str, ...], PolicyChain], PolicyOrchestrator]:
    """The policies at work for each set of names that a key has, and an orchestrator without any; breakers and queue
    budget are the same for all. The order is that of the configuration, whatever a key's is."""
    pipeline = _with_request_timeout(settings)

    def orchestrator(policies: Sequence[LoadedPolicy]) -> PolicyOrchestrator:
        executor = PolicyExecutor(policies, pipeline)
        breakers, budget = lasting.queue_breakers, lasting.queue_budget
        return PolicyOrchestrator(policies, executor, breakers, budget, pipeline)

    def chain(named: tuple[str, ...]) -> PolicyChain:
        applied = [loaded for loaded in policies if loaded.is_for_all or loaded.name in named]
        return PolicyChain(
            orchestrator(applied),
            names=tuple(loaded.name for loaded in applied),
            response_names=tuple(loaded.name for loaded in applied if loaded.looks_at_responses),
            reads_requests=any("on_request" in loaded.hooks for loaded in applied),
        )

    named = {(), *(key.entitlement.policies for key in settings.keys)}
    return {names: chain(names) for names in named}, orchestrator(())


def _with_request_timeout(settings: Settings) -> PipelineSettings:
    """The pipeline's settings with an idle timeout no longer than `request_timeout`, which also bounds the wait for
    each next chunk of a stream."""
    pipeline, limit = settings.pipeline, settings.router.request_timeout
    if not pipeline.upstream_idle_timeout or limit < pipeline.upstream_idle_timeout:
        return replace(pipeline, upstream_idle_timeout=limit)
    return pipeline


@dataclass(frozen=True)
class _BackendFactory:
    """Makes backends. Two that are equal make the same ones, which configurations then share."""

    request_timeout: float
    event_limit: int
    relays_limits: bool
    lookups: Lookups
    bodies: Bodies
    backend: Backend | None

    def __call__(self, deployment: Deployment) -> Backend:
        return self.backend or make_backend(
            deployment,
            request_timeout=self.request_timeout,
            event_limit=self.event_limit,
            relays_limits=self.relays_limits,
            lookups=self.lookups,
            bodies=self.bodies,
        )


def _router(settings: Settings, lasting: Lasting, backend: Backend | None) -> Router:
    make = _BackendFactory(
        request_timeout=settings.router.request_timeout,
        event_limit=settings.pipeline.event_limit,
        relays_limits=settings.server.relay_rate_limit_headers,
        lookups=lasting.lookups,
        bodies=lasting.bodies,
        backend=backend,
    )
    return Router(
        settings.deployments,
        settings.router,
        control=lasting.attempts,
        make_backend=make,
        memory=lasting.routing,
        overrides=lasting.overrides,
        shared_responses=settings.router.share_stored_responses or not settings.has_several_callers,
        idle_timeout=_with_request_timeout(settings).upstream_idle_timeout or inf,
    )
