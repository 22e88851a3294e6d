"""Numbers of items and parts, for the events of servers that leave them out. Pure.

An item is then known by its id, and numbered in the order in which items are first seen; without even that, an event
is about the item at hand. Parts are numbered as they begin.
"""

from collections import Counter
from typing import Any

from app.dialects.openai_responses.sent import TEXTS, Event

PARTS = {"response.content_part": "content_index", "response.reasoning_summary_part": "summary_index"}
"""The events about a part, and what its number is called in them."""
_PLACES = {
    **PARTS,
    **{events.stem: events.place for events in TEXTS.values()},
    "response.output_text.annotation": "content_index",
}


class Numbering:
    """Of one stream, event by event."""

    def __init__(self) -> None:
        self._items: dict[str, int] = {}
        self._at_hand = 0
        self._parts: Counter[tuple[Any, str]] = Counter()
        """How many have begun, by their item and what their number is called."""

    def numbered(self, event: Event) -> Event:
        """The event itself, if it says its numbers or has none."""
        at = event.get("output_index")
        if at is None:
            if "item_id" not in event and "item" not in event:
                return event
            at = self._item(event)
            event = {**event, "output_index": at}
        stem, _, step = str(event.get("type")).rpartition(".")
        place = _PLACES.get(stem)
        if place is None or place in event:
            return event
        if step == "added" and stem in PARTS:
            self._parts[at, place] += 1
        return {**event, place: max(self._parts[at, place] - 1, 0)}

    def _item(self, event: Event) -> int:
        said = event.get("item")
        id = event.get("item_id") or (said.get("id") if isinstance(said, dict) else None)
        if id:
            self._at_hand = self._items.setdefault(str(id), len(self._items))
        return self._at_hand
