"""The most frequent whole message: texts and calls of tools, as Anthropic writes them. Pure.

Whatever is declared here goes on to clients as it came, and the common form is read off at once; whatever is not is
for `mending` and `response_decoding`, which find the same in it.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from app.dialects.anthropic_messages.stop_reasons import EXACT
from app.dialects.anthropic_messages.usage_decoding import present, usage_of
from app.messages import Choice, Function, Message, ModelResponse, ToolCall

_Name = Annotated[str, Meta(min_length=1)]


class PlainText(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="text"):
    text: str
    citations: tuple[()] | None = None


class PlainCall(Struct, frozen=True, gc=False, forbid_unknown_fields=True, tag="tool_use"):
    id: _Name
    name: _Name
    input: dict[str, Any]
    caller: dict[str, Any] | None = None


class PlainMessage(Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Fields that are null in every usual answer are named."""

    type: Literal["message"]
    role: Literal["assistant"]
    content: tuple[PlainText | PlainCall, ...]
    stop_reason: Literal["end_turn", "max_tokens", "stop_sequence", "tool_use"]
    usage: dict[str, Any]
    id: str = ""
    model: str = ""
    stop_sequence: str | None = None
    stop_details: None = None
    container: None = None
    context_management: None = None


_decode = msgspec.json.Decoder(PlainMessage).decode
_encode = msgspec.json.Encoder().encode


def decode_plain(body: bytes) -> ModelResponse | None:
    """The message in a body of this form; None for every other body."""
    try:
        message = _decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    text = ""
    calls: list[ToolCall] = []
    for block in message.content:
        if type(block) is PlainText:
            text += block.text
        elif type(block) is PlainCall:
            arguments = _encode(block.input).decode()
            calls.append(ToolCall(len(calls), block.id, function=Function(block.name, arguments)))
    if bool(calls) is not (message.stop_reason == "tool_use"):
        return None
    choice = Choice(
        message=Message("assistant", text or None, tool_calls=tuple(calls)),
        finish_reason=EXACT[message.stop_reason],
        stop_sequence=message.stop_sequence,
    )
    usage = usage_of(present(message.usage))
    return ModelResponse(id=message.id, model=message.model, choices=(choice,), usage=usage)
