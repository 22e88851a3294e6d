"""The providers that are asked through LiteLLM, as far as there is something to say of them."""

from app.providers.common_quirks import LATER_FIELDS, top_k
from app.providers.quirks import Quirks, ThinkingHistory
from app.providers.row import Provider

_GEMINI_SIGNED = ThinkingHistory(fields=(), signed_calls=True)
_GEMINI_SIGNATURES = "https://ai.google.dev/gemini-api/docs/thought-signatures"
_BEDROCK_TOP_K = top_k("https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html")
_COHERE_TOP_K = top_k("https://docs.cohere.com/reference/chat")
_GEMINI = Quirks(
    top_k=True,
    thinking=_GEMINI_SIGNED,
    sources={
        "top_k": "https://ai.google.dev/api/generate-content#generationconfig",
        "thinking": _GEMINI_SIGNATURES,
    },
)
_OLLAMA_TOP_K = top_k("https://docs.ollama.com/modelfile#parameter")
_GEMINI_COMPATIBLE = Quirks(
    dropped=LATER_FIELDS | {"frequency_penalty", "presence_penalty", "logit_bias", "seed", "user"},
    thinking=_GEMINI_SIGNED,
    sources={"dropped": "https://github.com/liliMozi/openhanako/issues/2494", "thinking": _GEMINI_SIGNATURES},
)
BY_LITELLM = (
    Provider("anthropic_text", "litellm", otel_name="anthropic"),
    Provider("azure_ai", "litellm", otel_name="azure.ai.inference", sells_claude=True),
    Provider("azure_text", "litellm", otel_name="azure.ai.openai"),
    Provider("bedrock", "litellm", otel_name="aws.bedrock", quirks=_BEDROCK_TOP_K, sells_claude=True),
    Provider("bedrock_converse", "litellm", otel_name="aws.bedrock", quirks=_BEDROCK_TOP_K, sells_claude=True),
    Provider("cohere", "litellm", bare_models=("command",), quirks=_COHERE_TOP_K),
    Provider("cohere_chat", "litellm", otel_name="cohere", quirks=_COHERE_TOP_K),
    Provider(
        "gemini",
        "litellm",
        otel_name="gcp.gemini",
        quirks=_GEMINI,
        hosts=("generativelanguage.googleapis.com",),
        compatible=_GEMINI_COMPATIBLE,
    ),
    Provider("huggingface", "litellm", quirks=top_k("https://huggingface.co/docs/inference-providers")),
    Provider("ollama", "litellm", quirks=_OLLAMA_TOP_K),
    Provider("ollama_chat", "litellm", quirks=_OLLAMA_TOP_K),
    Provider("text-completion-openai", "litellm", otel_name="openai"),
    Provider(
        "vertex_ai",
        "litellm",
        otel_name="gcp.vertex_ai",
        bare_models=("gemini",),
        quirks=_GEMINI,
        hosts=("aiplatform.googleapis.com",),
        compatible=_GEMINI_COMPATIBLE,
        sells_claude=True,
    ),
    Provider("vertex_ai_beta", "litellm", otel_name="gcp.vertex_ai", quirks=_GEMINI),
    Provider("watsonx", "litellm", otel_name="ibm.watsonx.ai"),
    Provider("watsonx_text", "litellm", otel_name="ibm.watsonx.ai"),
)
