"""The way to the providers: `router` finds a deployment for a request and tries, a backend asks it.

`simulated` needs no network; `direct` speaks OpenAI's and Anthropic's dialects with whoever serves them; `litellm`
reaches every other provider that LiteLLM knows, and imports it only where a model needs it.
"""

import asyncio
from collections.abc import Iterable

from app.backends.direct import make_direct, validate_direct
from app.backends.litellm.loading import load as load_litellm
from app.backends.router import Backend, Router
from app.backends.simulated import make_simulated, scenario_of
from app.settings import Deployment, PipelineSettings

__all__ = ["Backend", "Router", "make_backend", "prepare", "validate"]


def make_backend(
    deployment: Deployment, request_timeout: float = 600.0, event_limit: int = PipelineSettings().event_limit
) -> Backend:
    """`request_timeout` is for a deployment without a timeout of its own; `event_limit`, in bytes, for direct ones."""
    match deployment.backend:
        case "simulated":
            return make_simulated(deployment)
        case "openai" | "anthropic":
            return make_direct(deployment, request_timeout, event_limit)
        case "litellm":
            from app.backends.litellm.backend import LiteLLMBackend

            return LiteLLMBackend(deployment, request_timeout)


async def prepare(deployments: Iterable[Deployment]) -> None:
    """Do what the first request would otherwise wait for: where a deployment needs LiteLLM, import it, in a thread."""
    if any(deployment.backend == "litellm" for deployment in deployments):
        await asyncio.to_thread(load_litellm)


def validate(deployment: Deployment) -> None:
    """Raise ValueError, with a text for the operator, where the deployment could never serve. Imports no LiteLLM."""
    if deployment.backend == "simulated":
        scenario_of(deployment)
        return
    model = deployment.model
    if not model or model.endswith("/"):
        raise ValueError(f"{model!r} names no model; expected something like openai/gpt-5")
    for name in ("model", "messages", "stream", "stream_options"):
        if name in deployment.params:
            raise ValueError(f"{name} belongs to each request and cannot be set for a deployment")
    if deployment.backend != "litellm":
        validate_direct(deployment)
