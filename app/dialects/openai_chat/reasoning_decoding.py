"""The reasoning in a provider's message or delta, under whichever name: pure.

`reasoning_content` (DeepSeek and most), `reasoning` (Groq, OpenRouter, Cerebras), `reasoning_details` (OpenRouter, with
signatures), parts of kind thinking in the content itself (Mistral), `thinking_blocks` (LiteLLM, this gateway).
"""

from collections.abc import Iterable
from typing import Any

from app.messages import ThinkingBlock

REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks")
_SIGNED_LIKE_ANTHROPIC = "anthropic"


def reasoning_of(fields: dict[str, Any]) -> str | None:
    text = fields.get("reasoning_content") or fields.get("reasoning")
    if isinstance(text, str) and text:
        return text
    details = fields.get("reasoning_details")
    return "".join(part.get("text") or part.get("summary") or "" for part in details) or None if details else None


def thinking_blocks(fields: dict[str, Any]) -> tuple[ThinkingBlock, ...]:
    """Signatures and redacted blocks that Anthropic's models will know again."""
    if blocks := fields.get("thinking_blocks"):
        return tuple(map(_block, blocks))
    if details := fields.get("reasoning_details"):
        return tuple(
            ThinkingBlock(signature=part["signature"])
            for part in details
            if part.get("signature") and str(part.get("format")).startswith(_SIGNED_LIKE_ANTHROPIC)
        )
    return ()


def content_parts(content: Iterable[dict[str, Any]]) -> tuple[str | None, str | None]:
    """Text and thinking of a content made of parts."""
    text, thinking = [], []
    for part in content:
        match part:
            case {"type": "thinking", "thinking": str(piece)}:
                thinking.append(piece)
            case {"type": "thinking", "thinking": list(pieces)}:
                thinking += [piece.get("text") or "" for piece in pieces]
            case {"text": str(piece)}:
                text.append(piece)
    return "".join(text) or None, "".join(thinking) or None


def _block(fields: dict[str, Any]) -> ThinkingBlock:
    if fields.get("type") == "redacted_thinking":
        return ThinkingBlock(type="redacted_thinking", data=fields.get("data"))
    return ThinkingBlock(thinking=fields.get("thinking") or "", signature=fields.get("signature") or None)
