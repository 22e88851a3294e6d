"""Halves of surrogate pairs in a provider's stream: joined across its events, or replaced where one stands alone. Pure.

A tokenizer that cuts an emoji makes a server escape its two halves in two events (`"\\ud83d"`, then `"\\ude00"`), which
no encoder of UTF-8 takes. A half at the end of a piece of text is held back until the next event: if that goes on with
the other half in the same place, the character is said there; if not, U+FFFD is, in an event of its own before it.
"""

from collections.abc import Callable, Mapping
from typing import Any

Event = dict[str, Any]
Path = tuple[object, ...]

_REPLACEMENT = "\ufffd"
_NUMBERS = ("output_index", "content_index", "summary_index")
_NAMES = frozenset(["id", "object", "created", "model", "type", "index", "item_id", *_NUMBERS])
"""The fields that an event of its own needs to say what its text is a piece of."""
_TEXTS = frozenset(
    {"content", "text", "thinking", "reasoning", "reasoning_content", "refusal", "delta"}
    | {"arguments", "partial_json", "input"}
)
_COPIES = frozenset(["message", "logprobs"])
_BETWEEN = "ping"


class HalfHolder:
    """Follows one stream from an event with half a pair on."""

    def __init__(self) -> None:
        self.held: dict[Path, str] = {}
        """The halves that wait for another, by the place of their text."""
        self._alone: list[Event] = []

    def feed(self, event: Event) -> tuple[list[Event], Event]:
        """Take the next event. Returns the events that have to stand before it, and the event itself, or what is sent
        in its place."""
        if event.get("type") == _BETWEEN:
            return [], event
        pieces = _pieces(event)
        joined = {path: half + pieces[path] for path, half in self.held.items() if _begins_low(pieces.get(path))}
        before = [one for path, one in zip(self.held, self._alone, strict=True) if path not in joined]
        self.held = {}
        for path, text in (pieces | joined).items():
            if _ends_high(text):
                self.held[path] = text[-1]
                joined[path] = text[:-1]
        self._alone = [_outline(event, path[1:]) for path in self.held]
        return before, _with_texts(event, joined) if joined else event

    def finish(self) -> list[Event]:
        """The events that say what is left at the stream's end."""
        return self.feed({})[0] if self.held else []


def _begins_low(text: str | None) -> bool:
    return bool(text) and "\udc00" <= str(text)[0] <= "\udfff"


def _ends_high(text: str) -> bool:
    return bool(text) and "\ud800" <= text[-1] <= "\udbff"


def _pieces(event: Event) -> dict[Path, str]:
    """The pieces of text that the event adds, by the place where they are added."""
    found: dict[Path, str] = {}

    def note(path: Path, text: str) -> str:
        found[path] = text
        return text

    if str(event.get("type") or "delta").endswith("delta"):
        _mapped(event, (_position_of(event),), note)
    return found


def _with_texts(event: Event, texts: Mapping[Path, str]) -> Event:
    changed: Event = _mapped(event, (_position_of(event),), lambda path, text: texts.get(path, text))
    return changed


def _position_of(event: Event) -> Path:
    return (event.get("type"), event.get("index"), *map(event.get, _NUMBERS))


def _mapped(value: Any, path: Path, change: Callable[[Path, str], str]) -> Any:
    if isinstance(value, list):
        return [_mapped(one, (*path, _number(one, at)), change) for at, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    return {
        name: change((*path, name), one)
        if isinstance(one, str) and name in _TEXTS
        else one
        if name in _COPIES
        else _mapped(one, (*path, name), change)
        for name, one in value.items()
    }


def _number(value: Any, position: int) -> object:
    number = value.get("index") if isinstance(value, dict) else None
    return position if number is None else number


def _outline(value: Any, path: Path) -> Any:
    """The event with nothing but U+FFFD at `path`, and what says where that is."""
    if not path:
        return _REPLACEMENT
    first, rest = path[0], path[1:]
    if isinstance(value, list):
        return [_outline(one, rest) for at, one in enumerate(value) if _number(one, at) == first]
    named = {name: one for name, one in value.items() if name in _NAMES and not isinstance(one, dict | list)}
    return {**named, first: _outline(value[first], rest)}
