"""The provider's own content block that is at hand, in a stream that may have been changed. Pure.

A block of text or thinking begins when something of it comes, or ends with nothing missing: of one whose deltas were
taken away nothing is left, as an empty text block would be refused in the next request.
"""

from dataclasses import dataclass
from typing import Any

from app.dialects.anthropic_messages.block_writer import BlockWriter, Piece, TextPiece
from app.dialects.tool_calls import CallOrder, CallPiece
from app.messages import Function, ModelResponse, ThinkingBlock, ToolCall

Event = dict[str, Any]
_THINKING = ("thinking", "redacted_thinking")


@dataclass(slots=True)
class NativeBlock:
    index: object
    """The provider's own number."""
    kind: str
    start: Event
    call: int | None = None
    is_begun: bool = False
    is_whole: bool = True
    """Nothing between its start and here is missing."""
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
            piece = self._calls.place(_call(event, chunk))
            block.call = piece.position if piece is not None else None
        index = event.get("index")
        self._writer.follow_start(index if isinstance(index, int) else 0, block.kind, block.call)

    def start(self, event: Event, chunk: ModelResponse) -> bytes:
        block = self._block(event)
        if block.kind == "tool_use":
            piece = self._calls.place(_call(event, chunk))
            if piece is None or piece.call is None:
                return b""
            block.call = piece.position
        self.block = block
        return b"" if holds_nothing(event) else self.begin()

    def begin(self) -> bytes:
        block = self.block
        if block is None or block.is_begun or block.is_skipped:
            return b""
        if block.kind in _THINKING and self._only_thinking and self._writer.has_own_text:
            # The provider had it first, where alone it may stand; a text that was put in stands there now.
            block.is_skipped = True
            return b""
        block.is_begun = True
        return self._writer.start_native(block.start, block.kind, block.call)

    def delta(self, event: Event) -> bytes | None:
        """None if it belongs to no block of the provider's that is at hand."""
        block = self.block
        if block is None or event.get("index") != block.index:
            return None
        begun = self.begin()
        if block.is_skipped:
            return b""
        return begun + self._writer.write_native(event) if self._writer.is_open else None

    def takes(self, piece: Piece) -> bool:
        """Whether a changed piece has its place in the block at hand."""
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
