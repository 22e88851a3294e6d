"""LiteLLM's response types to the common form and back. Pure, chunk by chunk; `repair` does what needs memory.

Not carried over, because LiteLLM does not have it: block boundaries, pings, citations' places, the stop sequence met.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import litellm
from litellm.litellm_core_utils.hidden_params import get_hidden_params
from litellm.types.utils import ModelResponse as LiteLLMResponse
from litellm.types.utils import ModelResponseStream as LiteLLMChunk
from msgspec.structs import replace

from app.backends.litellm.tap import Heard
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
_USAGE_FIELDS = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})


def from_litellm(response: LiteLLMChunk | LiteLLMResponse) -> ModelResponse:
    """A chunk or a whole response; which of the two shows in `Choice.delta` or `Choice.message`."""
    usage = _usage(getattr(response, "usage", None))
    choices = tuple(_choice(choice) for choice in response.choices)
    return ModelResponse(
        id=response.id or "",
        created=int(response.created or 0),
        model=_model(response),
        choices=() if _is_usage_only(choices, usage) else choices,
        usage=usage,
        system_fingerprint=response.system_fingerprint,
        service_tier=getattr(response, "service_tier", None),
    )


def with_usage(chunk: ModelResponse, heard: Heard) -> ModelResponse:
    """With what the provider has reported early, so that a stream left half-way is accounted for; what LiteLLM counted
    itself, for want of a report, says so."""
    early = _usage(heard.take_usage())
    if chunk.usage is not None and not heard.reported:
        return replace(chunk, usage=replace(chunk.usage, extra={**chunk.usage.extra, "estimated": True}))
    if chunk.usage is None and early is not None and early.prompt_tokens:
        return replace(chunk, usage=early)
    return chunk


def to_litellm(response: ModelResponse) -> LiteLLMChunk | LiteLLMResponse:
    """A response whose choices carry messages becomes a `ModelResponse`, anything else a `ModelResponseStream`."""
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


def _model(response: LiteLLMChunk | LiteLLMResponse) -> str:
    """LiteLLM puts the requested name in place of the provider's, and the provider's aside."""
    served = (get_hidden_params(response) or {}).get("provider_response_model")
    return str(served or response.model or "")


def _is_usage_only(choices: tuple[Choice, ...], usage: Usage | None) -> bool:
    """LiteLLM's usage chunk has one empty choice, where OpenAI's has none."""
    return usage is not None and all(choice.delta == Message() and not choice.finish_reason for choice in choices)


def _choice(choice: Any) -> Choice:
    delta = getattr(choice, "delta", None)
    message = getattr(choice, "message", None)
    logprobs = getattr(choice, "logprobs", None)
    return Choice(
        index=choice.index or 0,
        delta=None if delta is None else _message(delta),
        message=None if message is None else _message(message),
        finish_reason=choice.finish_reason or None,
        logprobs=_plain(logprobs),
    )


def _message(said: Any) -> Message:
    calls = tuple(_tool_call(call, at) for at, call in enumerate(getattr(said, "tool_calls", None) or ()))
    blocks = tuple(_thinking_block(block) for block in getattr(said, "thinking_blocks", None) or ())
    reasoning = getattr(said, "reasoning_content", None) or None
    role = getattr(said, "role", None)
    content = getattr(said, "content", None)
    special = getattr(said, "provider_specific_fields", None) or {}
    return Message(
        role=role,
        # Beside anything else an empty text would open a text block.
        content=content if content or (content == "" and role and not (calls or blocks or reasoning)) else None,
        refusal=getattr(said, "refusal", None) or special.get("refusal"),
        reasoning_content=reasoning,
        thinking_blocks=blocks,
        tool_calls=calls,
        annotations=tuple(plain for note in getattr(said, "annotations", None) or () if (plain := _plain(note))),
        extra=_extra(said),
    )


def _tool_call(call: Any, position: int) -> ToolCall:
    function = call.function
    index = getattr(call, "index", None)
    return ToolCall(
        index=position if index is None else index,
        id=call.id or None,
        type=call.type or "function",
        function=Function(name=function.name or None, arguments=function.arguments or ""),
    )


def _thinking_block(block: Mapping[str, Any]) -> ThinkingBlock:
    if block.get("type") == "redacted_thinking":
        return ThinkingBlock(type="redacted_thinking", data=block.get("data"))
    return ThinkingBlock(thinking=block.get("thinking") or "", signature=block.get("signature") or None)


def _extra(said: Any) -> dict[str, Any]:
    """What providers add (audio, images, ...): it stands on the object beside the declared fields."""
    fields = {*vars(said), *(getattr(said, "model_extra", None) or ())} - _MESSAGE_FIELDS
    return {
        name: _plain(value) if hasattr(value, "model_dump") else value
        for name in fields
        if not name.startswith("_") and (value := getattr(said, name, None)) is not None
    }


def _usage(usage: Any) -> Usage | None:
    if usage is None:
        return None
    if isinstance(usage, Mapping):
        usage = litellm.Usage(**usage)
    prompt = getattr(usage, "prompt_tokens_details", None)
    completion = getattr(usage, "completion_tokens_details", None)
    return Usage(
        prompt_tokens=usage.prompt_tokens or 0,
        completion_tokens=usage.completion_tokens or 0,
        cache_read_input_tokens=_first(usage, "cache_read_input_tokens", prompt, "cached_tokens"),
        cache_creation_input_tokens=_first(usage, "cache_creation_input_tokens", prompt, "cache_creation_tokens"),
        reasoning_tokens=getattr(completion, "reasoning_tokens", None) or 0,
        extra={
            name: value
            for name in ("server_tool_use", "service_tier", "inference_geo")
            if (value := _plain(getattr(usage, name, None)))
        },
    )


def _first(usage: Any, name: str, details: Any, detail: str) -> int:
    return int(getattr(usage, name, None) or getattr(details, detail, None) or 0)


def _plain(value: Any) -> Any:
    return value.model_dump(exclude_none=True) if hasattr(value, "model_dump") else value


def _litellm_choice(choice: Choice) -> dict[str, Any]:
    said: dict[str, Any] = {"index": choice.index, "finish_reason": choice.finish_reason}
    if choice.message is not None:
        said["message"] = _litellm_message(choice.message)
    else:
        said["delta"] = _litellm_message(choice.delta or Message())
    if choice.logprobs is not None:
        said["logprobs"] = choice.logprobs
    return said


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
    return {"index": call.index, "id": call.id, "type": call.type, "function": function}


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
