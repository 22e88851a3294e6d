"""The providers whose own the two APIs are, and Azure, which sells OpenAI's models by OpenAI's APIs."""

from app.providers.common_quirks import NO_THINKING, OPENAI_MODELS, REASONING_GUIDE, top_k
from app.providers.quirks import Quirks
from app.providers.row import CHAT, ApiVersions, FirstPartyModels, Provider

_CHAT_REFERENCE = "https://platform.openai.com/docs/api-reference/chat/create"
_OPENAI = Quirks(
    developer=True,
    max_completion_tokens=True,
    metadata_needs_store=True,
    thinking=NO_THINKING,
    longest_call_id=40,
    custom_tools=True,
    sources={
        "custom_tools": _CHAT_REFERENCE,
        "metadata_needs_store": "https://github.com/tmc/langchaingo/issues/1484",
        "longest_call_id": "https://github.com/microsoft/autogen/issues/6377",
        "developer": _CHAT_REFERENCE,
        "max_completion_tokens": _CHAT_REFERENCE,
        "thinking": REASONING_GUIDE,
    },
)
_AZURE_REFERENCE = "https://learn.microsoft.com/azure/ai-foundry/openai/how-to/reasoning"
_AZURE = Quirks(
    developer=True,
    max_completion_tokens=True,
    metadata_needs_store=True,
    thinking=NO_THINKING,
    longest_call_id=40,
    custom_tools=True,
    sources={
        "custom_tools": _AZURE_REFERENCE,
        "metadata_needs_store": "https://github.com/tmc/langchaingo/issues/1484",
        "longest_call_id": "https://github.com/microsoft/autogen/issues/6377",
        "developer": _AZURE_REFERENCE,
        "max_completion_tokens": _AZURE_REFERENCE,
        "thinking": REASONING_GUIDE,
    },
)
FIRST_PARTIES = (
    Provider(
        "openai",
        "openai",
        "https://api.openai.com/v1",
        "OPENAI_API_KEY",
        bare_models=("gpt-", "chatgpt-", "o1", "o3", "o4", "ft:", "dall-e-"),
        responses="unknown",
        quirks=_OPENAI,
        model_quirks=OPENAI_MODELS,
        quirks_elsewhere=Quirks(),
        hosts=("api.openai.com",),
        needs_key=True,
        first_party=FirstPartyModels("offered", ("-pro", "codex", "deep-research", "computer-use"), ("-instruct",)),
    ),
    Provider(
        "anthropic",
        "anthropic",
        "https://api.anthropic.com",
        "ANTHROPIC_API_KEY",
        bare_models=("claude",),
        quirks=top_k("https://docs.claude.com/en/api/messages"),
        operations=CHAT,
        needs_key=True,
        litellm_params=frozenset({"tools", "tool_choice"}),
    ),
    Provider(
        "azure",
        "openai",
        None,
        "AZURE_API_KEY",
        "azure.ai.openai",
        responses="offered",
        quirks=_AZURE,
        model_quirks=OPENAI_MODELS,
        hosts=("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"),
        variables={"api_base": "AZURE_API_BASE", "api_version": "AZURE_API_VERSION"},
        model_families=("o_series/", "gpt5_series/"),
        api_versions=ApiVersions(
            default="2025-02-01-preview",
            stream_options="2024-09-01",
            responses="2025-03-01",
            max_completion_tokens="2024-09-01",
            developer="2024-12-01",
        ),
    ),
)
