"""What one agent writes to another (an item `agent_message`), for a provider that has no such item. Pure.

Codex sends it in a subagent's conversation. The prompt itself is called encrypted there: it is what the model wrote as
an argument of the call that started the subagent, and so encrypted only if OpenAI's model wrote it, else plain text.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from app.dialects.openai_responses.wire import ITEM
from app.messages import InputMessage, OpaquePart, TextPart

_KIND = "agent_message"
_ENCRYPTED = "gAAAA"
"""How OpenAI's encrypted contents begin, all of which are Fernet tokens."""


def as_user_message(message: InputMessage) -> InputMessage:
    """An agent's message as one of the user; any other as it is, and one that only OpenAI can read."""
    if message.extra.get("type") != ITEM:
        return message
    match message.parts:
        case (OpaquePart(raw={"type": kind, "content": list(content)}),) if kind == _KIND:
            texts = list(_texts(content))
            if all(text is not None and not text.startswith(_ENCRYPTED) for text in texts):
                return InputMessage("user", (TextPart("".join(filter(None, texts))),))
    return message


def _texts(content: list[Any]) -> Iterator[str | None]:
    """The text of each part; None for a part without one."""
    for part in content:
        text = (part.get("text") or part.get("encrypted_content")) if isinstance(part, Mapping) else None
        yield text if isinstance(text, str) else None
