"""A name for a conversation that has none: a hash of how it begins, the same for each of its turns and in each process.

It begins with the system prompt and goes up to the first message of the user's, as the client sent them. Of each text
its ends and its length count, so a long prompt costs no more than a short one. What clients move between turns,
such as cache marks, does not count.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

PREFIX = "fp_"
_DIGITS = 24
_END = 1024
"""Characters that count at each end of a text."""
_TEXTS = 32
"""Texts that count."""
_MESSAGES = 16
"""Messages among which the user's first one is looked for."""
_SYSTEM = ("system", "instructions")
_CONVERSATION = ("messages", "input")
_TEXT = ("content", "text")
_MEDIA = ("image_url", "url", "source", "data", "file_id")
"""Fields of a part without text that hold what it shows to a model."""


def is_fingerprint(conversation_id: str) -> bool:
    """Whether an id of a conversation was made here, of how the conversation begins."""
    return conversation_id.startswith(PREFIX)


def fingerprint(body: Mapping[str, Any], scope: str) -> str | None:
    """The fingerprint of the conversation in a body of any dialect; None where nothing is in it. Equal beginnings under
    different values of `scope` have different ones."""
    texts: list[str] = []
    for name in _SYSTEM:
        if name in body:
            _collect(body[name], texts)
    for name in _CONVERSATION:
        if name in body:
            _collect_beginning(body[name], texts)
    if not texts:
        return None
    hashed = scope
    for text in texts[:_TEXTS]:
        size = len(text)
        hashed += f"\0{size} {text}" if size <= 2 * _END else f"\0{size} {text[:_END]}{text[-_END:]}"
    return PREFIX + blake2b(hashed.encode("utf-8", "surrogatepass"), digest_size=_DIGITS // 2).hexdigest()


def _collect_beginning(messages: object, texts: list[str]) -> None:
    if not isinstance(messages, list):
        _collect(messages, texts)
        return
    for message in messages[:_MESSAGES]:
        _collect(message, texts)
        if isinstance(message, dict) and message.get("role") == "user":
            return


def _collect(value: object, texts: list[str]) -> None:
    """Add the texts in a message or a part of one, in order, up to somewhat more than count."""
    if isinstance(value, str):
        if value:
            texts.append(value)
    elif isinstance(value, dict):
        names = [name for name in _TEXT if name in value] or _MEDIA
        for name in names:
            if name in value:
                _collect(value[name], texts)
    elif isinstance(value, list):
        for part in value:
            if len(texts) >= _TEXTS:
                return
            _collect(part, texts)
