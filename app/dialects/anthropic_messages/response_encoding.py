"""A whole response as an Anthropic message, and the usage that streams show too.

Only the first choice is sent: Anthropic knows no others. A refusal is a text block with its own stop reason. OpenAI's
annotations have no counterpart (a citation needs the provider's own index) and are dropped.
"""

from typing import Any

from msgspec.structs import replace

from app.dialects.anthropic_messages.ids import legal_id, message_id
from app.dialects.anthropic_messages.stop_reasons import stop_reason
from app.dialects.thinking import whole_thinking
from app.dialects.tool_calls import as_object, whole_calls
from app.dialects.translation.call_signatures import with_signature
from app.messages import Choice, Message, ModelResponse, Request, ThinkingBlock, ToolCall, Usage

_USAGE_EXTRA = frozenset(
    ["cache_creation", "server_tool_use", "output_tokens_details", "service_tier", "inference_geo"]
)


def encode_response(response: ModelResponse, request: Request) -> dict[str, Any]:
    choice = next((choice for choice in response.choices if choice.index == 0), Choice())
    message = choice.message or choice.delta or Message()
    calls = whole_calls(message.tool_calls, "toolu")
    reason = stop_reason(choice.finish_reason, choice.stop_sequence, bool(calls))
    return {
        "id": message_id(response.id),
        "type": "message",
        "role": "assistant",
        "model": response.model or request.model,
        "content": [
            *(encode_thinking(block) for block in whole_thinking(message)),
            *({"type": "text", "text": text} for text in (message.content, message.refusal) if text),
            *(encode_tool_use(call) for call in calls),
        ],
        "stop_reason": reason,
        "stop_sequence": choice.stop_sequence if reason == "stop_sequence" else None,
        "usage": encode_usage(response.usage or Usage()),
    }


def encode_thinking(block: ThinkingBlock) -> dict[str, Any]:
    if block.data is not None:
        return {"type": "redacted_thinking", "data": block.data}
    return {"type": "thinking", "thinking": block.thinking, "signature": block.signature or ""}


def encode_tool_use(call: ToolCall) -> dict[str, Any]:
    function = call.function
    return {
        "type": "tool_use",
        "id": with_signature(replace(call, id=legal_id(call.id or ""))),
        "name": function.name,
        "input": as_object(function.arguments),
    }


def encode_usage(usage: Usage) -> dict[str, Any]:
    """`input_tokens` without what came from or went to a cache, which Anthropic counts apart."""
    cached = usage.cache_read_input_tokens + usage.cache_creation_input_tokens
    extra = {name: value for name, value in usage.extra.items() if name in _USAGE_EXTRA}
    if usage.reasoning_tokens:
        extra["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return {
        **extra,
        "input_tokens": max(0, usage.prompt_tokens - cached),
        "cache_creation_input_tokens": usage.cache_creation_input_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "output_tokens": usage.completion_tokens,
    }
