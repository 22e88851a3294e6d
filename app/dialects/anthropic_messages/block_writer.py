"""Pieces of an answer, in the order in which they may be sent, to content block events. Pure.

Blocks are numbered from 0 and one is open at a time. Thinking is signed before its block stops; a signature that comes
after its block has stopped is dropped. A provider's own events get the number that comes next; `follow_*` only takes
note of those that went out as they came.

A provider's own block of text or thinking begins when something of it comes, or ends with nothing missing: of one whose
deltas were taken away nothing is left, as an empty text block would be refused in the next request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import msgspec
from msgspec.structs import replace

from app.dialects.anthropic_messages.ids import legal_id
from app.dialects.tool_calls import CallOrder, CallPiece, parsed_object
from app.dialects.translation.call_signatures import with_signature
from app.messages import Function, ModelResponse, Native, ThinkingBlock, ToolCall

_encode = msgspec.json.Encoder().encode
_SIGNED = "signed thinking"
"""The kind of a provider's open thinking block once its signature was sent."""


@dataclass(slots=True)
class TextPiece:
    text: str


Piece = TextPiece | ThinkingBlock | CallPiece


def event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(data))


def _delta_head(index: int, kind: str, field: str) -> bytes:
    """Return the bytes of a delta event up to its text. Made once for each block."""
    head = f'{{"type":"content_block_delta","index":{index},"delta":{{"type":"{kind}","{field}":'
    return b"event: content_block_delta\ndata: " + head.encode()


class BlockWriter:
    def __init__(self) -> None:
        self.chars = 0
        """Characters written, to estimate tokens where the provider counts none."""
        self._index = -1
        self.has_new_text = False
        """The gateway began a text block that the provider did not."""
        self._open: str | None = None
        self._call = -1
        self._begun_calls: set[int] = set()
        self._arguments: list[str] = []
        self._unsigned = False
        self._text_head = b""
        self._call_head = b""

    @property
    def is_open(self) -> bool:
        return self._open is not None

    def has_open(self, kind: str) -> bool:
        """Whether the open block is of this kind."""
        return self._open == kind

    @property
    def has_open_thinking(self) -> bool:
        return self._open == "thinking" or self._unsigned

    def is_open_call(self, position: int) -> bool:
        return self._open == "tool_use" and self._call == position

    def is_past_call(self, position: int) -> bool:
        return position in self._begun_calls and not self.is_open_call(position)

    def is_amid_call(self) -> bool:
        """Whether a call is open whose arguments are not a whole JSON object yet."""
        return self._open == "tool_use" and parsed_object("".join(self._arguments)) is None

    def write_text(self, text: str) -> bytes:
        """Write text to the open text block, or to a new one."""
        begun = b""
        if self._open != "text":
            self.has_new_text = True
            begun = self.close() + self._start("text", {"text": ""})
        return begun + self.write_texts((text,))

    def write_texts(self, texts: Sequence[str]) -> bytes:
        """Write a delta for each text to the open block of text or thinking. This is the hot path of a stream."""
        self.chars += sum(map(len, texts))
        head, end = self._text_head, b"}}\n\n"
        return head + (end + head).join(map(_encode, texts)) + end

    def write(self, piece: Piece) -> bytes:
        match piece:
            case TextPiece(text=text):
                return self.write_text(text)
            case ThinkingBlock(data=str(data)):
                return self.close() + self._start("redacted_thinking", {"data": data}) + self.close()
            case ThinkingBlock():
                return self._write_thinking(piece)
            case CallPiece():
                return self.write_call(piece)
            case _:
                assert_never(piece)

    def close(self) -> bytes:
        if self._open is None:
            return b""
        self._unsigned = self._unsigned or self._open == "thinking"
        self._open = None
        return event("content_block_stop", {"type": "content_block_stop", "index": self._index})

    def _write_thinking(self, piece: ThinkingBlock) -> bytes:
        out = b""
        if piece.thinking:
            out = b"" if self._open == "thinking" else self._start_thinking()
            out += self.write_texts((piece.thinking,))
        if piece.signature is None:
            return out
        if self._open != "thinking":
            if self._unsigned:
                return out
            out += self._start_thinking()
        out += self._delta({"type": "signature_delta", "signature": piece.signature}) + self.close()
        self._unsigned = False
        return out

    def _start_thinking(self) -> bytes:
        return self.close() + self._start("thinking", {"thinking": "", "signature": ""})

    def write_call(self, piece: CallPiece) -> bytes:
        self.chars += len(piece.arguments)
        begun = b"" if piece.call is None else self._start_call(piece.position, piece.call)
        if not begun and not piece.arguments:
            return b""
        self._arguments.append(piece.arguments)
        return b"".join((begun, self._call_head, _encode(piece.arguments), b"}}\n\n"))

    def _start_call(self, position: int, call: ToolCall) -> bytes:
        block: dict[str, Any] = {
            "id": with_signature(replace(call, id=legal_id(call.id or ""))),
            "name": call.function.name,
            "input": {},
        }
        return self.close() + self._start("tool_use", block, position)

    def start_native(self, native_event: dict[str, Any], kind: str, call: int | None) -> bytes:
        closed = self.close()
        self._begin(self._index + 1, kind, call)
        return closed + self._native(native_event)

    def write_native(self, native_event: dict[str, Any]) -> bytes:
        """Write a delta of the open block. Nothing is added to thinking that is signed."""
        if self._open == _SIGNED:
            return b""
        self._note_delta(native_event)
        return self._native(native_event)

    def stop_native(self, native_event: dict[str, Any]) -> bytes:
        if not self.close():
            return b""
        return self._native(native_event)

    def follow_start(self, index: int, kind: str, call: int | None) -> None:
        self._begin(index, kind, call)

    def follow_delta(self, chunk: ModelResponse, native: Native) -> None:
        # The frequent deltas need no look: of text nothing is kept, and thinking is over with its signature.
        if native.is_plain:
            if self._open == "tool_use" and chunk.choices and (delta := chunk.choices[0].delta) is not None:
                self._arguments += [call.function.arguments for call in delta.tool_calls]
        elif self._open != "text" and (self._open != "thinking" or b"signature" in native.raw):
            self._note_delta(native.event or {})

    def _note_delta(self, native_event: dict[str, Any]) -> None:
        delta = native_event.get("delta")
        if self._open == "text" or not isinstance(delta, dict):
            return
        if self._open == "tool_use":
            self._arguments.append(str(delta.get("partial_json", "")))
        elif delta.get("type") == "signature_delta":
            self._open = _SIGNED

    def follow_stop(self) -> None:
        self.close()

    def _native(self, native_event: dict[str, Any]) -> bytes:
        return event(str(native_event["type"]), {**native_event, "index": self._index})

    def _start(self, kind: str, block: dict[str, Any], call: int | None = None) -> bytes:
        self._begin(self._index + 1, kind, call)
        data = {"type": "content_block_start", "index": self._index, "content_block": {"type": kind, **block}}
        return event("content_block_start", data)

    def _begin(self, index: int, kind: str, call: int | None) -> None:
        self._index = index
        self._open = kind
        if kind == "text":
            self._text_head = _delta_head(index, "text_delta", "text")
        elif kind == "thinking":
            self._unsigned = False
            self._text_head = _delta_head(index, "thinking_delta", "thinking")
        elif call is not None:
            self._call = call
            self._begun_calls.add(call)
            self._call_head = _delta_head(index, "input_json_delta", "partial_json")
            self._arguments.clear()

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return event("content_block_delta", {"type": "content_block_delta", "index": self._index, "delta": delta})


Event = dict[str, Any]
_THINKING = ("thinking", "redacted_thinking")


@dataclass(slots=True)
class NativeBlock:
    index: object
    """The provider's index."""
    kind: str
    start: Event
    call: int | None = None
    is_begun: bool = False
    is_whole: bool = True
    """All of the provider's events since its start have come."""
    is_skipped: bool = False


class NativeBlocks:
    def __init__(self, writer: BlockWriter, calls: CallOrder) -> None:
        self.block: NativeBlock | None = None
        self._writer = writer
        self._calls = calls
        self._only_thinking = True

    def follow_start(self, event: Event, chunk: ModelResponse) -> None:
        self.block = block = self._block(event)
        block.is_begun = True
        if block.kind == "tool_use":
            piece = self._calls.add(_call(event, chunk))
            block.call = piece.position if piece is not None else None
        index = event.get("index")
        self._writer.follow_start(index if isinstance(index, int) else 0, block.kind, block.call)

    def start(self, event: Event, chunk: ModelResponse) -> bytes:
        block = self._block(event)
        if block.kind == "tool_use":
            piece = self._calls.add(_call(event, chunk))
            if piece is None or piece.call is None:
                return b""
            block.call = piece.position
        self.block = block
        return b"" if holds_nothing(event) else self.begin()

    def begin(self) -> bytes:
        block = self.block
        if block is None or block.is_begun or block.is_skipped:
            return b""
        if block.kind in _THINKING and self._only_thinking and self._writer.has_new_text:
            # The provider had it first, where alone it may stand; a text that was put in stands there now.
            block.is_skipped = True
            return b""
        block.is_begun = True
        return self._writer.start_native(block.start, block.kind, block.call)

    def delta(self, event: Event) -> bytes | None:
        """Return the event to send. None if it belongs to another block than the provider's current one."""
        block = self.block
        if block is None or event.get("index") != block.index:
            return None
        begun = self.begin()
        if block.is_skipped:
            return b""
        return begun + self._writer.write_native(event) if self._writer.is_open else None

    def takes(self, piece: Piece) -> bool:
        """Whether a changed piece belongs in the provider's current block."""
        block = self.block
        if block is None or block.is_skipped:
            return False
        if isinstance(piece, CallPiece):
            return piece.call is None and piece.position == block.call
        if isinstance(piece, TextPiece):
            return block.kind == "text"
        return block.kind == "thinking" and isinstance(piece, ThinkingBlock) and piece.data is None

    def end(self, stop: Event | None = None) -> bytes:
        block = self.block
        if block is None:
            return b""
        begun = self.begin() if stop is not None and block.is_whole else b""
        self.block = None
        if not block.is_begun:
            return b""
        return begun + (self._writer.close() if stop is None else self._writer.stop_native(stop))

    def _block(self, event: Event) -> NativeBlock:
        content = event.get("content_block")
        kind = str(content.get("type")) if isinstance(content, dict) else ""
        self._only_thinking = self._only_thinking and kind in _THINKING
        return NativeBlock(event.get("index"), kind, event)


def holds_nothing(event: Event) -> bool:
    """Whether a block's start is only the announcement of what comes."""
    content = event.get("content_block")
    if not isinstance(content, dict):
        return False
    return content.get("type") in ("text", "thinking") and not (content.get("text") or content.get("thinking"))


def _call(event: Event, chunk: ModelResponse) -> ToolCall:
    for choice in chunk.choices:
        if choice.delta is not None and choice.delta.tool_calls:
            return choice.delta.tool_calls[0]
    content, index = event["content_block"], event.get("index")
    name, id = str(content.get("name") or "tool"), content.get("id")
    return ToolCall(index if isinstance(index, int) else 0, str(id) if id else None, function=Function(name))
