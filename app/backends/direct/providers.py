"""Which models are asked directly, where their providers are, and what each of these wants otherwise than OpenAI."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from app.settings import ResponsesApi

Backend = Literal["openai", "anthropic"]


@dataclass(frozen=True)
class Provider:
    """`modern`: takes what OpenAI itself has changed over time, `max_completion_tokens` and the developer's role.
    `responses`: what its documentation says of that API; where there may be any server, it is found out."""

    base: str | None = None
    key_variable: str | None = None
    modern: bool = False
    responses: ResponsesApi = "none"
    takes_stream_options: bool = True
    takes_top_k: bool = False
    dropped: frozenset[str] = frozenset()
    renamed: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Route:
    """`model` is the provider's name for it."""

    backend: Backend
    provider: str
    model: str
    base: str
    responses: ResponsesApi = "none"


ANTHROPIC = Provider("https://api.anthropic.com", "ANTHROPIC_API_KEY")
COMPATIBLE: Mapping[str, Provider] = {
    "openai": Provider("https://api.openai.com/v1", "OPENAI_API_KEY", modern=True, responses="unknown"),
    "azure": Provider(None, "AZURE_API_KEY", modern=True, responses="offered"),
    "cerebras": Provider("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", modern=True),
    "custom_openai": Provider(None, None, modern=True, responses="unknown"),
    "dashscope": Provider("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", "DASHSCOPE_API_KEY"),
    "deepinfra": Provider("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY", takes_top_k=True),
    "deepseek": Provider("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", responses="unknown"),
    "featherless_ai": Provider("https://api.featherless.ai/v1", "FEATHERLESS_AI_API_KEY"),
    "fireworks_ai": Provider(
        "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", takes_top_k=True, responses="offered"
    ),
    "groq": Provider("https://api.groq.com/openai/v1", "GROQ_API_KEY", modern=True, responses="offered"),
    "hosted_vllm": Provider(None, "HOSTED_VLLM_API_KEY", takes_top_k=True, responses="unknown"),
    "hyperbolic": Provider("https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY"),
    "lambda_ai": Provider("https://api.lambda.ai/v1", "LAMBDA_API_KEY"),
    "litellm_proxy": Provider(None, "LITELLM_PROXY_API_KEY", modern=True, responses="unknown"),
    "llamafile": Provider("http://127.0.0.1:8080/v1", None, takes_top_k=True, responses="unknown"),
    "lm_studio": Provider(None, "LM_STUDIO_API_KEY", takes_top_k=True, responses="unknown"),
    "mistral": Provider(
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        takes_stream_options=False,
        dropped=frozenset({"user", "logit_bias", "logprobs", "top_logprobs", "service_tier", "store", "verbosity"}),
        renamed=(("seed", "random_seed"),),
    ),
    "moonshot": Provider("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "nebius": Provider("https://api.studio.nebius.ai/v1", "NEBIUS_API_KEY"),
    "novita": Provider("https://api.novita.ai/v3/openai", "NOVITA_API_KEY"),
    "nvidia_nim": Provider("https://integrate.api.nvidia.com/v1", "NVIDIA_NIM_API_KEY"),
    "openrouter": Provider(
        "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", modern=True, takes_top_k=True, responses="offered"
    ),
    "perplexity": Provider("https://api.perplexity.ai", "PERPLEXITYAI_API_KEY"),
    "sambanova": Provider("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY", takes_top_k=True),
    "together_ai": Provider("https://api.together.ai/v1", "TOGETHERAI_API_KEY", takes_top_k=True),
    "vercel_ai_gateway": Provider(
        "https://ai-gateway.vercel.sh/v1", "VERCEL_AI_GATEWAY_API_KEY", modern=True, responses="offered"
    ),
    "xai": Provider("https://api.x.ai/v1", "XAI_API_KEY", modern=True, responses="offered"),
    "zai": Provider("https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
}

_NOTHING: Mapping[str, Any] = {}

# LiteLLM finds these without a prefix.
_BARE = (("gpt-", "openai"), ("chatgpt-", "openai"), ("o1", "openai"), ("o3", "openai"), ("o4", "openai"))
_CLAUDE = "claude"
_RESPONSES_ONLY = ("-pro", "codex", "deep-research", "computer-use")
_COMPLETIONS_ONLY = "-instruct"
"""In the names of OpenAI's own models that are not served by chat completions."""
_RESPONSES_PREFIX = "responses/"
_RESPONSES_PATH, _CHAT_PATH = "/v1/responses", "/v1/chat/completions"
_AZURE_FAMILIES = ("o_series/", "gpt5_series/")
_LITELLM_ONLY = frozenset(
    {"mock_response", "merge_reasoning_content_in_choices", "cache_control_injection_points", "tenant_id", "client_id"}
    | {"client_secret", "azure_username", "azure_password", "azure_scope", "hf_model_name", "functions"}
)
"""Parameters of a deployment that LiteLLM gives a meaning to and a direct backend does not."""


def provider_for(route: Route) -> Provider:
    return ANTHROPIC if route.backend == "anthropic" else COMPATIBLE[route.provider]


def route_of(model: str, params: Mapping[str, Any], info: Mapping[str, Any] = _NOTHING) -> Route | None:
    """None for what only LiteLLM can reach. `info` is the entry's `model_info`."""
    base = params.get("api_base") or params.get("base_url") or None
    if info.get("mode") not in (None, "chat", "embedding", "responses") or not isinstance(base, str | None):
        return None
    if any(params.get(name) is not None for name in _LITELLM_ONLY):
        return None
    custom = params.get("custom_llm_provider")
    name, served = _provider_and_model(model, custom if isinstance(custom, str) else None)
    if name == "anthropic":
        if params.get("tools") is not None or params.get("tool_choice") is not None:
            return None
        return Route("anthropic", name, served, str(base or ANTHROPIC.base))
    if name not in COMPATIBLE or (name == "openai" and not base and _COMPLETIONS_ONLY in served):
        return None
    if name == "azure":
        served = next((served.removeprefix(family) for family in _AZURE_FAMILIES if served.startswith(family)), served)
    found = base or COMPATIBLE[name].base
    if not found:
        return None
    responses = _responses(name, served, str(found), params, info)
    return Route("openai", name, served.removeprefix(_RESPONSES_PREFIX), str(found), responses)


def _responses(name: str, served: str, base: str, params: Mapping[str, Any], info: Mapping[str, Any]) -> ResponsesApi:
    """The deployment's own word, else what is known of its address."""
    if info.get("mode") == "responses" or served.startswith(_RESPONSES_PREFIX):
        return "only"
    if params.get("use_chat_completions_api"):
        return "none"
    endpoints = info.get("supported_endpoints")
    if isinstance(endpoints, list):
        return _of_endpoints(endpoints)
    if name == "openai" and base == COMPATIBLE["openai"].base:
        return "only" if any(word in served for word in _RESPONSES_ONLY) else "offered"
    return COMPATIBLE[name].responses


def _of_endpoints(endpoints: list[Any]) -> ResponsesApi:
    if _RESPONSES_PATH not in endpoints:
        return "none"
    return "offered" if _CHAT_PATH in endpoints else "only"


def key_variable(model: str, params: Mapping[str, Any]) -> str | None:
    """Where the environment has the key of a deployment that has none itself."""
    custom = params.get("custom_llm_provider")
    name, _ = _provider_and_model(model, custom if isinstance(custom, str) else None)
    found = ANTHROPIC if name == "anthropic" else COMPATIBLE.get(name)
    return found.key_variable if found else None


def _provider_and_model(model: str, custom: str | None) -> tuple[str, str]:
    prefix, slash, rest = model.partition("/")
    if custom:
        return custom, rest if slash and prefix == custom else model
    if slash:
        return prefix, rest
    if model.startswith(_CLAUDE):
        return "anthropic", model
    return next((provider for start, provider in _BARE if model.startswith(start)), ""), model
