"""The reasoning in a provider's message or delta, under whichever name: pure.

`reasoning_content` (DeepSeek and most), `reasoning` (Groq, OpenRouter, Cerebras), `reasoning_details` (OpenRouter, with
signatures), parts of kind thinking in the content itself (Mistral), `thinking_blocks` (LiteLLM, this gateway).
"""

from collections.abc import Iterable
from typing import Any

from app.messages import ThinkingBlock

_SIGNED_LIKE_ANTHROPIC = "anthropic"


def reasoning_of(said: dict[str, Any]) -> str | None:
    text = said.get("reasoning_content") or said.get("reasoning")
    if isinstance(text, str) and text:
        return text
    details = said.get("reasoning_details")
    return "".join(part.get("text") or part.get("summary") or "" for part in details) or None if details else None


def thinking_blocks(said: dict[str, Any]) -> tuple[ThinkingBlock, ...]:
    """Signatures, and what is redacted: those that Anthropic's models will know again."""
    if blocks := said.get("thinking_blocks"):
        return tuple(map(_block, blocks))
    if details := said.get("reasoning_details"):
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
            case {"type": "thinking", "thinking": str(said)}:
                thinking.append(said)
            case {"type": "thinking", "thinking": list(pieces)}:
                thinking += [piece.get("text") or "" for piece in pieces]
            case {"text": str(said)}:
                text.append(said)
    return "".join(text) or None, "".join(thinking) or None


def _block(said: dict[str, Any]) -> ThinkingBlock:
    if said.get("type") == "redacted_thinking":
        return ThinkingBlock(type="redacted_thinking", data=said.get("data"))
    return ThinkingBlock(thinking=said.get("thinking") or "", signature=said.get("signature") or None)
