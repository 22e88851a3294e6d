"""The common form to the keyword arguments of `litellm.acompletion`, by allow-list.

A client never chooses destination or credential: its fields become arguments only if they are named here. Other fields
go to OpenAI-compatible providers inside `extra_body`, into the JSON that the provider reads, and only from clients of
that dialect; names that LiteLLM itself gives a meaning to are left out even there. Params of the deployment come from
the operator and are passed as they are; where both set a field, the client's value counts.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from app.backends.short_ids import with_short_ids
from app.backends.thinking_history import (
    SETTING,
    for_litellm,
    history_of,
    may_think,
    with_signed_thinking,
    with_thinking,
)
from app.dialects.anthropic_messages.cache_marks import with_fewer_marks
from app.dialects.anthropic_messages.wire import NAME as ANTHROPIC
from app.dialects.openai_chat.request_encoding import encode_request
from app.dialects.openai_chat.wire import NAME as CHAT
from app.messages import Dialect, DocumentPart, InputMessage, Part, Reasoning, Request
from app.providers import ThinkingHistory, row_of
from app.settings import Deployment

_CLIENT_ARGUMENTS = frozenset(
    {
        "messages",
        "temperature",
        "top_p",
        "n",
        "stop",
        "max_tokens",
        "max_completion_tokens",
        "presence_penalty",
        "frequency_penalty",
        "logit_bias",
        "logprobs",
        "top_logprobs",
        "user",
        "seed",
        "response_format",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "functions",
        "function_call",
        "reasoning_effort",
        "verbosity",
        "modalities",
        "audio",
        "prediction",
        "service_tier",
        "store",
        "safety_identifier",
        "prompt_cache_key",
        "web_search_options",
    }
)
"""Fields of a chat completions body that LiteLLM takes as arguments and that do not affect where the request goes."""

_ANTHROPIC_ARGUMENTS = frozenset({"cache_control"})
"""Fields of a messages body that LiteLLM passes to providers of Claude under the same name."""
_ANTHROPIC_BETAS = frozenset({"context_management", "speed"})
"""Further ones that belong to an `anthropic-beta`. LiteLLM puts that beside them at Anthropic alone (its
`llms/anthropic/chat/transformation.py`), and elsewhere one without the other would be refused: there neither goes, nor
does a client's `anthropic-beta`, whose other fields LiteLLM has no argument for."""

_OPENAI_HEADERS = frozenset({"openai-beta"})
_NEVER_IN_BODY = frozenset(
    {"model", "messages", "stream", "stream_options", "base_url", "organization", "callbacks", "extra_headers"}
    | {"extra_body", "extra_query", "mock_tool_calls", "mock_delay", "azure_ad_token", "deployment_id", "drop_params"}
    | {"additional_drop_params", "no_log", "provider", "api_type", "router", "rpm", "success_callback"}
)
_KNOWN_TO_LITELLM_BUT_HARMLESS = frozenset({"metadata", "id"})
_OURS = frozenset(
    {"rpm", "tpm", "max_retries", "num_retries", "timeout", "stream_timeout", "model", "messages", "stream"} | {SETTING}
)


@dataclass(frozen=True)
class LiteLLMTarget:
    """The provider that LiteLLM asks, by LiteLLM's name, and what it can be asked for."""

    name: str
    openai_compatible: bool
    """It reads chat completions bodies."""
    claude: bool
    """LiteLLM turns the request into Anthropic's form."""
    top_k: bool
    signs_thinking: bool
    """The signatures of its thinking are Anthropic's."""
    history: ThinkingHistory
    """What it does with earlier thinking."""
    custom_tools: bool = False
    """It has tools that are called with plain text."""


def target_of(name: str, deployment: Deployment, compatible: Iterable[str]) -> LiteLLMTarget:
    """`compatible`: the providers that LiteLLM itself takes for OpenAI-compatible."""
    row, model = row_of(name), deployment.model
    claude = name == "anthropic" or (row.sells_claude and "claude" in model)
    return LiteLLMTarget(
        name,
        openai_compatible=not claude and (row.backend == "openai" or name in compatible),
        claude=claude,
        top_k=row.quirks.top_k,
        signs_thinking=claude or "claude" in model,
        history=history_of(row, model, deployment.params),
        custom_tools=row.quirks.custom_tools,
    )


def arguments(
    request: Request,
    deployment: Deployment,
    target: LiteLLMTarget,
    *,
    stream: bool,
    timeout: float,
    reserved: Set[str],
    trace_headers: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """All arguments of one call. `reserved`: every name that LiteLLM gives a meaning to."""
    body = _body(request, target)
    if not target.claude:
        body = with_short_ids(body)
    body["messages"] = _messages(body, request, target)
    operator = operator_arguments(deployment)
    client = {name: value for name, value in body.items() if name in _CLIENT_ARGUMENTS}
    client |= _beyond_openai(request, target)
    fixed: dict[str, Any] = {
        "model": deployment.model,
        "stream": stream,
        "timeout": timeout,
        "max_retries": 0,
        "num_retries": 0,
        "drop_params": operator.get("drop_params", True),
        # A client's `mcp` tool must not make LiteLLM call servers on the gateway's behalf.
        "_skip_mcp_handler": True,
    }
    if stream:
        fixed["stream_options"] = _stream_options(body)
    merged = _without_other_limit(operator, client) | client | fixed
    if target.claude and not may_think(body["messages"]):
        merged = {name: value for name, value in merged.items() if name not in ("thinking", "reasoning_effort")}
    extra = extra_body(body, _CLIENT_ARGUMENTS, reserved) if target.openai_compatible else {}
    return merged | beside(request, operator, target, extra, trace_headers)


def operator_arguments(deployment: Deployment) -> dict[str, Any]:
    return {name: value for name, value in deployment.params.items() if name not in _OURS}


def extra_body(body: Mapping[str, Any], arguments: Set[str], reserved: Set[str]) -> dict[str, Any]:
    """The fields of a body that are no arguments and mean nothing to LiteLLM itself."""
    named = arguments | _NEVER_IN_BODY | (reserved - _KNOWN_TO_LITELLM_BUT_HARMLESS)
    return {name: value for name, value in body.items() if name not in named and not name.startswith(("litellm", "_"))}


def beside(
    request: Request,
    operator: Mapping[str, Any],
    target: LiteLLMTarget,
    extra: dict[str, Any],
    trace_headers: Mapping[str, str],
) -> dict[str, Any]:
    """Arguments for what goes to the provider unread by LiteLLM: `extra_body`, where the operator's values count before
    the client's, and `extra_headers`."""
    found: dict[str, Any] = {}
    if extra := extra | (operator.get("extra_body") or {}):
        found["extra_body"] = extra
    if headers := _headers(request, target) | (operator.get("extra_headers") or {}) | dict(trace_headers):
        found["extra_headers"] = headers
    return found


def _body(request: Request, target: LiteLLMTarget) -> dict[str, Any]:
    """The request as a chat completions body. From an Anthropic client to Claude that form would lose cache marks,
    thinking and the provider's own tools; LiteLLM reads these from extra fields, so they are put there."""
    if _is_for_claude(request, target):
        messages = tuple(_with_file_urls(message) for message in request.messages)
        return encode_request(replace(request, dialect=CHAT, messages=messages, extra={}, include_usage=False))
    body = encode_request(request, target.custom_tools)
    return with_fewer_marks(body) if target.claude else body


def _messages(body: dict[str, Any], request: Request, target: LiteLLMTarget) -> list[dict[str, Any]]:
    if target.claude:
        return with_signed_thinking(body)
    same = request.dialect == CHAT
    history = target.history
    if history.fields is None and not same and not target.openai_compatible:
        # LiteLLM has a form of its own for each of these, which knows nothing of thinking from elsewhere.
        history = dataclasses.replace(history, fields=())
    sent = with_thinking(body, history, same)
    if target.openai_compatible:
        return sent
    # What LiteLLM has in a form of its own, it reads from fields of its own.
    return [
        {**message, "tool_calls": for_litellm(message["tool_calls"])} if message.get("tool_calls") else message
        for message in sent
    ]


def form_of(request: Request, target: LiteLLMTarget) -> Dialect:
    """The dialect in which LiteLLM is given the request: the client's own for Claude, else chat completions."""
    return ANTHROPIC if _is_for_claude(request, target) else CHAT


def _is_for_claude(request: Request, target: LiteLLMTarget) -> bool:
    """Client and model have the same form, with LiteLLM's between."""
    return target.claude and request.dialect == ANTHROPIC


def _with_file_urls(message: InputMessage) -> InputMessage:
    """The message with URLs of documents where OpenAI has the ids of files: LiteLLM reads them there."""
    parts: tuple[Part, ...] = tuple(
        replace(part, file_id=part.url, url=None) if isinstance(part, DocumentPart) and part.url else part
        for part in message.parts
    )
    return replace(message, parts=parts)


def _beyond_openai(request: Request, target: LiteLLMTarget) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if request.top_k is not None and target.top_k:
        found["top_k"] = request.top_k
    if _is_for_claude(request, target):
        arguments = _ANTHROPIC_ARGUMENTS | (_ANTHROPIC_BETAS if target.name == "anthropic" else frozenset())
        found |= {name: value for name, value in request.extra.items() if name in arguments}
        if request.reasoning and (thinking := _thinking(request.reasoning)):
            # Given both, LiteLLM would have to choose.
            found |= {"thinking": thinking, "reasoning_effort": None}
    return found


def _thinking(reasoning: Reasoning) -> dict[str, Any] | None:
    if not reasoning.enabled:
        return {"type": "disabled"}
    if reasoning.extra.get("type") == "adaptive" and reasoning.effort is None:
        return reasoning.extra
    if reasoning.budget_tokens is None:
        # LiteLLM makes of an effort what the model takes, adaptive thinking included.
        return None
    return {"type": "enabled", "budget_tokens": reasoning.budget_tokens}


def _stream_options(body: Mapping[str, Any]) -> dict[str, Any]:
    """The client's options, and the wish for usage: the formatter of its dialect decides whether the client gets it."""
    options = body.get("stream_options")
    return {**(options if isinstance(options, dict) else {}), "include_usage": True}


def _without_other_limit(operator: dict[str, Any], client: dict[str, Any]) -> dict[str, Any]:
    """The operator's arguments, without its limit of tokens if the client has one, under either of its two names."""
    limits = {"max_tokens", "max_completion_tokens"}
    if limits.isdisjoint(client):
        return operator
    return {name: value for name, value in operator.items() if name not in limits}


def _headers(request: Request, target: LiteLLMTarget) -> dict[str, str]:
    known = _OPENAI_HEADERS if target.openai_compatible else frozenset()
    return {name: value for name, value in request.headers.items() if name in known}
