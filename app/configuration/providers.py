"""Which provider a LiteLLM model name means, by the name that OpenTelemetry's conventions have for it."""

_WELL_KNOWN = {
    "anthropic_text": "anthropic",
    "azure": "azure.ai.openai",
    "azure_ai": "azure.ai.inference",
    "azure_text": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "bedrock_converse": "aws.bedrock",
    "cohere_chat": "cohere",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "text-completion-openai": "openai",
    "vertex_ai": "gcp.vertex_ai",
    "vertex_ai_beta": "gcp.vertex_ai",
    "watsonx": "ibm.watsonx.ai",
    "watsonx_text": "ibm.watsonx.ai",
    "xai": "x_ai",
}
# LiteLLM finds these without a prefix.
_BARE = (
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("claude", "anthropic"),
    ("gemini", "gcp.vertex_ai"),
    ("command", "cohere"),
)


def provider_of(model: str, custom: str | None = None) -> str | None:
    """None if the name has no prefix and is not one of those that need none."""
    prefix, slash, _ = model.partition("/")
    if custom or slash:
        return _WELL_KNOWN.get(custom or prefix, custom or prefix)
    return next((provider for start, provider in _BARE if model.startswith(start)), None)
