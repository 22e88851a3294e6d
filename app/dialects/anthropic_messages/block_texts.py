"""Blocks that only Anthropic's API has and that hold texts, as the texts that another model can read. Pure."""

from collections.abc import Mapping
from typing import Any


def text_of(block: Mapping[str, Any]) -> str | None:
    """The text of a search result, of a document made of texts, or of a summary of what was left out; None for another
    block, and for a document with images among its texts."""
    match block:
        case {"type": "search_result", "content": content}:
            return _joined([block.get("title"), block.get("source")], content)
        case {"type": "document", "source": {"type": "content", "content": content}}:
            return _joined([block.get("title"), block.get("context")], content)
        case {"type": "compaction", "content": str(content)}:
            return content
        case _:
            return None


def _joined(heads: list[Any], content: Any) -> str | None:
    if isinstance(content, str):
        texts = [content]
    elif isinstance(content, list) and all(_is_text(inner) for inner in content):
        texts = [inner["text"] for inner in content]
    else:
        return None
    head = "\n".join(one for one in heads if isinstance(one, str) and one)
    return "\n\n".join([*([head] if head else []), *texts])


def _is_text(block: Any) -> bool:
    return isinstance(block, Mapping) and block.get("type") == "text" and isinstance(block.get("text"), str)
