"""Thinking among the parts of an assistant's content, as Mistral has it, for providers of other APIs. Pure."""

from collections.abc import Mapping
from typing import Any

from msgspec.structs import replace

from app.dialects.openai_chat.reasoning_decoding import content_parts
from app.dialects.openai_chat.wire import NAME
from app.messages import InputMessage, OpaquePart, Part, ThinkingPart


def with_thinking_read(message: InputMessage) -> InputMessage:
    """The message with such parts as thinking; the same object where there are none."""
    if message.role != "assistant" or not any(_is_thinking(part) for part in message.parts):
        return message
    thoughts = [_thinking(part) for part in message.parts if _is_thinking(part)]
    return replace(message, parts=(*thoughts, *(part for part in message.parts if not _is_thinking(part))))


def _is_thinking(part: Part) -> bool:
    return isinstance(part, OpaquePart) and part.dialect == NAME and part.raw.get("type") == "thinking"


def _thinking(part: Part) -> ThinkingPart:
    raw: Mapping[str, Any] = part.raw if isinstance(part, OpaquePart) else {}
    given = raw.get("thinking")
    pieces = [piece for piece in given if isinstance(piece, dict)] if isinstance(given, list) else given
    _, text = content_parts([{"type": "thinking", "thinking": pieces}])
    return ThinkingPart(text or "")
