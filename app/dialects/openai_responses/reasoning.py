"""The text of a reasoning item: what it shows as a summary, and what a model tells of its thoughts themselves. Pure."""

from collections.abc import Mapping
from typing import Any

Item = Mapping[str, Any]

THOUGHT_BREAK = "\n\n"
"""Between two parts of a summary, where they are one text: each begins with a title of its own."""


def thoughts(item: Item) -> str:
    texts = (part.get("text") for name in ("summary", "content") for part in item.get(name) or ())
    return THOUGHT_BREAK.join(text for text in texts if text)


def with_thoughts(item: Item, text: str) -> dict[str, Any]:
    """The item, saying `text` and nothing else; as it is where it says that already."""
    if thoughts(item) == text:
        return dict(item)
    if item.get("content"):
        return {**item, "summary": [], "content": [{"type": "reasoning_text", "text": text}] if text else []}
    return {**item, "summary": [{"type": "summary_text", "text": text}] if text else []}
