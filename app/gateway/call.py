"""What a handler of a model route works with: the services of one configuration, and one call."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from app.backends.attempts import AttemptControl
from app.backends.overrides import DeploymentOverrides
from app.backends.router import Router
from app.bodies import Bodies, Held
from app.dialects import RequestDialect
from app.gateway.authentication import Caller
from app.gateway.body import RequestBody
from app.gateway.in_flight import InFlight, Users
from app.gateway.reply import Reply
from app.gateway.revocations import RevokedKeys
from app.messages import ClientCredential
from app.pipeline import AdmissionControl, PolicyOrchestrator
from app.policies import LoadedPolicy
from app.proxies import TrustedProxies
from app.quotas import Quotas, Reservation
from app.recorder.capture import Capture
from app.recorder.recorder import Recorder
from app.request_ids import Conversations, Finder
from app.settings import Settings
from telemetry import ObservabilityContext, Telemetry


class PolicyChain(Struct, frozen=True):
    """The policies that are applied to some callers' requests, in the order of the configuration."""

    orchestrator: PolicyOrchestrator
    names: tuple[str, ...]
    response_names: tuple[str, ...]
    """Names of the ones that look at responses."""
    reads_requests: bool
    """Whether one of them looks at requests, and may change them."""


@dataclass(frozen=True)
class Gateway:
    """The services that a request works with from its beginning to its end. Each configuration has its own; what
    outlives it, such as `telemetry` and `in_flight`, is the same in all."""

    settings: Settings
    router: Router
    chains: Mapping[tuple[str, ...], PolicyChain]
    """The policies at work, by the names of those that a key asks for beside the ones that apply to everybody's."""
    quotas: Quotas
    unfiltered: PolicyOrchestrator
    """Without policies: for a response that goes to its client as a provider keeps it."""
    telemetry: Telemetry
    in_flight: InFlight
    policies: tuple[LoadedPolicy, ...]
    queue_breakers: AdmissionControl
    attempts: AttemptControl
    """The breakers of all deployments."""
    overrides: DeploymentOverrides
    """What an operator has changed of deployments."""
    revoked: RevokedKeys
    policy_names: tuple[str, ...]
    """Names of all policies, those that only some keys ask for included."""
    bodies: Bodies
    ids: Finder
    """Finds whose a request is."""
    conversations: Conversations
    proxies: TrustedProxies
    recorder: Recorder | None = None
    """Keeps transactions that have ended; None where nothing is recorded."""
    capture: Capture | None = None
    """Takes transactions for the recorder, and knows those under way; None where nothing is recorded."""
    generation: int = 1
    """Counts the configurations of the process."""
    users: Users = field(default_factory=Users)
    """The requests that work with it."""


class Call(Struct, frozen=True):
    """One request on a model route, whose body was read, and the reply that it is to get."""

    method: str
    headers: Mapping[str, str]
    """Under lower-case names."""
    path_parameters: Mapping[str, str]
    query: str
    """The raw query string, without the question mark."""
    caller: Caller
    chain: PolicyChain
    """The policies that are applied to the caller's requests."""
    reservation: Reservation | None
    """What it holds of its caller's limits; None for callers without any."""
    credential: ClientCredential | None
    """The caller's own, where a deployment may hand it on."""
    dialect: RequestDialect
    body: RequestBody
    held: Held
    """Counts the bytes of the request and of a whole response in memory."""
    obs: ObservabilityContext
    reply: Reply


Handler = Callable[[Gateway, Call], Awaitable[None]]
