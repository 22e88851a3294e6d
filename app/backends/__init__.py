"""The way to the providers: `router` finds a deployment for a request, and a backend asks it.

`simulated` needs no network; `replay` serves what was recorded; `direct` speaks OpenAI's and Anthropic's dialects with
whoever serves them; `litellm` reaches every other provider that LiteLLM knows, and imports it only where a model needs
it.
"""

import asyncio
from collections.abc import Iterable

from app.addresses import base_of, without_credentials
from app.backends.direct import SharedResources, make_direct, validate_direct
from app.backends.direct.connections import pool_readings
from app.backends.litellm.loading import load as load_litellm
from app.backends.memory import RoutingMemory, staying
from app.backends.replay import PREFIX as REPLAY
from app.backends.replay import make_bundled, validate_bundled
from app.backends.router import Backend, Router
from app.backends.simulated import make_simulated, scenario_of
from app.backends.thinking_history import check_thinking_history
from app.bodies import Bodies
from app.lookups import Lookups
from app.settings import Deployment, DnsSettings, PipelineSettings, ServerSettings

__all__ = ["Backend", "Router", "RoutingMemory", "make_backend", "pool_readings", "prepare", "staying", "validate"]


def make_backend(
    deployment: Deployment,
    *,
    request_timeout: float = 600.0,
    event_limit: int = PipelineSettings().event_limit,
    lookups: Lookups | None = None,
    bodies: Bodies | None = None,
    relays_limits: bool = False,
) -> Backend:
    """Make the backend of a deployment. `request_timeout`, in seconds, is for one without a timeout of its own.
    Deployments that are asked directly share `lookups` and `bodies`; an event of more than `event_limit` bytes fails
    its stream. `relays_limits` keeps what providers' headers say of rate limits beside their answers."""
    match deployment.backend:
        case "simulated" if not deployment.model.startswith(REPLAY):
            return make_simulated(deployment)
        case "litellm":
            from app.backends.litellm.backend import LiteLLMBackend

            return LiteLLMBackend(deployment, request_timeout, relays_limits)
        case _:
            lookups = lookups or Lookups(DnsSettings())
            bodies = bodies or Bodies(ServerSettings().total_body_bytes)
            shared = SharedResources(request_timeout, event_limit, lookups, bodies, relays_limits)
            make = make_bundled if deployment.backend == "simulated" else make_direct
            return make(deployment, shared)


async def prepare(deployments: Iterable[Deployment]) -> None:
    """Do what the first request would otherwise wait for: where a deployment needs LiteLLM, import it, in a thread."""
    if any(deployment.backend == "litellm" for deployment in deployments):
        await asyncio.to_thread(load_litellm)


def validate(deployment: Deployment) -> None:
    """Raise ValueError, with a text for the operator, where the deployment could never serve. Imports no LiteLLM."""
    if deployment.model.startswith(REPLAY):
        validate_bundled(deployment)
        return
    if deployment.backend == "simulated":
        scenario_of(deployment)
        return
    model = deployment.model
    if not model or model.endswith("/"):
        raise ValueError(f"{model!r} names no model; expected something like openai/gpt-5")
    params = deployment.params
    for name in ("model", "messages", "stream", "stream_options"):
        if name in params:
            raise ValueError(f"{name} belongs to each request and cannot be set for a deployment")
    check_thinking_history(params)
    if deployment.backend != "litellm":
        validate_direct(deployment)
    elif without_credentials(str(base_of(params) or ""))[1]:
        raise ValueError("api_base has a user and password, which LiteLLM cannot send; set an authorization header")
