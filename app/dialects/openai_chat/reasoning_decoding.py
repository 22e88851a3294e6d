"""The reasoning in a provider's message or delta, under whichever name: pure.

`reasoning_content` (DeepSeek and most), `reasoning` (Groq, OpenRouter, Cerebras), `reasoning_details` (OpenRouter, with
signatures), parts of kind thinking in the content itself (Mistral), `thinking_blocks` (LiteLLM, this gateway).
"""

from typing import Any

from app.dialects.openai_chat.text_forms import text_in
from app.messages import ThinkingBlock

REASONING_FIELDS = ("reasoning_content", "reasoning", "reasoning_details", "thinking_blocks")
_SIGNED_LIKE_ANTHROPIC = "anthropic"


def reasoning_of(fields: dict[str, Any]) -> str | None:
    text = fields.get("reasoning_content") or fields.get("reasoning")
    if isinstance(text, str) and text:
        return text
    if text and (found := _text(text)):
        return found
    details = fields.get("reasoning_details")
    return "".join(map(_text, _objects(details))) or None if details else None


def thinking_blocks(fields: dict[str, Any]) -> tuple[ThinkingBlock, ...]:
    """Signatures and redacted blocks that Anthropic's models will know again."""
    if blocks := fields.get("thinking_blocks"):
        return tuple(map(_block, _objects(blocks)))
    if details := fields.get("reasoning_details"):
        return tuple(
            ThinkingBlock(signature=part["signature"])
            for part in _objects(details)
            if isinstance(part.get("signature"), str)
            and part["signature"]
            and str(part.get("format")).startswith(_SIGNED_LIKE_ANTHROPIC)
        )
    return ()


def _objects(value: object) -> list[dict[str, Any]]:
    """The objects of a list; one alone may stand in its place, and a text is that of an object."""
    values = value if isinstance(value, list) else [value]
    return [{"text": one} if isinstance(one, str) else one for one in values if isinstance(one, str | dict)]


def _text(value: object) -> str:
    """The text of thinking; empty where none is found, for no answer needs it."""
    try:
        return text_in(value)
    except ValueError:
        return ""


def _block(fields: dict[str, Any]) -> ThinkingBlock:
    if fields.get("type") == "redacted_thinking":
        data = fields.get("data")
        return ThinkingBlock(type="redacted_thinking", data=data if isinstance(data, str) else None)
    signature = fields.get("signature")
    thinking = _text(fields.get("thinking") or fields.get("text"))
    return ThinkingBlock(thinking=thinking, signature=signature if isinstance(signature, str) and signature else None)
