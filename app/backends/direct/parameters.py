"""What the operator set for a deployment, beside the request: defaults of its body, headers, fields to leave out.

A client's word counts before a default; `extra_body` and `extra_headers` count before the client's. What LiteLLM reads
itself is not the provider's and stays here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from app.messages import Reasoning, Request

_LIMITS = ("max_tokens", "max_completion_tokens")
_NOT_THE_PROVIDERS = frozenset(
    {"additional_drop_params", "allowed_openai_params", "api_base", "api_key", "api_type", "api_version"}
    | {"azure_ad_token", "base_model", "base_url", "custom_llm_provider", "default_headers", "drop_params"}
    | {"extra_body", "extra_headers", "headers", "id", "max_retries", "metadata", "mock_timeout", "model", "model_id"}
    | {"model_info", "num_retries", "organization", "project", "region_name", "rpm", "ssl_verify", "stream_timeout"}
    | {"supports_system_message", "tags", "timeout", "tpm", "use_chat_completions_api"}
)


@dataclass(frozen=True)
class Operator:
    """`defaults` in OpenAI's words."""

    defaults: dict[str, Any]
    extra_body: dict[str, Any]
    headers: dict[str, str]
    dropped: frozenset[str]


def operator_of(params: Mapping[str, Any]) -> Operator:
    headers: dict[str, str] = {}
    for name in ("default_headers", "headers", "extra_headers"):
        headers |= {str(key).lower(): str(value) for key, value in _mapping(params, name).items()}
    return Operator(
        defaults={k: v for k, v in params.items() if k not in _NOT_THE_PROVIDERS and v is not None},
        extra_body=_mapping(params, "extra_body"),
        headers=headers,
        dropped=frozenset(_texts(params, "additional_drop_params")),
    )


def merged(operator: Operator, body: dict[str, Any], client_set_limit: bool) -> dict[str, Any]:
    """`client_set_limit`: the client's limit replaces the operator's, by whichever of its two names."""
    defaults = operator.defaults
    if client_set_limit:
        defaults = {name: value for name, value in defaults.items() if name not in _LIMITS}
    whole = {**defaults, **body, **operator.extra_body}
    return {name: value for name, value in whole.items() if name not in operator.dropped}


def with_defaults(request: Request, operator: Operator) -> tuple[Request, Operator]:
    """The defaults that the common form has a place for put there, to be said in another dialect's words."""
    rest = dict(operator.defaults)
    said: dict[str, Any] = {}
    limits = [value for name in _LIMITS if (value := rest.pop(name, None)) is not None]
    if request.max_tokens is None and limits:
        said["max_tokens"] = limits[-1]
    for name in ("temperature", "top_p", "top_k", "user", "parallel_tool_calls", "response_format"):
        if (value := rest.pop(name, None)) is not None and getattr(request, name) is None:
            said[name] = value
    stop = rest.pop("stop", None)
    if stop and not request.stop:
        said["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
    effort = rest.pop("reasoning_effort", None)
    if isinstance(effort, str) and request.reasoning is None and "thinking" not in rest:
        said["reasoning"] = Reasoning(enabled=effort != "none", effort=effort)
    # OpenAI's, without a counterpart.
    for name in ("n", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs"):
        rest.pop(name, None)
    return replace(request, **said), replace_defaults(operator, rest)


def replace_defaults(operator: Operator, defaults: dict[str, Any]) -> Operator:
    return Operator(defaults, operator.extra_body, operator.headers, operator.dropped)


def _mapping(params: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = params.get(name)
    return dict(value) if isinstance(value, Mapping) else {}


def _texts(params: Mapping[str, Any], name: str) -> list[str]:
    value = params.get(name)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
