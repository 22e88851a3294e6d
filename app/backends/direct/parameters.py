"""What the operator set for a deployment, beside the request: defaults of its body, headers, fields to leave out. Pure.

A client's value counts before a default; `extra_body` and `extra_headers` count before the client's. Parameters that
only LiteLLM understands are not sent to the provider.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from app.addresses import HEADER_BLOCKS
from app.backends.direct.dropped_fields import without_fields
from app.backends.thinking_history import SETTING
from app.messages import Reasoning, Request

_FIELDS = {
    **{name: name for name in ("temperature", "top_p", "top_k", "stop", "tools", "tool_choice", "user")},
    **{name: name for name in ("parallel_tool_calls", "response_format")},
    "reasoning_effort": "reasoning",
}
"""OpenAI's names of fields -> those of the common form."""
_LIMITS = ("max_tokens", "max_completion_tokens")
_NOT_THE_PROVIDERS = frozenset(
    {"additional_drop_params", "allowed_openai_params", "api_base", "api_key", "api_type", "api_version"}
    | {"azure_ad_token", "base_model", "base_url", "custom_llm_provider", "drop_params"}
    | {"extra_body", "id", "max_retries", "metadata", "mock_timeout", "model", "model_id"}
    | {"model_info", "num_retries", "organization", "project", "region_name", "rpm", "stream_timeout"}
    | {"supports_system_message", "tags", "timeout", "tpm", "use_chat_completions_api", SETTING}
    | {*HEADER_BLOCKS}
)


@dataclass(frozen=True)
class Operator:
    """An operator's additions to each request of a deployment. `defaults` have OpenAI's names."""

    defaults: dict[str, Any]
    extra_body: dict[str, Any]
    headers: dict[str, str]
    dropped: tuple[str, ...]
    """Paths of fields that are left out."""
    allowed: frozenset[str]
    """Fields that the provider takes, whatever is known of it."""


def operator_of(params: Mapping[str, Any]) -> Operator:
    headers: dict[str, str] = {}
    for name in HEADER_BLOCKS:
        headers |= {str(key).lower(): str(value) for key, value in _mapping(params, name).items()}
    return Operator(
        defaults={k: v for k, v in params.items() if k not in _NOT_THE_PROVIDERS and v is not None},
        extra_body=_mapping(params, "extra_body"),
        headers=headers,
        dropped=tuple(_texts(params, "additional_drop_params")),
        allowed=frozenset(_texts(params, "allowed_openai_params")),
    )


def named_headers(params: Mapping[str, Any]) -> frozenset[str]:
    """The lower-case names of the headers that the operator sets and a client might have set."""
    accounts = {f"openai-{name}" for name in ("organization", "project") if params.get(name)}
    return frozenset(accounts | operator_of(params).headers.keys())


def with_defaults_of(operator: Operator, body: dict[str, Any], client_set_limit: bool) -> dict[str, Any]:
    """The body with the operator's defaults. `client_set_limit`: the client's limit of tokens replaces the operator's,
    whichever of its two names either has."""
    defaults = operator.defaults
    if not defaults:
        return {**body}
    if client_set_limit:
        defaults = {name: value for name, value in defaults.items() if name not in _LIMITS}
    return {**defaults, **body}


def finished(operator: Operator, body: dict[str, Any]) -> dict[str, Any]:
    """The body with the operator's extras, and at last without what the operator has left out: nobody adds to it
    after this. Whether it is streamed is not for the operator to say."""
    if not operator.extra_body:
        return without_fields(body, operator.dropped) if operator.dropped else body
    extra = {name: value for name, value in operator.extra_body.items() if name != "stream"}
    if isinstance(options := extra.get("stream_options"), dict):
        extra["stream_options"] = {**options, **body.get("stream_options", {})}
    return without_fields({**body, **extra} if extra else body, operator.dropped)


def without_dropped(request: Request, operator: Operator) -> Request:
    """The request without the fields that the operator leaves out, by OpenAI's names, for an API that has others."""
    if not operator.dropped:
        return request
    left_out = [_FIELDS[name] for name in operator.dropped if name in _FIELDS]
    extra = {name: value for name, value in request.extra.items() if name not in operator.dropped}
    if len(extra) < len(request.extra):
        request = replace(request, extra=extra)
    empty = {name: () if name in ("stop", "tools") else None for name in left_out}
    return replace(request, **empty) if empty else request


def with_defaults(request: Request, operator: Operator) -> tuple[Request, Operator]:
    """Move the defaults that the common form has fields for into the request, so that another API's encoder finds them;
    those that are left stay with the operator."""
    if not operator.defaults:
        return request, operator
    rest = dict(operator.defaults)
    filled: dict[str, Any] = {}
    limits = [value for name in _LIMITS if (value := rest.pop(name, None)) is not None]
    if request.max_tokens is None and limits:
        filled["max_tokens"] = limits[-1]
    for name in ("temperature", "top_p", "top_k", "user", "parallel_tool_calls", "response_format"):
        if (value := rest.pop(name, None)) is not None and getattr(request, name) is None:
            filled[name] = value
    stop = rest.pop("stop", None)
    if stop and not request.stop:
        filled["stop"] = (stop,) if isinstance(stop, str) else tuple(stop)
    effort = rest.pop("reasoning_effort", None)
    if isinstance(effort, str) and request.reasoning is None and "thinking" not in rest:
        filled["reasoning"] = Reasoning(enabled=effort != "none", effort=effort)
    # OpenAI's options that no other API has.
    for name in ("n", "seed", "frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs"):
        rest.pop(name, None)
    return replace(request, **filled), dataclasses.replace(operator, defaults=rest)


def _mapping(params: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = params.get(name)
    return dict(value) if isinstance(value, Mapping) else {}


def _texts(params: Mapping[str, Any], name: str) -> list[str]:
    value = params.get(name)
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
