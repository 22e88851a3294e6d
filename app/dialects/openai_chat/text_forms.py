"""The forms in which servers write a text: whole, in pieces, in typed parts, or in an object around it; a name, a time.
Pure."""

from collections.abc import Iterable

_TEXTS = ("text", "content", "value", "summary", "thinking", "reasoning")


def text_in(value: object) -> str:
    """The text of a value; empty where there is none. Raises ValueError where it may hold one that is not found."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "".join(map(text_in, value))
    if isinstance(value, dict) and (given := [value[name] for name in _TEXTS if name in value]):
        return text_in(next(filter(None, given), None))
    if value and value is not True:
        raise ValueError("a text of an unknown form")
    return ""


def content_parts(content: Iterable[object]) -> tuple[str | None, str | None]:
    """Text and thinking of a content made of parts. One of another type (a reference, an image) is passed over."""
    text, thinking = [], []
    for part in content:
        match part:
            case {"type": "thinking", "thinking": thought}:
                thinking.append(text_in(thought))
            case {"text": piece}:
                text.append(text_in(piece))
            case {"type": str()} | None:
                pass
            case _:
                text.append(text_in(part))
    return "".join(text) or None, "".join(thinking) or None


def name_in(value: object) -> str | None:
    """A name that nothing depends on, a number as a text; None for what is neither."""
    if value is None or isinstance(value, str):
        return value or None
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
