"""The most frequent whole completion: one choice with a text, or with calls of functions, as OpenAI writes it. Pure.

Whatever is declared here goes on to clients as it came, and the common form is read off at once; whatever is not is
for `mending` and `response_decoding`, which find the same in it.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from app.dialects.openai_chat.usage_decoding import decode_usage
from app.messages import Choice, Function, Message, ModelResponse, ToolCall

_Name = Annotated[str, Meta(min_length=1)]


class PlainFunction(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    name: _Name
    arguments: str


class PlainCall(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    id: _Name
    type: Literal["function"]
    function: PlainFunction
    index: int = 0


class PlainMessage(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Fields that servers fill with null, or with an empty list, in every answer are named."""

    content: str | None = None
    role: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: tuple[PlainCall, ...] | None = None
    refusal: None = None
    annotations: tuple[()] | None = None
    audio: None = None
    function_call: None = None


class PlainChoice(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    message: PlainMessage
    finish_reason: Literal["stop", "length", "tool_calls"]
    """Words of which nothing has to be found out, and that every client knows."""
    index: int = 0
    logprobs: None = None
    stop_reason: int | None = None
    matched_stop: int | None = None
    token_ids: None = None


class PlainCompletion(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    choices: tuple[PlainChoice]
    id: str | None = None
    object: Literal["chat.completion"] = "chat.completion"
    created: int | None = None
    model: str | None = None
    usage: dict[str, Any] | None = None
    system_fingerprint: str | None = None
    service_tier: str | None = None
    prompt_logprobs: None = None
    prompt_token_ids: None = None
    kv_transfer_params: None = None


_decode = msgspec.json.Decoder(PlainCompletion).decode


def decode_plain(body: bytes) -> ModelResponse | None:
    """The completion in a body of this form; None for every other body."""
    try:
        completion = _decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    (choice,) = completion.choices
    message = choice.message
    calls: tuple[ToolCall, ...] = ()
    if given := message.tool_calls:
        calls = tuple(
            [
                ToolCall(at, one.id, function=Function(one.function.name, one.function.arguments))
                for at, one in enumerate(given)
            ]
        )
    if bool(calls) is not (choice.finish_reason == "tool_calls"):
        return None
    usage = completion.usage
    return ModelResponse(
        id=completion.id or "",
        created=completion.created or 0,
        model=completion.model or "",
        choices=(
            Choice(
                choice.index,
                message=Message(
                    message.role or None,
                    message.content or None,
                    reasoning_content=message.reasoning_content or message.reasoning or None,
                    tool_calls=calls,
                ),
                finish_reason=choice.finish_reason,
            ),
        ),
        usage=decode_usage(usage) if usage else None,
        system_fingerprint=completion.system_fingerprint or None,
        service_tier=completion.service_tier or None,
    )
