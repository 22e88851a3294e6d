"""What is made once for a process, and outlives a configuration.

Everything that counts what is open, or remembers what became of earlier requests, is here: a reload that made it anew
would forget who waits, what is held and which deployment fails. `use` has it go by a changed configuration.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID

from app.admission import Admission, limited
from app.backends import RoutingMemory, pool_readings, staying
from app.backends.attempts import AttemptControl
from app.backends.overrides import DeploymentOverrides
from app.bodies import Bodies
from app.gateway import ROUTES, Gateway, InFlight, QuotaReadings, budget_warnings, limited_keys
from app.gateway.revocations import RevokedKeys
from app.lookups import Lookups
from app.loop_stalls import LoopStalls
from app.main.observability import (
    certificate_expiries,
    concealing_of,
    key_identities,
    models_of,
    options_of,
    secrets_of,
)
from app.peers import Peers
from app.pipeline import AdmissionControl, ByteBudget
from app.policies import LoadedPolicy
from app.quotas import Quotas, rules_of
from app.recorder.capture import Capture
from app.recorder.recorder import Recorder
from app.recorder.taking import Taking
from app.request_ids import Conversations
from app.settings import Settings
from telemetry import Telemetry
from telemetry.names.resource import VERSION


@dataclass(frozen=True)
class Lasting:
    """The services of a process whatever its configuration is."""

    telemetry: Telemetry
    stalls: LoopStalls
    recorder: Recorder | None
    """Keeps transactions that have ended; None where nothing is recorded."""
    capture: Capture | None
    bodies: Bodies
    queue_budget: ByteBudget
    """The bytes in the queues of all streams."""
    in_flight: InFlight
    conversations: Conversations
    lookups: Lookups
    queue_breakers: AdmissionControl
    attempts: AttemptControl
    """The breakers and slots of all deployments."""
    routing: RoutingMemory
    overrides: DeploymentOverrides
    """What an operator has changed of deployments."""
    revoked: RevokedKeys
    quotas: Quotas
    """Limits and budgets of callers."""
    peers: Peers | None
    """The processes that serve with this one; None where it serves by itself."""

    def prepare(self, settings: Settings, policies: Sequence[LoadedPolicy]) -> Taking | None:
        """Do what takes long, in any thread, before `use` is called with these and with what is returned: with
        thousands of keys the patterns by which they are hidden take seconds to be made."""
        secrets = secrets_of(settings)
        self.telemetry.hide(secrets)
        if self.capture is None:
            return None
        return self.capture.taking(settings.recorder, secrets=secrets, concealing=concealing_of(policies))

    def use(
        self, gateway: Gateway, settings: Settings, policies: Sequence[LoadedPolicy], taking: Taking | None
    ) -> None:
        """Go by changed settings from now on, after those of `gateway`. What is known of deployments and callers that
        stay is kept."""
        before = gateway.settings
        several, stays = settings.has_several_callers, staying(before.deployments, settings.deployments)
        self.bodies.limit = settings.server.total_body_bytes
        self.queue_budget.limit = settings.pipeline.total_queue_bytes
        self.lookups.use(settings.dns)
        self.queue_breakers.use(settings.breakers.queue, several)
        self.attempts.use(settings.breakers.upstream, several, stays)
        self.attempts.admission.use(settings.admission, settings.deployments, settings.router.max_retry_after, stays)
        self.routing.keep(stays)
        if self.peers is not None:
            self.peers.use(settings)
        if self.recorder is not None:
            self.recorder.select(settings.recorder)
        if self.capture is not None and taking is not None:
            self.capture.use(settings.recorder, taking)
        self.telemetry.use(
            options_of(settings),
            models=models_of(settings),
            policies=[loaded.name for loaded in policies if loaded not in gateway.policies],
        )
        self.register(settings)

    def register(self, settings: Settings) -> None:
        """Have telemetry know the names of a configuration."""
        self.telemetry.watch_bodies(lambda: self.bodies.used, settings.server.total_body_bytes)
        self.telemetry.register_deployments([deployment.id for deployment in settings.deployments])
        self.telemetry.register_certificates(certificate_expiries(settings.deployments))
        self.telemetry.register_admission(limited(settings.deployments))
        self.telemetry.register_keys(key_identities(settings.keys))
        self.telemetry.register_quotas(limited_keys(settings), budget_warnings(settings))
        self.telemetry.watch_quotas(QuotaReadings(self.quotas, settings, self.telemetry).read)


def make_lasting(
    settings: Settings,
    policies: Sequence[LoadedPolicy],
    telemetry: Telemetry,
    stalls: LoopStalls,
    recorder: Recorder | None = None,
    peers: Peers | None = None,
) -> Lasting:
    """All that outlives a configuration, as the first one has it. With `peers`, breakers are in one state in all
    processes, and responses known to all."""
    several, breakers = settings.has_several_callers, settings.breakers
    lasting = Lasting(
        telemetry=telemetry,
        stalls=stalls,
        recorder=recorder,
        capture=None if recorder is None else _capture(settings, policies, telemetry, recorder),
        bodies=Bodies(settings.server.total_body_bytes),
        queue_budget=ByteBudget(settings.pipeline.total_queue_bytes),
        in_flight=InFlight(),
        overrides=DeploymentOverrides(),
        revoked=RevokedKeys(),
        quotas=Quotas(rules_of(settings), settings.quotas, None if peers is None else peers.process),
        conversations=Conversations() if peers is None else peers.conversations,
        lookups=Lookups(settings.dns),
        queue_breakers=AdmissionControl(
            breakers.queue,
            by_caller=several,
            breakers=None if peers is None else peers.queue_breakers(breakers.queue, several),
        ),
        attempts=AttemptControl(
            breakers.upstream,
            by_caller=several,
            stalls=stalls,
            breakers=None if peers is None else peers.deployment_breakers(breakers.upstream, several),
            admission=Admission(
                settings.admission,
                settings.deployments,
                None if peers is None else peers.process,
                longest_pause=settings.router.max_retry_after,
            ),
        ),
        routing=RoutingMemory(None if peers is None else peers.responses),
        peers=peers,
    )
    telemetry.watch_pools(pool_readings)
    telemetry.register_routes(ROUTES)
    for name in lasting.queue_breakers.breakers.names:
        telemetry.register_breaker(name)
    telemetry.watch_breakers(lambda: {**lasting.queue_breakers.states(), **lasting.attempts.states()})
    lasting.register(settings)
    return lasting


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
