"""What was already sent of one choice, and the delta that comes next, as OpenAI's. Pure."""

from typing import Any

import msgspec

from app.dialects.openai_chat.response_encoding import encode_call, encode_thinking, message_extra
from app.dialects.thinking import thinking_pieces
from app.dialects.tool_calls import CallOrder
from app.messages import Message, ThinkingBlock, ToolCall

Event = dict[str, Any]


class ChoiceState:
    """`is_begun`: its role was sent. `is_open`: begun, and its reason to finish not sent yet."""

    __slots__ = ("annotations", "blocks", "calls", "ending", "finish_reason", "is_begun", "is_open", "thinking")

    def __init__(self, id_prefix: str) -> None:
        self.calls = CallOrder(id_prefix)
        self.finish_reason: str | None = None
        self.ending: tuple[Event, Event] | None = None
        """The provider's event that says the reason, and this choice in it, where they hold nothing else."""
        self.thinking: list[str] = []
        self.blocks = 0
        self.annotations = 0
        self.is_begun = False
        self.is_open = False

    def follow(self, said: Message | None, finish_reason: str | None) -> None:
        """This went out as it came."""
        self.is_begun = True
        self.is_open = finish_reason is None
        self.finish_reason = finish_reason or self.finish_reason
        if said is not None:
            self.follow_delta(said)

    def follow_delta(self, said: Message) -> None:
        for call in said.tool_calls:
            self.calls.adopt(call)
        self.note(said)

    def note(self, said: Message) -> None:
        if said.reasoning_content:
            self.thinking.append(said.reasoning_content)
        if said.thinking_blocks and any(block.signature is not None for block in said.thinking_blocks):
            self.thinking.clear()
        self.blocks += len(said.thinking_blocks)
        self.annotations += len(said.annotations)


def encode_delta(state: ChoiceState, said: Message) -> Event:
    delta = message_extra(said) if said.extra else {}
    if said.content:
        delta["content"] = said.content
    if said.refusal:
        delta["refusal"] = said.refusal
    if said.reasoning_content or said.thinking_blocks:
        delta |= _thinking(state, said)
    if calls := [encoded for call in said.tool_calls if (encoded := _call(state, call)) is not None]:
        delta["tool_calls"] = calls
    if said.annotations:
        first = state.annotations
        state.annotations += len(said.annotations)
        delta["annotations"] = [{**note, "index": at} for at, note in enumerate(said.annotations, first)]
    return delta


def is_text(said: Message) -> bool:
    return bool(said.content) and not (
        said.tool_calls
        or said.reasoning_content
        or said.thinking_blocks
        or said.refusal
        or said.annotations
        or said.extra
    )


def _thinking(state: ChoiceState, said: Message) -> Event:
    text: list[str] = []
    blocks: list[Event] = []
    for piece in thinking_pieces(said, streamed=bool(state.thinking)):
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
    piece = state.calls.place(call)
    if piece is None:
        return None
    if piece.call is None:
        if not piece.arguments:
            return None
        kind = "custom" if call.type == "custom" else "function"
        field = "input" if call.type == "custom" else "arguments"
        return {"index": piece.position, kind: {field: piece.arguments}}
    function = msgspec.structs.replace(piece.call.function, arguments=piece.arguments)
    return {"index": piece.position, **encode_call(msgspec.structs.replace(piece.call, function=function))}
