"""Pieces of an answer, in the order in which they may be sent, to content block events. Pure.

Blocks are numbered from 0 and one is open at a time. Thinking is signed before its block stops; a signature that comes
after its block has stopped is dropped. A provider's own events get the number that comes next; `follow_*` only takes
note of those that went out as they came.
"""

from dataclasses import dataclass
from typing import Any, assert_never

import msgspec

from app.dialects.tool_calls import CallPiece, parsed_object
from app.messages import Native, ThinkingBlock, ToolCall

_encode = msgspec.json.Encoder().encode
_SIGNED = "signed thinking"
"""What is open when a provider's block of thinking has its signature and not its stop yet."""


@dataclass(slots=True)
class TextPiece:
    text: str


Piece = TextPiece | ThinkingBlock | CallPiece


def event(name: str, data: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _encode(data))


def _delta_head(index: int, kind: str, field: str) -> bytes:
    """A delta event up to its text, made once for each block."""
    head = f'{{"type":"content_block_delta","index":{index},"delta":{{"type":"{kind}","{field}":'
    return b"event: content_block_delta\ndata: " + head.encode()


class BlockWriter:
    def __init__(self) -> None:
        self.chars = 0
        """Of everything written, for an estimate where nobody counts tokens."""
        self._index = -1
        self.has_own_text = False
        """A text block that is none of the provider's."""
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

    @property
    def has_open_thinking(self) -> bool:
        return self._open == "thinking" or self._unsigned

    def is_open_call(self, position: int) -> bool:
        return self._open == "tool_use" and self._call == position

    def is_past_call(self, position: int) -> bool:
        return position in self._begun_calls and not self.is_open_call(position)

    def is_amid_call(self) -> bool:
        """The open call's arguments are not a whole JSON object yet."""
        return self._open == "tool_use" and parsed_object("".join(self._arguments)) is None

    def write_text(self, text: str) -> bytes:
        """The hot path of a stream."""
        self.chars += len(text)
        if self._open == "text":
            return b"".join((self._text_head, _encode(text), b"}}\n\n"))
        self.has_own_text = True
        begun = self.close() + self._start("text", {"text": ""})
        return begun + b"".join((self._text_head, _encode(text), b"}}\n\n"))

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
            self.chars += len(piece.thinking)
            out = b"" if self._open == "thinking" else self._start_thinking()
            out += self._delta({"type": "thinking_delta", "thinking": piece.thinking})
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
        block: dict[str, Any] = {"id": call.id, "name": call.function.name, "input": {}}
        return self.close() + self._start("tool_use", block, position)

    def start_native(self, own: dict[str, Any], kind: str, call: int | None) -> bytes:
        closed = self.close()
        self._begin(self._index + 1, kind, call)
        return closed + self._native(own)

    def write_native(self, own: dict[str, Any]) -> bytes:
        """A delta of the open block; nothing goes into thinking once it is signed."""
        if self._open == _SIGNED:
            return b""
        self._note_delta(own)
        return self._native(own)

    def stop_native(self, own: dict[str, Any]) -> bytes:
        if not self.close():
            return b""
        return self._native(own)

    def follow_start(self, index: int, kind: str, call: int | None) -> None:
        self._begin(index, kind, call)

    def follow_delta(self, native: Native) -> None:
        # The frequent deltas need no look: of text nothing is kept, and thinking is over with its signature.
        if self._open != "text" and (self._open != "thinking" or b"signature" in native.raw):
            self._note_delta(native.event or {})

    def _note_delta(self, own: dict[str, Any]) -> None:
        delta = own.get("delta")
        if self._open == "text" or not isinstance(delta, dict):
            return
        if self._open == "tool_use":
            self._arguments.append(str(delta.get("partial_json", "")))
        elif delta.get("type") == "signature_delta":
            self._open = _SIGNED

    def follow_stop(self) -> None:
        self.close()

    def _native(self, own: dict[str, Any]) -> bytes:
        return event(str(own["type"]), {**own, "index": self._index})

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
        elif call is not None:
            self._call = call
            self._begun_calls.add(call)
            self._call_head = _delta_head(index, "input_json_delta", "partial_json")
            self._arguments.clear()

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return event("content_block_delta", {"type": "content_block_delta", "index": self._index, "delta": delta})
