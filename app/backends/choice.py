"""How a deployment is asked: directly or through LiteLLM, and by which of OpenAI's APIs. Pure.

It is decided once for each deployment, by its provider's row, its parameters and its `model_info`; for a deployment
whose model has a wildcard, once more for each model that is asked for, as is what that model costs.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from app.addresses import base_of
from app.prices import listed_cost
from app.providers import DIRECT, RESPONSES_PREFIX, BackendName, ProviderModel, ResponsesApi, find
from app.settings import Deployment

_RESPONSES_PATH, _CHAT_PATH = "/v1/responses", "/v1/chat/completions"
_DIRECT_MODES = (None, "chat", "embedding", "responses")
_LITELLM_ONLY = frozenset(
    {"mock_response", "merge_reasoning_content_in_choices", "cache_control_injection_points", "tenant_id", "client_id"}
    | {"client_secret", "azure_username", "azure_password", "azure_scope", "hf_model_name", "functions"}
)
"""Parameters of a deployment that LiteLLM gives a meaning to and a direct backend does not."""


def choose_backend(model: str, params: Mapping[str, Any], info: Mapping[str, Any]) -> tuple[BackendName, ResponsesApi]:
    """How a deployment is asked: directly where that serves it, else through LiteLLM. `info` is its `model_info`."""
    found = find(model, params)
    if found is None or found.provider.backend not in DIRECT or _needs_litellm(found, params, info):
        return "litellm", "none"
    responses = _responses_api(found, params, info) if found.provider.backend == "openai" else "none"
    return found.provider.backend, responses


def _needs_litellm(found: ProviderModel, params: Mapping[str, Any], info: Mapping[str, Any]) -> bool:
    """Whether something is asked for that its provider's own API cannot be asked for directly."""
    base = base_of(params)
    if info.get("mode") not in _DIRECT_MODES or not isinstance(base, str | None):
        return True
    if any(params.get(name) is not None for name in _LITELLM_ONLY | found.provider.litellm_params):
        return True
    if base is not None:
        return False
    known = found.provider.first_party
    return found.provider.base_url is None or (known is not None and _names_any(found.model, known.completions_only))


def _responses_api(found: ProviderModel, params: Mapping[str, Any], info: Mapping[str, Any]) -> ResponsesApi:
    """The deployment's own word on the Responses API, else what is known of its address."""
    if info.get("mode") == "responses" or found.model.startswith(RESPONSES_PREFIX):
        return "only"
    if params.get("use_chat_completions_api"):
        return "none"
    endpoints = info.get("supported_endpoints")
    if isinstance(endpoints, list):
        return _api_of_endpoints(endpoints)
    known = found.provider.first_party
    if known is not None and base_of(params) in (None, found.provider.base_url):
        return "only" if _names_any(found.model, known.responses_only) else known.responses
    return found.provider.responses


def _api_of_endpoints(endpoints: list[Any]) -> ResponsesApi:
    if _RESPONSES_PATH not in endpoints:
        return "none"
    return "offered" if _CHAT_PATH in endpoints else "only"


def _names_any(model: str, parts: Iterable[str]) -> bool:
    return any(part in model for part in parts)


def of_model(deployment: Deployment, segments: Sequence[str]) -> Deployment:
    """The deployment for one of the models that its wildcards stand for. `segments` are what the wildcards of its name
    matched; where the model has fewer, the last of them fill it."""
    wildcards = deployment.model.count("*")
    if not wildcards:
        return deployment
    model = deployment.model
    for segment in segments[-wildcards:]:
        model = model.replace("*", segment, 1)
    cost = deployment.cost
    if deployment.cost_source == "catalogue":
        cost = listed_cost(model, deployment.params)
    if deployment.backend not in DIRECT:
        return replace(deployment, model=model, cost=cost)
    backend, responses = choose_backend(model, deployment.params, deployment.info)
    return replace(deployment, model=model, backend=backend, responses=responses, cost=cost)
