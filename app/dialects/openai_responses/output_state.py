"""What was sent of a response: its items, their parts, and each text as the client has it. Pure.

All that repeats a text at its end is made of this, so that nothing comes back that a policy took out.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from app.dialects.openai_responses.items import ARGUMENTS

Event = dict[str, Any]
_MANY = 256
"""Pieces of a text that are put together now and then, as each costs more than its characters."""


class TextPieces:
    """A text that comes in pieces."""

    __slots__ = ("_pieces",)

    def __init__(self) -> None:
        self._pieces: list[str] = []

    def add(self, piece: str) -> None:
        self._pieces.append(piece)
        if len(self._pieces) > _MANY:
            self._pieces = ["".join(self._pieces)]

    @property
    def text(self) -> str:
        return "".join(self._pieces)


class TextEvents(NamedTuple):
    """The names of the events about a kind of text, and of the fields that hold its whole and its part's index."""

    stem: str
    whole: str
    index_name: str
    part_stem: str


TEXTS = {
    "output_text": TextEvents("response.output_text", "text", "content_index", "response.content_part"),
    "refusal": TextEvents("response.refusal", "refusal", "content_index", "response.content_part"),
    "reasoning_text": TextEvents("response.reasoning_text", "text", "content_index", "response.content_part"),
    "summary_text": TextEvents(
        "response.reasoning_summary_text", "text", "summary_index", "response.reasoning_summary_part"
    ),
}
"""Text events by the type of the part that holds the text."""
INPUTS = {
    "function_call": "response.function_call_arguments",
    "custom_tool_call": "response.custom_tool_call_input",
}


@dataclass(slots=True)
class Part:
    """A part of an item's content or summary.

    `native` is the part as it began. `native_index` is the provider's index, None for a part that the gateway made.
    """

    item: "Item"
    kind: str
    index: int
    native: Event
    native_index: int | None = None
    is_open: bool = True
    is_done: bool = False
    """The event that completes its text was sent."""
    is_whole: bool = True
    """The part holds all of the provider's text, and nothing else."""
    annotations: list[Event] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)
    head: bytes = b""
    """The bytes of a delta event up to its text, for a text that the gateway writes."""
    _pieces: TextPieces = field(default_factory=TextPieces)

    @property
    def text(self) -> str:
        return self._pieces.text

    @property
    def takes_text(self) -> bool:
        return self.is_open and not self.is_done

    def add(self, text: str) -> None:
        self._pieces.add(text)

    def complete(self, native: Event | None = None) -> Event:
        """Return the part with all the text that was sent. `native` is the provider's version of its end."""
        events = TEXTS.get(self.kind)
        base = self.native if native is None else native
        if events is None or (native is not None and self.is_whole and native.get(events.whole) == self.text):
            return base
        fields = {**base, events.whole: self.text}
        if self.kind == "output_text":
            fields |= {"annotations": self.annotations, "logprobs": self.logprobs}
        return fields


@dataclass(slots=True)
class Item:
    """An item of the output: `native` as it began, `done` as it ended.

    `call` is the position of the tool call that it is, if any; `is_ours` says that the gateway made the item.
    """

    index: int
    kind: str
    native: Event
    is_ours: bool
    call: int | None = None
    done: Event | None = None
    content: list[Part] = field(default_factory=list)
    summary: list[Part] = field(default_factory=list)
    input: TextPieces = field(default_factory=TextPieces)
    is_input_done: bool = False

    @property
    def id(self) -> str:
        return str(self.native.get("id") or "")

    @property
    def is_open(self) -> bool:
        return self.done is None

    @property
    def takes_input(self) -> bool:
        return self.is_open and not self.is_input_done

    @property
    def parts(self) -> Iterator[Part]:
        yield from self.content
        yield from self.summary

    def among(self, kind: str) -> list[Part]:
        """Return the list that holds the parts of this kind."""
        return self.summary if kind == "summary_text" else self.content

    def part(self, index_name: str, native_index: object) -> Part | None:
        parts = self.summary if index_name == "summary_index" else self.content
        return next((part for part in parts if part.native_index == native_index), None)

    def complete(self, native: Event | None = None) -> Event:
        """Return the item with all that was sent of it. `native` is the provider's version of its end."""
        base = self.native if native is None else native
        if self.kind in ARGUMENTS:
            return {**base, ARGUMENTS[self.kind]: self.input.text}
        fields = dict(base)
        if self.kind == "message" or self.content or base.get("content"):
            fields["content"] = _parts(self.content, base.get("content"))
        if self.kind == "reasoning":
            fields["summary"] = _parts(self.summary, base.get("summary"))
        return fields if self.kind in ("message", "reasoning") else base


def _parts(parts: Sequence[Part], native: Any) -> list[Event]:
    known = native if isinstance(native, list) else []
    return [part.complete(_at(known, part.native_index)) for part in parts]


def _at(native: Sequence[Any], index: int | None) -> Event | None:
    found = native[index] if index is not None and 0 <= index < len(native) else None
    return found if isinstance(found, dict) else None


def output_of(items: Sequence[Item], native: Sequence[Any] = ()) -> list[Event]:
    """Return the output that the client was sent. `native` is the provider's, for items without a `done` event."""
    by_id: Mapping[Any, Any] = {item.get("id"): item for item in native if isinstance(item, dict)}
    return [item.done or item.complete(by_id.get(item.id)) for item in sorted(items, key=lambda item: item.index)]
