"""The pieces of tool calls in a provider's stream, each given to the call that it belongs to. Pure; one for a choice.

A call is what its index says. Servers differ in all else: no index, or 0 for every call; an id in each piece, another
one in each, or none; the name in each piece, or cut in two. Where the same index comes with another id and a name, it
is another call if the one before is whole, and else its next piece.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace

from app.dialects.tool_calls import parsed_object
from app.messages import Function, ToolCall


@dataclass(slots=True)
class _Call:
    index: int
    id: str | None
    first: ToolCall
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    is_reported: bool = False
    """A piece of it has been handed on."""

    @property
    def is_whole(self) -> bool:
        arguments = "".join(self.arguments)
        return arguments.rstrip().endswith("}") and parsed_object(arguments) is not None


class CallJoiner:
    """`names`: the tools that the provider was offered. A name that is none of them may be the beginning of one: its
    call waits until its arguments begin or something else comes. None: every name is whole."""

    def __init__(self, names: Collection[str] | None = None) -> None:
        self._names = names
        self._calls: dict[int, _Call] = {}
        self._moved: dict[int, int] = {}
        self._last: _Call | None = None

    def pieces(self, pieces: Iterable[tuple[int | None, ToolCall]]) -> tuple[ToolCall, ...]:
        """The pieces of one event, each with its provider's index, under the index of its call; name and id come with a
        call's first piece only."""
        reported: list[ToolCall] = []
        begun: set[int] = set()
        for index, piece in pieces:
            call = self._find(index, piece, begun)
            if call is not self._last:
                reported += self.rest()
            self._last = call
            begun.add(call.index)
            if (one := self._add(call, piece)) is not None:
                reported.append(one)
        return tuple(reported)

    def rest(self) -> list[ToolCall]:
        """The call that still waits for the rest of its name, if there is one."""
        call = self._last
        if call is None or call.is_reported or not call.name:
            return []
        call.is_reported = True
        return [replace(call.first, index=call.index, id=call.id, function=Function(call.name))]

    def _find(self, index: int | None, piece: ToolCall, begun: set[int]) -> _Call:
        if index is None:
            known = self._of_id(piece.id) if piece.id else self._last
            if known is None and not piece.function.name:
                known = self._last
        else:
            known = self._calls.get(self._moved.get(index, index))
            if known is None and not piece.function.name and piece.id:
                known = self._of_id(piece.id)
        if known is None and index is None and self._goes_on(self._last, piece, begun):
            known = self._last
        if known is not None and not self._is_another(known, piece, begun):
            return known
        at = self._new_index(index, known)
        call = self._calls[at] = _Call(at, piece.id, piece)
        return call

    def _of_id(self, id: str | None) -> _Call | None:
        return next((call for call in reversed(self._calls.values()) if call.id == id), None)

    def _new_index(self, index: int | None, known: _Call | None) -> int:
        if index is not None and known is None:
            return index
        at = max(self._calls, default=-1) + 1
        if index is not None:
            self._moved[index] = at
        return at

    def _goes_on(self, call: _Call | None, piece: ToolCall, begun: set[int]) -> bool:
        """Whether a piece without an index, of an unknown id, belongs to the call before it."""
        return call is not None and bool(call.arguments) and not self._is_another(call, piece, begun)

    def _is_another(self, call: _Call, piece: ToolCall, begun: set[int]) -> bool:
        name = piece.function.name
        if not name or (not call.name and not call.arguments):
            return False
        if piece.id and call.id and piece.id != call.id:
            return call.index in begun or name != call.name or call.is_whole
        if not call.arguments:
            # The same name again, the rest of it, or, where it is known to be whole, another function's.
            return bool(self._names) and call.is_reported and name != call.name
        return bool(piece.function.arguments) and call.is_whole and not self._is_copy(call, piece)

    def _is_copy(self, call: _Call, piece: ToolCall) -> bool:
        return bool(piece.id) and piece.id == call.id and piece.function.arguments == "".join(call.arguments)

    def _add(self, call: _Call, piece: ToolCall) -> ToolCall | None:
        name, arguments = piece.function.name or "", piece.function.arguments
        if name and not call.is_reported:
            call.name = name if name.startswith(call.name) else call.name + name
        call.id = call.id or piece.id
        if name and arguments and call.is_reported and self._is_copy(call, piece):
            arguments = ""
        if arguments:
            call.arguments.append(arguments)
        if call.is_reported:
            return replace(piece, index=call.index, id=None, function=Function(None, arguments))
        if self._waits(call):
            return None
        call.is_reported = bool(call.name)
        return replace(piece, index=call.index, id=call.id, function=Function(call.name or None, arguments))

    def _waits(self, call: _Call) -> bool:
        return self._names is not None and bool(call.name) and not call.arguments and call.name not in self._names
