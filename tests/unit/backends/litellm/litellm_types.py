"""The common form as LiteLLM's types, as its own code would make them of a provider's answer."""

from collections.abc import Iterable
from typing import Any

import litellm
from litellm.types.utils import ModelResponse as LiteLLMResponse
from litellm.types.utils import ModelResponseStream as LiteLLMChunk

from app.messages import Choice, Message, ModelResponse, ThinkingBlock, ToolCall, Usage


def to_litellm(response: ModelResponse) -> LiteLLMChunk | LiteLLMResponse:
    """Convert back: to LiteLLM's `ModelResponse` if a choice has a message, else to its `ModelResponseStream`."""
    whole = any(choice.message is not None for choice in response.choices)
    fields: dict[str, Any] = {
        "id": response.id,
        "created": response.created,
        "model": response.model,
        "system_fingerprint": response.system_fingerprint,
        "choices": [_litellm_choice(choice) for choice in response.choices],
    }
    if response.usage is not None:
        fields["usage"] = _litellm_usage(response.usage)
    if response.service_tier is not None:
        fields["service_tier"] = response.service_tier
    if whole:
        return LiteLLMResponse(object="chat.completion", **fields)
    return LiteLLMChunk(**fields)


def _litellm_choice(choice: Choice) -> dict[str, Any]:
    fields: dict[str, Any] = {"index": choice.index, "finish_reason": choice.finish_reason}
    if choice.message is not None:
        fields["message"] = _litellm_message(choice.message)
    else:
        fields["delta"] = _litellm_message(choice.delta or Message())
    if choice.logprobs is not None:
        fields["logprobs"] = choice.logprobs
    return fields


def _litellm_message(message: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "role": message.role,
        "content": message.content,
        "refusal": message.refusal,
        "reasoning_content": message.reasoning_content,
        "thinking_blocks": [_litellm_thinking(block) for block in message.thinking_blocks],
        "tool_calls": [_litellm_call(call) for call in message.tool_calls],
        "annotations": list(message.annotations),
    }
    return {**_present(fields.items()), **message.extra}


def _litellm_thinking(block: ThinkingBlock) -> dict[str, Any]:
    if block.type == "redacted_thinking":
        return {"type": block.type, "data": block.data}
    return _present([("type", block.type), ("thinking", block.thinking), ("signature", block.signature)])


def _litellm_call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.function.name, "arguments": call.function.arguments}
    fields = {"index": call.index, "id": call.id, "type": call.type, "function": function}
    if call.thought_signature is None:
        return fields
    return {**fields, "provider_specific_fields": {"thought_signature": call.thought_signature}}


def _litellm_usage(usage: Usage) -> litellm.Usage:
    return litellm.Usage(
        prompt_tokens=usage.prompt_tokens,
        completion_tokens=usage.completion_tokens,
        total_tokens=usage.total_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cache_read_input_tokens=usage.cache_read_input_tokens,
        cache_creation_input_tokens=usage.cache_creation_input_tokens,
    )


def _present(fields: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return {name: value for name, value in fields if value is not None and value != []}
