"""A whole response as a chat completion, and the pieces that a stream's chunks are made of too.

Fields of our own making: `reasoning_content`, and `thinking_blocks` as LiteLLM has them (a complete block with its
signature, to be sent back as it is). Each element of a list carries its `index`, without which the official SDK cannot
add up two deltas.
"""

from collections.abc import Mapping
from typing import Any

from app.dialects.openai_chat.legacy_functions import as_function_call, asks_for_functions, function_reason
from app.dialects.thinking import whole_thinking
from app.dialects.tool_calls import whole_calls
from app.dialects.translation.call_signatures import as_extra_content
from app.dialects.translation.ids import with_prefix
from app.dialects.translation.stop_reasons import finish_reason
from app.dialects.validation import without
from app.messages import Choice, Message, ModelResponse, Request, ThinkingBlock, ToolCall, Usage

_RESPONSE = frozenset(["id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier"])
_MESSAGE = frozenset(
    ["role", "content", "refusal", "tool_calls", "annotations", "reasoning_content", "thinking_blocks"]
)


def encode_response(response: ModelResponse, request: Request) -> dict[str, Any]:
    body: dict[str, Any] = {
        "id": with_prefix(response.id, "chatcmpl-"),
        "object": "chat.completion",
        "created": response.created,
        "model": response.model or request.model,
        "choices": [_choice(choice, request) for choice in response.choices],
        **without(response.extra, _RESPONSE),
    }
    if response.usage is not None:
        body["usage"] = encode_usage(response.usage)
    if response.system_fingerprint is not None:
        body["system_fingerprint"] = response.system_fingerprint
    if response.service_tier is not None:
        body["service_tier"] = response.service_tier
    return body


def _choice(choice: Choice, request: Request) -> dict[str, Any]:
    encoded = encode_choice(choice)
    if not asks_for_functions(request):
        return encoded
    reason = function_reason(encoded["finish_reason"])
    return {**encoded, "message": as_function_call(encoded["message"]), "finish_reason": reason}


def encode_choice(choice: Choice) -> dict[str, Any]:
    source = choice.message or choice.delta or Message()
    message: dict[str, Any] = {"role": "assistant", "content": source.content, "refusal": source.refusal}
    message |= message_extra(source)
    calls = whole_calls(source.tool_calls, "call") if source.tool_calls else []
    if calls:
        message["tool_calls"] = [encode_call(call) for call in calls]
    if source.annotations:
        message["annotations"] = list(source.annotations)
    if source.reasoning_content or source.thinking_blocks:
        message |= _thinking(source)
    return {
        "index": choice.index,
        "message": message,
        "logprobs": choice.logprobs,
        "finish_reason": finish_reason(choice.finish_reason, bool(calls)),
    }


def _thinking(source: Message) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    thinking = whole_thinking(source)
    if text := source.reasoning_content or "".join(block.thinking for block in thinking):
        fields["reasoning_content"] = text
    blocks = [block for block in thinking if block.signature is not None or block.data is not None]
    if blocks:
        fields["thinking_blocks"] = [encode_thinking(block, at) for at, block in enumerate(blocks)]
    return fields


def encode_call(call: ToolCall) -> dict[str, Any]:
    name, arguments = call.function.name, call.function.arguments
    signature = call.thought_signature
    beside = {} if signature is None else {"extra_content": as_extra_content(signature)}
    if call.type == "custom":
        return {"id": call.id, "type": "custom", "custom": {"name": name, "input": arguments}, **beside}
    return {"id": call.id, "type": "function", "function": {"name": name, "arguments": arguments}, **beside}


def encode_thinking(block: ThinkingBlock, index: int) -> dict[str, Any]:
    if block.data is not None:
        return {"index": index, "type": "redacted_thinking", "data": block.data}
    return {"index": index, "type": "thinking", "thinking": block.thinking, "signature": block.signature}


def encode_usage(usage: Usage) -> dict[str, Any]:
    prompt = {"cached_tokens": usage.cache_read_input_tokens}
    if usage.cache_creation_input_tokens:
        prompt["cache_write_tokens"] = usage.cache_creation_input_tokens
    return {
        **usage.extra,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {**_details(usage, "prompt_tokens_details"), **prompt},
        "completion_tokens_details": {
            **_details(usage, "completion_tokens_details"),
            "reasoning_tokens": usage.reasoning_tokens,
        },
    }


def _details(usage: Usage, name: str) -> Mapping[str, Any]:
    details = usage.extra.get(name)
    return details if isinstance(details, dict) else {}


def response_extra(response: ModelResponse) -> dict[str, Any]:
    return without(response.extra, _RESPONSE)


def message_extra(source: Message) -> dict[str, Any]:
    return without(source.extra, _MESSAGE)
