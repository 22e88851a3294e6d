"""The common form to the keyword arguments of `litellm.acompletion`, by allow-list.

A client never chooses destination or credential: its fields become arguments only if they are named here. What is not
named goes to OpenAI-compatible providers inside `extra_body`, into the JSON that the provider reads, and only from
clients of that dialect; names that LiteLLM itself gives a meaning to are left out even there. Params of the deployment
come from the operator and are passed as they are; where both may say something, the client's word counts.
"""

from collections.abc import Mapping, Set
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from msgspec.structs import replace

from app.dialects.openai_chat.request_encoding import encode_request
from app.messages import DocumentPart, InputMessage, Part, Reasoning, Request
from app.settings import Deployment

CLIENT_ARGUMENTS = frozenset(
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
"""Fields of a chat completions body that LiteLLM takes as arguments and that say nothing of where the request goes."""

ANTHROPIC_ARGUMENTS = frozenset({"context_management", "speed", "cache_control"})
"""Fields of a messages body that LiteLLM hands to providers of Claude by that name."""

_HEADERS = frozenset({"anthropic-beta", "openai-beta"})
_NEVER_IN_BODY = frozenset(
    {"model", "messages", "stream", "stream_options", "base_url", "organization", "callbacks", "extra_headers"}
    | {"extra_body", "extra_query", "mock_tool_calls", "mock_delay", "azure_ad_token", "deployment_id", "drop_params"}
    | {"additional_drop_params", "no_log", "provider", "api_type", "router", "rpm", "success_callback"}
)
_KNOWN_TO_LITELLM_BUT_HARMLESS = frozenset({"metadata", "id"})
_OURS = frozenset(
    {"rpm", "tpm", "max_retries", "num_retries", "timeout", "stream_timeout", "model", "messages", "stream"}
)
_TOP_K = frozenset(
    {"anthropic", "bedrock", "bedrock_converse", "vertex_ai", "gemini", "hosted_vllm", "ollama", "ollama_chat"}
    | {"openrouter", "together_ai", "fireworks_ai", "cohere", "cohere_chat", "huggingface", "sambanova", "deepinfra"}
)
_SELLS_CLAUDE = frozenset({"bedrock", "bedrock_converse", "vertex_ai", "azure_ai"})


@dataclass(frozen=True)
class Provider:
    """`openai_compatible`: reads chat completions bodies. `claude`: LiteLLM turns the request into Anthropic's form."""

    name: str
    openai_compatible: bool
    claude: bool


def provider_of(name: str, model: str, compatible: Set[str]) -> Provider:
    claude = name == "anthropic" or (name in _SELLS_CLAUDE and "claude" in model)
    return Provider(name, name in compatible and not claude, claude)


def arguments(
    request: Request,
    deployment: Deployment,
    provider: Provider,
    *,
    stream: bool,
    timeout: float,
    reserved: Set[str],
    trace_headers: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    """`reserved`: every name that LiteLLM gives a meaning to."""
    body = _body(request, provider)
    operator = operator_arguments(deployment)
    client = {name: value for name, value in body.items() if name in CLIENT_ARGUMENTS}
    client |= _beyond_openai(request, provider)
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
        fixed["stream_options"] = _stream_options(request)
    merged = _without_other_limit(operator, client) | client | fixed
    beyond = request.dialect == "openai_chat" and provider.openai_compatible
    extra = extra_body(body, CLIENT_ARGUMENTS, reserved) if beyond else {}
    return merged | beside(request, operator, provider, extra, trace_headers)


def operator_arguments(deployment: Deployment) -> dict[str, Any]:
    return {name: value for name, value in deployment.params.items() if name not in _OURS}


def extra_body(body: Mapping[str, Any], arguments: Set[str], reserved: Set[str]) -> dict[str, Any]:
    """What is no argument and means nothing to LiteLLM itself."""
    named = arguments | _NEVER_IN_BODY | (reserved - _KNOWN_TO_LITELLM_BUT_HARMLESS)
    return {name: value for name, value in body.items() if name not in named and not name.startswith(("litellm", "_"))}


def beside(
    request: Request,
    operator: Mapping[str, Any],
    provider: Provider,
    extra: dict[str, Any],
    trace_headers: Mapping[str, str],
) -> dict[str, Any]:
    """What goes to the provider beside LiteLLM's arguments; the operator's word counts before the client's."""
    found: dict[str, Any] = {}
    if extra := extra | (operator.get("extra_body") or {}):
        found["extra_body"] = extra
    if headers := _headers(request, provider) | (operator.get("extra_headers") or {}) | dict(trace_headers):
        found["extra_headers"] = headers
    return found


def _body(request: Request, provider: Provider) -> dict[str, Any]:
    """Between Anthropic and Claude the detour over OpenAI's form loses cache marks, thinking and the provider's own
    tools; LiteLLM knows them in places where OpenAI has extra fields, so they are put there."""
    if request.dialect == "anthropic_messages" and provider.claude:
        messages = tuple(_with_file_urls(message) for message in request.messages)
        request = replace(request, dialect="openai_chat", messages=messages, extra={}, include_usage=False)
    return encode_request(request)


def _with_file_urls(message: InputMessage) -> InputMessage:
    """LiteLLM reads a document's URL where OpenAI has the id of a file."""
    parts: tuple[Part, ...] = tuple(
        replace(part, file_id=part.url, url=None) if isinstance(part, DocumentPart) and part.url else part
        for part in message.parts
    )
    return replace(message, parts=parts)


def _beyond_openai(request: Request, provider: Provider) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if request.top_k is not None and provider.name in _TOP_K:
        said["top_k"] = request.top_k
    if provider.claude and request.dialect == "anthropic_messages":
        said |= {name: value for name, value in request.extra.items() if name in ANTHROPIC_ARGUMENTS}
        if request.reasoning and (thinking := _thinking(request.reasoning)):
            # Both would be two answers to one question.
            said |= {"thinking": thinking, "reasoning_effort": None}
    return said


def _thinking(reasoning: Reasoning) -> dict[str, Any] | None:
    if not reasoning.enabled:
        return {"type": "disabled"}
    if reasoning.budget_tokens is None:
        return None
    return {"type": "enabled", "budget_tokens": reasoning.budget_tokens}


def _stream_options(request: Request) -> dict[str, Any]:
    """Usage is always asked for; whether the client sees it is for its dialect to say."""
    said = request.extra.get("stream_options") if request.dialect == "openai_chat" else None
    return {**(said if isinstance(said, dict) else {}), "include_usage": True}


def _without_other_limit(operator: dict[str, Any], client: dict[str, Any]) -> dict[str, Any]:
    """A client's limit replaces the operator's, by whichever of its two names."""
    limits = {"max_tokens", "max_completion_tokens"}
    if limits.isdisjoint(client):
        return operator
    return {name: value for name, value in operator.items() if name not in limits}


def _headers(request: Request, provider: Provider) -> dict[str, str]:
    same = provider.claude if request.dialect == "anthropic_messages" else provider.openai_compatible
    return {name: value for name, value in request.headers.items() if name in _HEADERS} if same else {}
