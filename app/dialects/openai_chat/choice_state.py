"""Keeps what was sent of one choice of a chat completion, and encodes its next delta. Pure."""

from typing import Any

import msgspec

from app.dialects.openai_chat.response_encoding import encode_call, encode_thinking, message_extra
from app.dialects.thinking import thinking_pieces
from app.dialects.tool_calls import NO_ARGUMENTS, CallOrder
from app.dialects.translation.call_ids import CallIds
from app.messages import Message, ThinkingBlock, ToolCall

Event = dict[str, Any]


class ChoiceState:
    """What was sent of one choice.

    `is_begun`: the role was sent. `is_open`: the role was sent, and the reason to finish was not.
    """

    __slots__ = ("annotations", "blocks", "calls", "ending", "finish_reason", "is_begun", "is_open", "thinking")

    def __init__(self, ids: CallIds) -> None:
        self.calls = CallOrder(ids)
        self.finish_reason: str | None = None
        self.ending: tuple[Event, Event] | None = None
        """The provider's event that gives the reason to finish, and this choice in it, if they hold nothing else."""
        self.thinking: list[str] = []
        self.blocks = 0
        self.annotations = 0
        self.is_begun = False
        self.is_open = False

    def follow(self, message: Message | None, finish_reason: str | None) -> None:
        """Note a delta and a reason to finish that went out as they came."""
        self.is_begun = True
        self.is_open = finish_reason is None
        self.finish_reason = finish_reason or self.finish_reason
        if message is not None:
            self.follow_delta(message)

    def follow_delta(self, message: Message) -> None:
        for call in message.tool_calls:
            self.calls.adopt(call)
        self.note(message)

    def note(self, message: Message) -> None:
        if message.reasoning_content:
            self.thinking.append(message.reasoning_content)
        if message.thinking_blocks and any(block.signature is not None for block in message.thinking_blocks):
            self.thinking.clear()
        self.blocks += len(message.thinking_blocks)
        self.annotations += len(message.annotations)


def encode_delta(state: ChoiceState, message: Message) -> Event:
    delta = message_extra(message) if message.extra else {}
    if message.content:
        delta["content"] = message.content
    if message.refusal:
        delta["refusal"] = message.refusal
    if message.reasoning_content or message.thinking_blocks:
        delta |= _thinking(state, message)
    if calls := [encoded for call in message.tool_calls if (encoded := _call(state, call)) is not None]:
        delta["tool_calls"] = calls
    if message.annotations:
        first = state.annotations
        state.annotations += len(message.annotations)
        delta["annotations"] = [{**note, "index": at} for at, note in enumerate(message.annotations, first)]
    return delta


def no_arguments(state: ChoiceState) -> list[Event]:
    """Deltas for the calls that ended without arguments: a client parses what it has."""
    return [
        {"tool_calls": [{"index": at, "function": {"arguments": NO_ARGUMENTS}}]} for at in state.calls.without_arguments
    ]


def is_thinking(message: Message) -> bool:
    """Whether it adds thinking, and nothing else."""
    if not message.reasoning_content or message.content or message.tool_calls or message.thinking_blocks:
        return False
    return not (message.refusal or message.annotations or message.extra)


def is_text(message: Message) -> bool:
    return bool(message.content) and not (
        message.tool_calls
        or message.reasoning_content
        or message.thinking_blocks
        or message.refusal
        or message.annotations
        or message.extra
    )


def _thinking(state: ChoiceState, message: Message) -> Event:
    text: list[str] = []
    blocks: list[Event] = []
    for piece in thinking_pieces(message, streamed=bool(state.thinking)):
        if piece.thinking:
            text.append(piece.thinking)
            state.thinking.append(piece.thinking)
        if piece.data is not None:
            blocks.append(encode_thinking(piece, state.blocks + len(blocks)))
        elif piece.signature is not None:
            signed = ThinkingBlock(thinking="".join(state.thinking), signature=piece.signature)
            blocks.append(encode_thinking(signed, state.blocks + len(blocks)))
            state.thinking.clear()
    state.blocks += len(blocks)
    delta: Event = {"reasoning_content": "".join(text)} if text else {}
    return delta | ({"thinking_blocks": blocks} if blocks else {})


def _call(state: ChoiceState, call: ToolCall) -> Event | None:
    piece = state.calls.add(call)
    if piece is None:
        return None
    if piece.call is None:
        if not piece.arguments:
            return None
        kind, field = ("custom", "input") if state.calls.is_custom(piece.position) else ("function", "arguments")
        return {"index": piece.position, kind: {field: piece.arguments}}
    function = msgspec.structs.replace(piece.call.function, arguments=piece.arguments)
    return {"index": piece.position, **encode_call(msgspec.structs.replace(piece.call, function=function))}
