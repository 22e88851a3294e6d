"""The most frequent whole response: texts, calls of functions and thinking without a summary, as OpenAI writes them.
Pure.

Whatever is declared here goes on to clients as it came, and the common form is read off at once; whatever is not is
for `mending` and `response_decoding`, which find the same in it.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from app.dialects.openai_responses.usage import decode_usage
from app.dialects.openai_responses.wire import NAME
from app.dialects.translation.encrypted_reasoning import marked
from app.messages import Choice, Function, Message, ModelResponse, ThinkingBlock, ToolCall

_Name = Annotated[str, Meta(min_length=1)]


class PlainText(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="output_text"):
    text: str
    annotations: tuple[()] | None = None
    logprobs: tuple[()] | None = None


class PlainMessage(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="message"):
    content: tuple[PlainText, ...]
    id: Any = None
    role: Any = None
    status: Any = None
    phase: Any = None


class PlainCall(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="function_call"):
    call_id: _Name
    name: _Name
    arguments: str
    id: Any = None
    status: Any = None


class PlainReasoning(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="reasoning"):
    summary: tuple[()] | None = None
    content: tuple[()] | None = None
    encrypted_content: str | None = None
    id: Any = None
    status: Any = None


class PlainResponse(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """From `background` on, fields repeat the request or say what nobody here asks."""

    object: Literal["response"]
    status: Literal["completed"]
    output: tuple[PlainMessage | PlainCall | PlainReasoning, ...]
    id: str = ""
    created_at: int = 0
    model: str = ""
    usage: dict[str, Any] | None = None
    service_tier: str | None = None
    error: None = None
    incomplete_details: None = None
    background: Any = None
    billing: Any = None
    completed_at: Any = None
    conversation: Any = None
    frequency_penalty: Any = None
    instructions: Any = None
    max_output_tokens: Any = None
    max_tool_calls: Any = None
    metadata: Any = None
    moderation: Any = None
    parallel_tool_calls: Any = None
    presence_penalty: Any = None
    previous_response_id: Any = None
    prompt: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None
    reasoning: Any = None
    safety_identifier: Any = None
    store: Any = None
    temperature: Any = None
    text: Any = None
    tool_choice: Any = None
    tools: Any = None
    top_logprobs: Any = None
    top_p: Any = None
    truncation: Any = None
    user: Any = None


_decode = msgspec.json.Decoder(PlainResponse).decode


def decode_plain(body: bytes) -> ModelResponse | None:
    """The response in a body of this form; None for every other body."""
    try:
        response = _decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    text = ""
    calls: list[ToolCall] = []
    thinking: list[ThinkingBlock] = []
    for item in response.output:
        if type(item) is PlainMessage:
            for part in item.content:
                text += part.text
        elif type(item) is PlainCall:
            calls.append(ToolCall(len(calls), item.call_id, function=Function(item.name, item.arguments)))
        elif type(item) is PlainReasoning and item.encrypted_content:
            thinking.append(ThinkingBlock(type="redacted_thinking", data=marked(item.encrypted_content, NAME)))
    message = Message(content=text or None, thinking_blocks=tuple(thinking), tool_calls=tuple(calls))
    usage = response.usage
    return ModelResponse(
        id=response.id,
        created=response.created_at,
        model=response.model,
        choices=(Choice(message=message, finish_reason="tool_calls" if calls else "stop"),),
        usage=decode_usage(usage) if usage else None,
        service_tier=response.service_tier or None,
    )
