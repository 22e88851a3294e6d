"""Numbers of items and parts, for the events of servers that leave them out. Pure.

An item is then known by its id, and numbered in the order in which items are first seen; without even that, an event
is about the item at hand. Parts are numbered as they begin.
"""

from collections import Counter
from typing import Any

from app.dialects.openai_responses.output_state import INPUTS, TEXTS, Event

PARTS = {"response.content_part": "content_index", "response.reasoning_summary_part": "summary_index"}
"""The events about a part, and the field that holds the part's index in them."""
_INDEX_NAMES = {
    **PARTS,
    **{events.stem: events.index_name for events in TEXTS.values()},
    "response.output_text.annotation": "content_index",
}

_INPUT_STEMS = frozenset(INPUTS.values())


class Numbering:
    """Numbers the events of one stream, one after the other."""

    def __init__(self) -> None:
        self._items: dict[str, int] = {}
        self._at_hand = 0
        self._parts: Counter[tuple[Any, str]] = Counter()
        """How many parts have begun, by item and index field."""

    def numbered(self, event: Event) -> Event:
        """Return the event with its numbers filled in; the same object if none are missing."""
        at = event.get("output_index")
        stem, _, step = str(event.get("type")).rpartition(".")
        index_name = _INDEX_NAMES.get(stem)
        if at is None:
            if index_name is None and stem not in _INPUT_STEMS and event.keys().isdisjoint(("item_id", "item")):
                return event
            at = self._item(event)
            event = {**event, "output_index": at}
        if index_name is None or event.get(index_name) is not None:
            return event
        if step == "added" and stem in PARTS:
            self._parts[at, index_name] += 1
        return {**event, index_name: max(self._parts[at, index_name] - 1, 0)}

    def _item(self, event: Event) -> int:
        item = event.get("item")
        id = event.get("item_id") or (item.get("id") if isinstance(item, dict) else None)
        if id:
            self._at_hand = self._items.setdefault(str(id), len(self._items))
        return self._at_hand
