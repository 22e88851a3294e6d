"""Which providers LiteLLM knows, told without importing it, which takes seconds.

`NAMES` are the prefixes of LiteLLM 1.106, held by a test against the LiteLLM that is installed. A model without a
prefix is looked up in the table of prices and providers that comes with LiteLLM.
"""

import re
from collections.abc import Mapping
from functools import cache, lru_cache

import msgspec
from msgspec import Struct

from app.configuration.litellm_names import names
from app.conversion import did_you_mean
from app.prices.table import read_table
from app.providers import PROVIDERS

NAMES = names(
    """a2a a2a_agent abliteration ai21 ai21_chat aihubmix aiml aiohttp_openai amazon_nova anthropic anthropic_text
    apertis assemblyai aws_polly aws_textract azure azure_ai azure_speech azure_text baseten bedrock bedrock_mantle
    black_forest_labs bytez cerebras charity_engine chatgpt chutes clarifai cloudflare codestral cognition cohere
    cohere_chat cometapi compactifai cortecs crusoe cursor custom custom_openai darkbloom dashscope databricks
    datarobot deepgram deepinfra deepseek docker_model_runner dotprompt edenai elevenlabs empiriolabs empower fal_ai
    featherless_ai fireworks_ai friendliai galadriel gdc gemini gigachat github github_copilot gmi gradient_ai groq
    helicone heroku hosted_vllm huggingface humanloop hyperbolic inception infinity jina_ai lambda_ai langflow
    langfuse langgraph lemonade libertai litellm_agent litellm_proxy llamafile llamagate lm_studio manus maritalk
    meta meta_llama milvus minimax mistral modelscope mongodb moonshot morph nadir nano-gpt nebius neosantara
    nlp_cloud novita nscale nvidia_nim nvidia_riva oci ollama ollama_chat oobabooga openai openai_like openrouter
    ovhcloud parasail perplexity petals pg_vector pinstripes poe predibase prism publicai qwen_ai_platform qwencloud
    ragflow recraft reducto reka replicate runwayml s3_vectors sagemaker sagemaker_chat sagemaker_nova sail
    sambanova sap sarvam scaleway scx-ai snowflake soniox stability strands_decider synthetic tencent tensormesh
    text-completion-codestral text-completion-inception text-completion-openai together_ai topaz transcribe triton
    typesafe v0 valkey veniceai vercel_ai_gateway vertex_ai vertex_ai_beta vllm volcengine voyage wandb watsonx
    watsonx_text xai xiaomi_mimo xinference zai"""
)

_FAMILIES = {"bedrock_converse": "bedrock", "vertex_ai_beta": "vertex_ai"}
"""Names of providers in the table that are not the prefix of their models."""
_SERVED = frozenset({"chat", "completion", "embedding", "responses"})
_NO_MODEL = re.compile(r"ft:|container$|(\w+-){1,3}\d/")
"""Names in the table that nobody can ask for: what a model is trained from, and models of one region."""


class _Model(Struct):
    litellm_provider: str | None = None
    mode: str | None = None


def is_known(prefix: str) -> bool:
    """Whether a prefix names a provider, of the gateway's own or of LiteLLM's."""
    return prefix in PROVIDERS or prefix in NAMES


@lru_cache(maxsize=256)
def unknown(prefix: str) -> str:
    """The error for a prefix that names no provider."""
    if prefix == "auto_router":
        return "auto_router is no provider but a router of LiteLLM's proxy, which chooses among models"
    hint = did_you_mean(prefix, sorted(NAMES | PROVIDERS.keys()))
    return f"neither the gateway nor LiteLLM knows a provider {prefix}{hint or _COMPATIBLE}"


_COMPATIBLE = "; a server that speaks OpenAI's API is written openai/MODEL with its api_base"


def without_prefix(model: str) -> str:
    """The error for a model without a provider that no table knows."""
    # Thousands of names are too many to compare each unknown one with.
    alike = [name for name in _models() if "/" not in name and name[:2] == model[:2]]
    hint = did_you_mean(model, alike)
    return f"names no provider, and LiteLLM knows no model of this name{hint or _COMPATIBLE}"


def provider_of(model: str) -> str | None:
    """The provider that LiteLLM has for a model without a prefix; None for a model that it does not know."""
    known = _models().get(model)
    return known.litellm_provider if known is not None else None


def names_of(prefix: str) -> list[str]:
    """The models that LiteLLM's table has of a provider, without its prefix, in the order of the table."""
    found = []
    for name, model in _models().items():
        provider = (model.litellm_provider or "").partition("-")[0]
        if model.mode in _SERVED and _FAMILIES.get(provider, provider) == prefix:
            bare = name.removeprefix(f"{prefix}/")
            if not _NO_MODEL.match(bare):
                found.append(bare)
    return found


@cache
def _models() -> Mapping[str, _Model]:
    try:
        return msgspec.json.decode(read_table(), type=dict[str, _Model])
    except msgspec.DecodeError:
        return {}
