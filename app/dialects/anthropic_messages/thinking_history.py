"""Thinking in a conversation that goes to Anthropic's API: that which Anthropic signed, and no other. Pure.

Anthropic answers 400 to a thinking block whose signature is empty or another's. Clients have such blocks where an
earlier turn came from another model: this gateway shows them its thinking without a signature, or with a mark of its
own. Only these blocks are taken out, and everything else stays as it came, as the prompt cache needs it. Other
providers of this API sign otherwise, or not at all, and want their thinking back: they get it.
"""

from collections.abc import Callable
from typing import Any

from app.dialects.translation.encrypted_reasoning import is_anthropics, is_marked

Message = dict[str, Any]
_KINDS = ("thinking", "redacted_thinking")


def signed_thinking(messages: list[Message]) -> list[Message]:
    """The messages without thinking that is not Anthropic's; the same list where there is none. A turn that held
    nothing else is left out, as an empty one would be refused: neighbours of one role count as one turn there."""
    return _without(messages, lambda block: not _is_anthropics(block))


def readable_thinking(messages: list[Message]) -> list[Message]:
    """The messages for a provider that takes thinking without Anthropic's signature: without what only another can
    decrypt, and without this gateway's marks."""
    kept = _without(messages, _is_encrypted_elsewhere)
    return [_unmarked(message) for message in kept]


def may_think(messages: list[Message]) -> bool:
    """Whether thinking with a budget is allowed: not after a tool call whose own thinking is missing, as that turn goes
    on, and has to begin with it
    (platform.claude.com/docs/en/build-with-claude/extended-thinking#preserving-thinking-blocks)."""
    for last in reversed(messages):
        if last.get("role") == "assistant":
            break
    else:
        return True
    kinds = [block.get("type") for block in _blocks(last)]
    return "tool_use" not in kinds or any(kind in _KINDS for kind in kinds)


def _without(messages: list[Message], is_foreign: Callable[[dict[str, Any]], bool]) -> list[Message]:
    for message in messages:
        if (blocks := _blocks(message)) and any(map(is_foreign, blocks)):
            break
    else:
        return messages
    kept = []
    for message in messages:
        blocks = _blocks(message)
        ours = [block for block in blocks if not is_foreign(block)]
        if len(ours) == len(blocks):
            kept.append(message)
        elif ours:
            kept.append({**message, "content": ours})
    return kept


def _blocks(message: Message) -> list[dict[str, Any]]:
    content = message.get("content")
    return content if message.get("role") == "assistant" and isinstance(content, list) else []


def _is_anthropics(block: dict[str, Any]) -> bool:
    match block.get("type"):
        case "thinking":
            return is_anthropics(block.get("signature"))
        case "redacted_thinking":
            return is_anthropics(block.get("data"))
        case _:
            return True


def _is_encrypted_elsewhere(block: dict[str, Any]) -> bool:
    return block.get("type") == "redacted_thinking" and is_marked(block.get("data") or "")


def _unmarked(message: Message) -> Message:
    blocks = _blocks(message)
    if not any(is_marked(block.get("signature") or "") for block in blocks):
        return message
    return {
        **message,
        "content": [
            {**block, "signature": ""} if is_marked(block.get("signature") or "") else block for block in blocks
        ],
    }
