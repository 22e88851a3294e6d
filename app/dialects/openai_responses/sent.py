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


class TextEvents(NamedTuple):
    """How the events of a kind of text are called, and where in them its whole and its number stand."""

    stem: str
    whole: str
    place: str
    part_stem: str


TEXTS = {
    "output_text": TextEvents("response.output_text", "text", "content_index", "response.content_part"),
    "refusal": TextEvents("response.refusal", "refusal", "content_index", "response.content_part"),
    "reasoning_text": TextEvents("response.reasoning_text", "text", "content_index", "response.content_part"),
    "summary_text": TextEvents(
        "response.reasoning_summary_text", "text", "summary_index", "response.reasoning_summary_part"
    ),
}
"""By the type of the part that holds the text."""
INPUTS = {
    "function_call": "response.function_call_arguments",
    "custom_tool_call": "response.custom_tool_call_input",
}


@dataclass(slots=True)
class Part:
    """A part of an item's content or summary. `own_index` is the provider's number, None for a part of our making."""

    item: "Item"
    kind: str
    index: int
    own: Event
    own_index: int | None = None
    is_open: bool = True
    is_said: bool = False
    """Its text was said to be complete."""
    is_whole: bool = True
    """Nothing of the provider's is missing in it, and nothing of ours put in."""
    annotations: list[Event] = field(default_factory=list)
    logprobs: list[Any] = field(default_factory=list)
    head: bytes = b""
    """A delta event up to its text, for those of our making."""
    _pieces: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self._pieces)

    @property
    def takes_text(self) -> bool:
        return self.is_open and not self.is_said

    def add(self, text: str) -> None:
        self._pieces.append(text)
        if len(self._pieces) > _MANY:
            self._pieces = ["".join(self._pieces)]

    def complete(self, own: Event | None = None) -> Event:
        """As it stands at its end; `own` is how the provider would have it."""
        events = TEXTS.get(self.kind)
        base = self.own if own is None else own
        if events is None or (own is not None and self.is_whole and own.get(events.whole) == self.text):
            return base
        said = {**base, events.whole: self.text}
        if self.kind == "output_text":
            said |= {"annotations": self.annotations, "logprobs": self.logprobs}
        return said


@dataclass(slots=True)
class Item:
    """`own` is how it began, `done` how it ended. `call` is the place of the call that it is; `is_ours`: none of the
    provider's."""

    index: int
    kind: str
    own: Event
    is_ours: bool
    call: int | None = None
    done: Event | None = None
    content: list[Part] = field(default_factory=list)
    summary: list[Part] = field(default_factory=list)
    input: list[str] = field(default_factory=list)
    is_input_said: bool = False

    @property
    def id(self) -> str:
        return str(self.own.get("id") or "")

    @property
    def is_open(self) -> bool:
        return self.done is None

    @property
    def takes_input(self) -> bool:
        return self.is_open and not self.is_input_said

    @property
    def parts(self) -> Iterator[Part]:
        yield from self.content
        yield from self.summary

    def among(self, kind: str) -> list[Part]:
        """Where parts of this kind stand."""
        return self.summary if kind == "summary_text" else self.content

    def part(self, place: str, own_index: object) -> Part | None:
        parts = self.summary if place == "summary_index" else self.content
        return next((part for part in parts if part.own_index == own_index), None)

    def complete(self, own: Event | None = None) -> Event:
        """As it stands at its end; `own` is how the provider would have it."""
        base = self.own if own is None else own
        if self.kind in ARGUMENTS:
            return {**base, ARGUMENTS[self.kind]: "".join(self.input)}
        said = dict(base)
        if self.kind == "message" or self.content or base.get("content"):
            said["content"] = _parts(self.content, base.get("content"))
        if self.kind == "reasoning":
            said["summary"] = _parts(self.summary, base.get("summary"))
        return said if self.kind in ("message", "reasoning") else base


def _parts(parts: Sequence[Part], own: Any) -> list[Event]:
    known = own if isinstance(own, list) else []
    return [part.complete(_at(known, part.own_index)) for part in parts]


def _at(own: Sequence[Any], index: int | None) -> Event | None:
    found = own[index] if index is not None and 0 <= index < len(own) else None
    return found if isinstance(found, dict) else None


def output_of(items: Sequence[Item], own: Sequence[Any] = ()) -> list[Event]:
    """The output that the client was sent. `own` is the provider's, for its items that were never said to be done."""
    by_id: Mapping[Any, Any] = {item.get("id"): item for item in own if isinstance(item, dict)}
    return [item.done or item.complete(by_id.get(item.id)) for item in sorted(items, key=lambda item: item.index)]
