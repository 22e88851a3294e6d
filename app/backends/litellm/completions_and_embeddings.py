"""Embeddings and legacy completions by way of LiteLLM: arguments by allow-list in, the common form out. Pure.

Completions go to `atext_completion` where a provider has them. There they are asked for whole, streamed or not: LiteLLM
makes a stream that was cut off look complete, and there is no way to tell. Every other provider gets the prompt as a
conversation of one message, and a field that this cannot express is refused.
"""

import importlib
from collections.abc import Mapping, Set
from types import MappingProxyType, ModuleType
from typing import Any

from msgspec.structs import replace

from app.addresses import base_of
from app.backends.litellm.parameters import LiteLLMTarget, beside, extra_body, operator_arguments
from app.dialects import openai_completions, openai_embeddings
from app.dialects.inputs import unreadable
from app.dialects.openai_completions.response_decoding import decode_response
from app.dialects.translation.losses import no_counterpart
from app.messages import ModelResponse, Request
from app.settings import Deployment

_TEXT_ARGUMENTS = frozenset(
    {"prompt", "suffix", "max_tokens", "n", "stop", "temperature", "top_p", "user", "best_of", "echo", "logprobs"}
    | {"presence_penalty", "frequency_penalty", "logit_bias"}
)
_EMBEDDING_ARGUMENTS = frozenset({"input", "dimensions", "encoding_format", "user"})
_ONLY_COMPATIBLE = frozenset({"encoding_format", "user"})
"""Arguments that other providers refuse. The gateway itself converts their vectors to the format asked for."""
_TAKES_TEXTS = frozenset({"openai", "text-completion-openai"})


def takes_texts(litellm: ModuleType, target: LiteLLMTarget, model: str) -> bool:
    """Whether LiteLLM asks this provider for completions rather than for a chat."""
    if target.name == "openai":
        return model.removeprefix("openai/") not in litellm.open_ai_chat_completion_models
    return target.name in _TAKES_TEXTS or target.name in litellm.openai_text_completion_compatible_providers


def text_client(litellm: ModuleType, deployment: Deployment, timeout: float) -> Any:
    """An `openai.AsyncOpenAI` for all requests of a deployment, which its owner closes: LiteLLM would make one for each
    request, and close none. Raises LiteLLM's error for a provider that it does not know."""
    params = deployment.params
    _, _, key, base = litellm.get_llm_provider(
        model=deployment.model,
        custom_llm_provider=params.get("custom_llm_provider"),
        api_base=base_of(params),
        api_key=params.get("api_key"),
    )
    common = importlib.import_module("litellm.llms.openai.common_utils")
    found = common.get_openai_credentials(base, key or params.get("api_key"), params.get("organization"))
    return importlib.import_module("openai").AsyncOpenAI(
        api_key=found.api_key or "",
        base_url=found.api_base,
        organization=found.organization,
        timeout=timeout,
        max_retries=0,
    )


def text_arguments(
    request: Request,
    deployment: Deployment,
    target: LiteLLMTarget,
    *,
    timeout: float,
    reserved: Set[str],
    trace_headers: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    if unreadable(request) and target.name not in _TAKES_TEXTS:
        raise no_counterpart("prompt", "a list of token ids")
    body = openai_completions.encode_request(replace(request, stream=False, include_usage=False))
    operator = operator_arguments(deployment)
    client = {"prompt": "", **{name: value for name, value in body.items() if name in _TEXT_ARGUMENTS}}
    extra = extra_body(body, _TEXT_ARGUMENTS, reserved)
    fixed = _fixed(deployment, timeout, drop_params=operator.get("drop_params", True))
    return operator | client | fixed | beside(request, operator, target, extra, trace_headers)


def embedding_arguments(
    request: Request,
    deployment: Deployment,
    target: LiteLLMTarget,
    *,
    timeout: float,
    reserved: Set[str],
    trace_headers: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Any]:
    body = openai_embeddings.encode_request(request)
    operator = operator_arguments(deployment)
    named = _EMBEDDING_ARGUMENTS if target.openai_compatible else _EMBEDDING_ARGUMENTS - _ONLY_COMPATIBLE
    client = {name: value for name, value in body.items() if name in named}
    extra = extra_body(body, _EMBEDDING_ARGUMENTS, reserved) if target.openai_compatible else {}
    # Vectors of another size than was asked for are useless: an argument that a provider does not take is refused.
    fixed = _fixed(deployment, timeout, drop_params=operator.get("drop_params", False))
    return operator | client | fixed | beside(request, operator, target, extra, trace_headers)


def from_text_completion(answer: Any) -> ModelResponse:
    body = answer.model_dump(exclude_none=True, warnings=False)
    return decode_response({**body, "choices": [{"text": "", **choice} for choice in body["choices"]]})


def from_embedding(answer: Any) -> ModelResponse:
    return openai_embeddings.decode_response(answer.model_dump(exclude_none=True, warnings=False))


def _fixed(deployment: Deployment, timeout: float, drop_params: object) -> dict[str, Any]:
    return {
        "model": deployment.model,
        "timeout": timeout,
        "max_retries": 0,
        "num_retries": 0,
        "drop_params": drop_params,
    }
