"""LiteLLM's response types to the common form. Pure, chunk by chunk; `chunk_repair` does what needs memory.

LiteLLM has no block boundaries, pings, positions of citations, or the stop sequence met, so neither have these.
"""

from collections.abc import Mapping
from typing import Any

import litellm
from litellm.litellm_core_utils.hidden_params import get_hidden_params
from litellm.types.utils import ModelResponse as LiteLLMResponse
from litellm.types.utils import ModelResponseStream as LiteLLMChunk
from msgspec.structs import replace

from app.backends.litellm.chunk_repair import ChunkFacts
from app.dialects.finish_reasons import graver
from app.dialects.token_counts import decode_counts
from app.dialects.translation.call_signatures import signature_of, split_litellm
from app.messages import Choice, Function, Message, ModelResponse, ThinkingBlock, ToolCall, Usage

_MESSAGE_FIELDS = frozenset(
    {
        "role",
        "content",
        "refusal",
        "reasoning_content",
        "thinking_blocks",
        "tool_calls",
        "annotations",
        "provider_specific_fields",
        # The deprecated twin of tool_calls: LiteLLM fills in None.
        "function_call",
    }
)


def from_litellm(response: LiteLLMChunk | LiteLLMResponse, signs_thinking: bool = True) -> ModelResponse:
    """Convert a chunk, whose choices have a `delta`, or a whole response, whose choices have a `message`.
    `signs_thinking`: the signatures of its thinking are Anthropic's."""
    usage = _usage(getattr(response, "usage", None))
    choices = tuple(_choice(choice) for choice in response.choices)
    converted = ModelResponse(
        id=response.id or "",
        created=int(response.created or 0),
        model=_model(response),
        choices=() if _is_usage_only(choices, usage) else choices,
        usage=usage,
        system_fingerprint=response.system_fingerprint,
        service_tier=getattr(response, "service_tier", None),
    )
    return converted if signs_thinking else _unsigned(converted)


def _unsigned(response: ModelResponse) -> ModelResponse:
    """The response of a model that is not Anthropic's, with its thinking as text alone. LiteLLM has Gemini's signatures
    where Anthropic's stand, and Anthropic refuses them; what Gemini needs back stands with its calls."""
    if not any(_has_blocks(choice) for choice in response.choices):
        return response
    choices = [
        replace(choice, delta=_without_blocks(choice.delta), message=_without_blocks(choice.message))
        for choice in response.choices
    ]
    return replace(response, choices=tuple(choices))


def _has_blocks(choice: Choice) -> bool:
    message = choice.delta or choice.message
    return message is not None and bool(message.thinking_blocks)


def _without_blocks(message: Message | None) -> Message | None:
    if message is None or not message.thinking_blocks:
        return message
    text = "".join(block.thinking for block in message.thinking_blocks)
    return replace(message, thinking_blocks=(), reasoning_content=message.reasoning_content or text or None)


def with_usage(chunk: ModelResponse, facts: ChunkFacts) -> ModelResponse:
    """Add usage that the provider reported early, so that a stream left half-way is accounted for. Usage that LiteLLM
    estimated, for want of a report, is marked as `estimated`."""
    early = _usage(facts.take_usage())
    if chunk.usage is not None and not facts.reported:
        return replace(chunk, usage=replace(chunk.usage, extra={**chunk.usage.extra, "estimated": True}))
    if chunk.usage is None and early is not None and early.prompt_tokens:
        return replace(chunk, usage=early)
    return chunk


def _model(response: LiteLLMChunk | LiteLLMResponse) -> str:
    """The provider's name of the model, which LiteLLM keeps beside the requested one that it puts in its place."""
    served = (get_hidden_params(response) or {}).get("provider_response_model")
    return str(served or response.model or "")


def _is_usage_only(choices: tuple[Choice, ...], usage: Usage | None) -> bool:
    """Whether this is LiteLLM's chunk of usage, which has one empty choice where OpenAI's has none."""
    return usage is not None and all(choice.delta == Message() and not choice.finish_reason for choice in choices)


def _choice(choice: Any) -> Choice:
    delta = getattr(choice, "delta", None)
    message = getattr(choice, "message", None)
    logprobs = getattr(choice, "logprobs", None)
    return Choice(
        index=choice.index or 0,
        delta=None if delta is None else _message(delta),
        message=None if message is None else _message(message),
        finish_reason=_reason(choice),
        logprobs=_plain(logprobs),
    )


def _reason(choice: Any) -> str | None:
    """Why it ended. LiteLLM keeps the provider's own word beside its own, in whole answers."""
    native = (getattr(choice, "provider_specific_fields", None) or {}).get("native_finish_reason")
    return graver(native, choice.finish_reason or None)  # type: ignore[no-any-return]


def _message(message: Any) -> Message:
    calls = tuple(_tool_call(call, at) for at, call in enumerate(getattr(message, "tool_calls", None) or ()))
    blocks = tuple(_thinking_block(block) for block in getattr(message, "thinking_blocks", None) or ())
    reasoning = getattr(message, "reasoning_content", None) or None
    role = getattr(message, "role", None)
    content = getattr(message, "content", None)
    special = getattr(message, "provider_specific_fields", None) or {}
    return Message(
        role=role,
        # Beside anything else an empty text would open a text block.
        content=content if content or (content == "" and role and not (calls or blocks or reasoning)) else None,
        refusal=getattr(message, "refusal", None) or special.get("refusal"),
        reasoning_content=reasoning,
        thinking_blocks=blocks,
        tool_calls=calls,
        annotations=tuple(plain for note in getattr(message, "annotations", None) or () if (plain := _plain(note))),
        extra=_extra(message),
    )


def _tool_call(call: Any, position: int) -> ToolCall:
    function = call.function
    index = getattr(call, "index", None)
    fields = getattr(call, "provider_specific_fields", None)
    id, signature = split_litellm(call.id or None)
    return ToolCall(
        index=position if index is None else index,
        id=id,
        type=call.type or "function",
        function=Function(name=function.name or None, arguments=function.arguments or ""),
        thought_signature=signature_of({"provider_specific_fields": fields}) or signature,
    )


def _thinking_block(block: Mapping[str, Any]) -> ThinkingBlock:
    if block.get("type") == "redacted_thinking":
        return ThinkingBlock(type="redacted_thinking", data=block.get("data"))
    return ThinkingBlock(thinking=block.get("thinking") or "", signature=block.get("signature") or None)


def _extra(message: Any) -> dict[str, Any]:
    """The fields that providers add (audio, images, ...): attributes of the object beside its declared fields."""
    fields = {*vars(message), *(getattr(message, "model_extra", None) or ())} - _MESSAGE_FIELDS
    return {
        name: _plain(value) if hasattr(value, "model_dump") else value
        for name in fields
        if not name.startswith("_") and (value := getattr(message, name, None)) is not None
    }


def _usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    if isinstance(usage, Mapping):
        usage = litellm.Usage(**usage)
    prompt = getattr(usage, "prompt_tokens_details", None)
    completion = getattr(usage, "completion_tokens_details", None)
    counts = {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": getattr(usage, "total_tokens", None),
        "cached_tokens": _first(usage, "cache_read_input_tokens", prompt, "cached_tokens"),
        "cache_write_tokens": _first(usage, "cache_creation_input_tokens", prompt, "cache_creation_tokens"),
        "reasoning_tokens": getattr(completion, "reasoning_tokens", None),
    }
    return replace(
        decode_counts(counts),
        extra={
            name: value
            for name in ("server_tool_use", "service_tier", "inference_geo")
            if (value := _plain(getattr(usage, name, None)))
        },
    )


def _first(usage: Any, name: str, details: Any, detail: str) -> object:
    return getattr(usage, name, None) or getattr(details, detail, None)


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if hasattr(value, "model_dump") else value
