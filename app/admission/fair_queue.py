"""Who is served next of those who wait: the greater priority, then the caller who has the least, then by turns. Pure.

Within a priority each caller has a line of its own, in the order of arrival. Of the callers who wait, the one with the
fewest requests under way comes first; among equals they take turns. So a caller who asks a hundred times as often as
another is not served more often while both wait, and one whose answers take long holds no more than its share. Where
the queue is full, a caller with few waiting requests gets the room of the one with the most: the last of a flood goes
first.
"""

from collections.abc import Mapping
from typing import Generic, TypeVar

Item = TypeVar("Item")
_Lines = dict[str, dict[Item, None]]


class FairQueue(Generic[Item]):
    """Items that wait, each once, of callers who are told apart by a text. `size` is how many there may be."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._levels: dict[int, _Lines[Item]] = {}
        """The callers' lines by priority. The callers stand in the order of their turns."""
        self._where: dict[Item, tuple[int, str]] = {}

    def __len__(self) -> int:
        return len(self._where)

    def __contains__(self, item: Item) -> bool:
        return item in self._where

    def add(self, item: Item, caller: str, priority: int) -> None:
        """Have an item wait behind the others of its caller. Whether there is room is for `is_full` to say."""
        self._where[item] = priority, caller
        self._levels.setdefault(priority, {}).setdefault(caller, {})[item] = None

    @property
    def is_full(self) -> bool:
        return len(self._where) >= self.size

    def first(self, under_way: Mapping[str, int]) -> Item | None:
        """Who is next, given how many requests of each caller are under way; None if nobody waits."""
        if not self._levels:
            return None
        lines = self._levels[max(self._levels)]
        least, chosen = -1, ""
        for caller in lines:
            count = under_way.get(caller, 0)
            if least < 0 or count < least:
                least, chosen = count, caller
                if not count:
                    break
        return next(iter(lines[chosen]))

    def served(self, item: Item) -> None:
        """Take out an item whose turn it is: its caller has the last turn from now on."""
        priority, caller = self._where[item]
        self.remove(item)
        lines = self._levels.get(priority, {})
        if caller in lines:
            lines[caller] = lines.pop(caller)

    def remove(self, item: Item) -> bool:
        """Take out an item that waits no more. Returns whether it did."""
        if (where := self._where.pop(item, None)) is None:
            return False
        priority, caller = where
        lines = self._levels[priority]
        line = lines[caller]
        del line[item]
        if not line:
            del lines[caller]
            if not lines:
                del self._levels[priority]
        return True

    def ahead_of(self, caller: str, priority: int, under_way: int) -> int:
        """How many are served at least before one more item of this caller, if nobody leaves. `under_way` is how many
        requests there are for which others may have to wait longer, as they have more of them."""
        ahead = sum(len(line) for level, lines in self._levels.items() if level > priority for line in lines.values())
        lines = self._levels.get(priority, {})
        before = len(lines.get(caller, ()))
        others = sum(min(len(line), before) for other, line in lines.items() if other != caller)
        return ahead + before + max(0, others - under_way)

    def displaced_by(self, caller: str, priority: int) -> Item | None:
        """The item that has to give its room to one more of this caller, where the queue is full: the newest of whoever
        has the most, of the least priority. None where nobody has so much more that this would be fair."""
        if not self._levels or (lowest := min(self._levels)) > priority:
            return None
        lines = self._levels[lowest]
        longest = max(lines, key=lambda one: len(lines[one]))
        if lowest == priority and len(lines[longest]) <= len(lines.get(caller, ())) + 1:
            return None
        return next(reversed(lines[longest]))
