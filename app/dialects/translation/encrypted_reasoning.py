"""Thinking that only its own provider can read, on its way through a client of another dialect and back.

In the common form it is `data`: that of `_BARE` as it is, as LiteLLM has it, every other provider's behind a mark that
names the dialect. Each provider refuses another's: what has the wrong mark is left out of a request.
"""

import re
from typing import get_args

from app.messages import Dialect, ThinkingBlock

_BARE: Dialect = "anthropic_messages"
"""The dialect whose signatures and redacted thinking have no mark in the common form."""
_DIALECTS = frozenset(get_args(Dialect))
_SIGNATURE = f"{_BARE}.signature:"
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_REDACTED = f"{_BARE}.redacted:"


def marked(data: str, dialect: Dialect) -> str:
    """Mark `data` of a provider of this dialect, for the common form."""
    return f"{dialect}:{data}"


def unmarked(data: str, dialect: Dialect) -> str | None:
    """Take the mark off; None if the data is of a provider of another dialect."""
    mark = f"{dialect}:"
    return data.removeprefix(mark) if data.startswith(mark) else None


def is_marked(data: str) -> bool:
    name, colon, _ = data.partition(":")
    return bool(colon) and name in _DIALECTS


def is_anthropics(signed: str | None) -> bool:
    """Whether a signature, or the data of redacted thinking, can be Anthropic's own, which alone its API takes. Nothing
    is known of what it has inside; this gateway's mark is no part of it, nor are the UUIDs with which DeepSeek signs
    (github.com/NousResearch/hermes-agent/pull/21048)."""
    return bool(signed) and not is_marked(signed or "") and _UUID.fullmatch(signed or "") is None


def as_text(block: ThinkingBlock, dialect: Dialect) -> str | None:
    """The block for a client whose API has one opaque text for it; None if it holds nothing but its thinking."""
    if block.data is not None:
        return unmarked(block.data, dialect) or (block.data if is_marked(block.data) else _REDACTED + block.data)
    return None if block.signature is None else _SIGNATURE + block.signature


def from_text(text: str) -> ThinkingBlock | None:
    """Undo `as_text`, but for the thinking; None if the text is of a provider of the client's own dialect."""
    if text.startswith(_SIGNATURE):
        return ThinkingBlock(signature=text.removeprefix(_SIGNATURE))
    if text.startswith(_REDACTED):
        return ThinkingBlock(type="redacted_thinking", data=text.removeprefix(_REDACTED))
    return ThinkingBlock(type="redacted_thinking", data=text) if is_marked(text) else None
