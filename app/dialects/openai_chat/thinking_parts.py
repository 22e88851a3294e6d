"""Thinking among the parts of an assistant's content, as Mistral has it, for providers of other APIs. Pure."""

from msgspec.structs import replace

from app.dialects.openai_chat.text_forms import text_in
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
    try:
        return ThinkingPart(text_in(part.raw.get("thinking")) if isinstance(part, OpaquePart) else "")
    except ValueError:
        # Nobody could read it.
        return ThinkingPart("")
