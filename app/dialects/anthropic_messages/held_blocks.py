"""Pieces that wait for their turn, as only one block is open at a time. Pure."""

from dataclasses import dataclass, field

from app.dialects.anthropic_messages.block_writer import BlockWriter, Piece
from app.dialects.tool_calls import CallPiece


@dataclass(slots=True)
class _HeldBlock:
    """`position` is that of its call."""

    position: int | None
    pieces: list[Piece] = field(default_factory=list)


class HeldBlocks:
    """The pieces of one call stand together; all else stays in its order."""

    def __init__(self) -> None:
        self.blocks: list[_HeldBlock] = []

    def add(self, piece: Piece) -> None:
        position = piece.position if isinstance(piece, CallPiece) else None
        if position is None:
            block = self.blocks[-1] if self.blocks and self.blocks[-1].position is None else None
        else:
            block = next((held for held in self.blocks if held.position == position), None)
        if block is None:
            block = _HeldBlock(position)
            self.blocks.append(block)
        block.pieces.append(piece)

    def release(self, writer: BlockWriter) -> bytes:
        blocks, self.blocks = self.blocks, []
        return b"".join([writer.write(piece) for block in blocks for piece in block.pieces])
