"""The title of a recording: the beginning of what the user said last, on one line. Never fails, whatever the body."""

from collections.abc import Iterator
from typing import Any

import msgspec

_LIMIT = 120
"""Characters."""
_READ = 4 * _LIMIT


_NOTHING = msgspec.Raw(b"")


class _Body(msgspec.Struct):
    """The fields in which the APIs have what was said."""

    messages: msgspec.Raw = _NOTHING
    input: msgspec.Raw = _NOTHING
    prompt: msgspec.Raw = _NOTHING


_body = msgspec.json.Decoder(_Body)
_list = msgspec.json.Decoder(list[msgspec.Raw])
_any = msgspec.json.Decoder(Any)


def is_reminder(text: str) -> bool:
    """Whether a text is a note that an agent put beside what somebody typed."""
    return text.lstrip().startswith("<system-reminder>")


def title_of(body: bytes) -> str:
    """The title of a request with this body; empty where nobody says anything in it."""
    try:
        found = _body.decode(body)
        conversation = found.messages or found.input or found.prompt
        return next(_texts(conversation), "") if conversation else ""
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ""


def _texts(conversation: msgspec.Raw) -> Iterator[str]:
    """The titles that the items of a body offer, from the last on: of a long conversation few are decoded."""
    raw = bytes(conversation)
    for item in reversed(_list.decode(raw)) if raw[:1] == b"[" else [raw]:
        value = _any.decode(item)
        if not isinstance(value, dict):
            yield from _lines(value)
        elif value.get("role", "user") == "user" and value.get("type", "message") == "message":
            yield from _lines(value.get("content"))


def _lines(content: Any) -> Iterator[str]:
    parts = content if isinstance(content, list) else [content]
    for part in reversed(parts):
        text = part.get("text") if isinstance(part, dict) else part
        if isinstance(text, str) and (line := _line(text)):
            yield line


def _line(text: str) -> str:
    beginning = text[:_READ].replace("\t", " ")
    line = " ".join((beginning if beginning.isprintable() else "".join(filter(_is_legible, beginning))).split())
    if is_reminder(line):
        return ""
    return line if len(line) <= _LIMIT else line[: _LIMIT - 1] + "…"


def _is_legible(character: str) -> bool:
    return character.isprintable() or character.isspace()
