"""Thinking of a message, its text and its signatures brought together.

The text stands in `reasoning_content`; `thinking_blocks` may repeat it, may hold it alone, or may hold signatures only.
"""

from msgspec.structs import replace

from app.messages import Message, ThinkingBlock


def thinking_pieces(message: Message, streamed: bool) -> list[ThinkingBlock]:
    """The blocks that `message` adds: text, and signatures that end the text before them; redacted blocks stand alone.

    `streamed`: text was already sent for the block that is open: a block that comes with the signature then
    repeats it.
    """
    text, blocks = message.reasoning_content or "", message.thinking_blocks
    if not blocks:
        return [ThinkingBlock(thinking=text)] if text else []
    if _is_exact(blocks, text) or not (text or streamed):
        return [block for block in blocks if block.type == "thinking" or block.data is not None]
    marks = [replace(block, thinking="") for block in blocks if block.signature is not None or block.data is not None]
    return [ThinkingBlock(thinking=text), *marks] if text else marks


def whole_thinking(message: Message) -> list[ThinkingBlock]:
    """The blocks of a whole message, each complete."""
    whole: list[ThinkingBlock] = []
    text = ""
    for piece in thinking_pieces(message, streamed=False):
        text += piece.thinking
        if piece.signature is not None:
            whole.append(ThinkingBlock(thinking=text, signature=piece.signature))
            text = ""
        elif piece.data is not None:
            whole += [ThinkingBlock(thinking=text)] if text else []
            whole.append(replace(piece, thinking=""))
            text = ""
    return [*whole, ThinkingBlock(thinking=text)] if text else whole


def _is_exact(blocks: tuple[ThinkingBlock, ...], text: str) -> bool:
    """Several signed blocks keep their own texts, as each signature is about its own."""
    signed = sum(block.signature is not None for block in blocks)
    joined = "".join(block.thinking for block in blocks)
    return signed > 1 and bool(joined) and text in ("", joined)
