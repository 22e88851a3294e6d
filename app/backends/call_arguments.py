"""The arguments of the calls in one answer, to tell at its end how many are no JSON object.

They are passed on all the same: what a model wrote is the client's to judge.
"""

from collections.abc import Sequence

from app.dialects.tool_calls import parsed_object
from app.messages import ToolCall

_LIMIT = 1 << 20
"""Characters of one answer's calls; of one that has more nothing is told."""


class CallArguments:
    def __init__(self) -> None:
        self._pieces: dict[tuple[int, int], list[str]] = {}
        self._ids: dict[tuple[int, int], str] = {}
        self._ended: list[list[str]] = []
        self._size = 0

    def add(self, choice: int, calls: Sequence[ToolCall]) -> None:
        """Of a chunk, or of a whole answer."""
        for call in calls:
            place = choice, call.index
            if call.id and self._ids.setdefault(place, call.id) != call.id:
                # Some providers number all of their calls 0.
                self._ids[place] = call.id
                self._ended.append(self._pieces.pop(place, []))
            if call.type == "function" and self._size <= _LIMIT:
                self._pieces.setdefault(place, []).append(call.function.arguments)
                self._size += len(call.function.arguments)

    def invalid(self) -> int:
        """How many calls have arguments that are no object; none at all are an object without fields."""
        if self._size > _LIMIT:
            return 0
        texts = map("".join, [*self._ended, *self._pieces.values()])
        return sum(bool(text.strip()) and parsed_object(text) is None for text in texts)
