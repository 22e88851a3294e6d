"""The pieces of tool calls in a provider's stream, each given to the call that it belongs to. Pure; one for a choice.

A call is what its index says. Servers differ in all else: no index, or 0 for every call; an id in each piece, another
one in each, or none; the name in each piece, or cut in two. Where the same index comes with another id and a name, it
is another call if the one before is whole, and else its next piece.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from app.dialects.openai_chat.call_forms import Object, decode_call, number_of
from app.dialects.tool_calls import NO_ARGUMENTS, are_none, parsed_object
from app.messages import Function, ToolCall


def refuse_nameless(calls: Iterable[ToolCall]) -> None:
    """Raise ValueError for a call of a function that has no name: nobody could run it, and it must not get lost."""
    for call in calls:
        is_begun = call.id or call.function.arguments
        if not call.function.name and is_begun and call.type in ("function", "custom"):
            raise ValueError("a tool call without a name")


@dataclass(slots=True)
class _Call:
    index: int
    id: str | None
    first: ToolCall
    name: str = ""
    arguments: list[str] = field(default_factory=list)
    placeholder: str = ""
    """Arguments that are none, which others may follow."""
    is_reported: bool = False
    """A piece of it has been handed on."""

    @property
    def given(self) -> str:
        """All arguments that have come."""
        return "".join(self.arguments) or self.placeholder

    @property
    def is_whole(self) -> bool:
        return self.parsed() is not None

    def parsed(self) -> dict[str, Any] | None:
        """The arguments; None if they are not whole yet."""
        last = self.arguments[-1] if self.arguments else self.placeholder
        return parsed_object(self.given) if last.rstrip().endswith("}") else None


class CallJoiner:
    """`names`: the tools that the provider was offered. A name that is none of them may be the beginning of one: its
    call waits until its arguments begin or something else comes. None: every name is whole. `is_followed`: the client
    may get the provider's bytes beside the pieces; else arguments that are none wait, for others may follow."""

    def __init__(self, names: Collection[str] | None = None, *, is_followed: bool = True) -> None:
        self._names = names
        self._holds = not is_followed
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

    def finish(self) -> list[ToolCall]:
        """What still waits where the answer ends. Raises ValueError for a call that never got a name."""
        waiting = self.rest()
        for call in self._calls.values():
            refuse_nameless([replace(call.first, function=Function(call.name, call.given))])
            if call.placeholder and not call.arguments:
                call.arguments.append(NO_ARGUMENTS)
                waiting.append(ToolCall(call.index, None, call.first.type, Function(None, NO_ARGUMENTS)))
        return waiting

    def without_copies(self, calls: list[Object]) -> list[Object]:
        """The calls of the next event without those that were told before; the list itself where there are none."""
        if not any(map(_may_be_whole, calls)):
            return calls
        new = [
            call for call in calls if not (_may_be_whole(call) and self._is_copy(number_of(call), decode_call(call)))
        ]
        return calls if len(new) == len(calls) else new

    def _is_copy(self, index: int | None, piece: ToolCall) -> bool:
        """Whether a piece of the next event says again all arguments of a call that is whole, or that it has none."""
        call = self._last if index is None else self._calls.get(self._moved.get(index, index))
        if call is None or not call.arguments or (piece.id and call.id and piece.id != call.id):
            return False
        if piece.function.name not in (None, call.name):
            return False
        whole = call.parsed()
        return whole is not None and parsed_object(piece.function.arguments) in ({}, whole)

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
        # No arguments at all may be a stopgap for those that follow.
        return bool(piece.function.arguments) and call.is_whole and (name != call.name or bool(call.parsed()))

    def _add(self, call: _Call, piece: ToolCall) -> ToolCall | None:
        name, arguments = piece.function.name or "", piece.function.arguments
        if name and not call.is_reported:
            call.name = name if name.startswith(call.name) else call.name + name
        call.id = call.id or piece.id
        if self._holds and not call.arguments and _may_be_none(arguments) and call.first.type != "custom":
            call.placeholder, arguments = arguments, ""
        if arguments:
            call.arguments.append(arguments)
        if call.is_reported:
            return replace(piece, index=call.index, id=None, function=Function(None, arguments))
        if self._waits(call):
            return None
        call.is_reported = bool(call.name)
        return replace(piece, index=call.index, id=call.id, function=Function(call.name or None, arguments))

    def _waits(self, call: _Call) -> bool:
        if self._names is None or not call.name or call.name in self._names:
            return False
        return not call.given


def _may_be_none(arguments: str) -> bool:
    return bool(arguments) and (arguments.strip() == NO_ARGUMENTS or are_none(arguments))


def _may_be_whole(call: Object) -> bool:
    """Whether a piece may hold all arguments of its call."""
    arguments = (call.get("function") or {}).get("arguments")
    return isinstance(arguments, str) and arguments.endswith("}") and arguments.lstrip().startswith("{")
