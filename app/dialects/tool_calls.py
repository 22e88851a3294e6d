"""Tool calls across dialects: deltas put in order, and arguments between JSON text and JSON object."""

from dataclasses import dataclass
from typing import Any

import msgspec

from app.dialects.translation.call_ids import CallIds
from app.messages import ToolCall

_RAW_ARGUMENTS = "raw_arguments"
"""Where an object is required (Anthropic's `input`), arguments that are none stand under this key, verbatim."""

NO_ARGUMENTS = "{}"
_decode = msgspec.json.Decoder().decode


def are_none(arguments: str) -> bool:
    """Whether a call has no arguments: the text is empty, or JSON's null."""
    return arguments.strip() in ("", "null")


def as_text(arguments: str) -> str:
    """Arguments of a function as a client parses them: `{}` where there are none."""
    return NO_ARGUMENTS if are_none(arguments) else arguments


def as_object(arguments: str) -> dict[str, Any]:
    """Arguments as an object; of a call without arguments an empty one."""
    if are_none(arguments):
        return {}
    value = parsed_object(arguments)
    return {_RAW_ARGUMENTS: arguments} if value is None else value


def parsed_object(arguments: str) -> dict[str, Any] | None:
    """Decode arguments; None if they are not, or not yet, a JSON object."""
    try:
        value = _decode(arguments)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass(slots=True)
class CallPiece:
    """A piece of the arguments of the call at `position`; `call` comes with a call's first piece only."""

    position: int
    arguments: str
    call: ToolCall | None = None


@dataclass(slots=True)
class _Pending:
    id: str | None
    arguments: str


class CallOrder:
    """Gives each call of one message a position, contiguous from 0, whatever the indexes that come in.

    A call begins when its name is known; arguments that come earlier wait, and are lost with a call that gets none.
    A known index with another id is another call: some providers number all of their calls 0.
    """

    def __init__(self, ids: CallIds) -> None:
        self._ids = ids
        self._open: dict[int, tuple[int, str | None]] = {}
        self._pending: dict[int, _Pending] = {}
        self._empty: set[int] = set()
        self._custom: set[int] = set()
        self.begun = 0

    @property
    def without_arguments(self) -> list[int]:
        """The positions of functions that were called, and of which no argument has come."""
        return sorted(self._empty)

    def is_custom(self, position: int) -> bool:
        """Whether the call there is one of a custom tool, whatever a later piece of it is marked as."""
        return position in self._custom

    def add(self, call: ToolCall) -> CallPiece | None:
        known = self._open.get(call.index)
        if known is not None and (not call.id or known[1] is None or call.id == known[1]):
            if call.function.arguments:
                self._empty.discard(known[0])
            return CallPiece(known[0], call.function.arguments)
        waiting = self._pending.pop(call.index, _Pending(None, ""))
        waiting = _Pending(waiting.id or call.id, waiting.arguments + call.function.arguments)
        if not call.function.name:
            self._pending[call.index] = waiting
            return None
        return self._begin(call, waiting)

    def adopt(self, call: ToolCall) -> None:
        """Note a call that went out under its own index: what is added to it goes there, and new ones come after it."""
        if call.index >= 0 and (call.id or call.index not in self._open):
            self._open[call.index] = (call.index, call.id)
            self.begun = max(self.begun, call.index + 1)
            self._note(call.index, call, call.function.arguments)
        elif call.function.arguments:
            self._empty.discard(call.index)

    def _note(self, position: int, call: ToolCall, arguments: str) -> None:
        if call.type == "custom":
            self._custom.add(position)
        elif not arguments:
            self._empty.add(position)

    def _begin(self, call: ToolCall, waiting: _Pending) -> CallPiece:
        position = self.begun
        self.begun += 1
        self._open[call.index] = (position, waiting.id)
        named = msgspec.structs.replace(call, id=waiting.id)
        named = msgspec.structs.replace(named, id=self._ids.give(named, position))
        self._note(position, call, waiting.arguments)
        return CallPiece(position, waiting.arguments, named)


def whole_calls(calls: tuple[ToolCall, ...], id_prefix: str) -> list[ToolCall]:
    """The calls of a whole message, numbered from 0; one without a name cannot be made, and is left out."""
    named = [call for call in calls if call.function.name]
    return [_whole(call, at, id_prefix) for at, call in enumerate(named)]


def _whole(call: ToolCall, position: int, id_prefix: str) -> ToolCall:
    function = call.function
    if call.type != "custom" and are_none(function.arguments):
        function = msgspec.structs.replace(function, arguments=NO_ARGUMENTS)
    return msgspec.structs.replace(call, index=position, id=call.id or f"{id_prefix}_{position}", function=function)
