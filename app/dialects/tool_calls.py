"""Tool calls across dialects: deltas put in order, and arguments between JSON text and JSON object."""

from dataclasses import dataclass
from typing import Any

import msgspec

from app.messages import ToolCall

RAW_ARGUMENTS = "raw_arguments"
"""Where an object is required (Anthropic's `input`), arguments that are none stand under this key, verbatim."""

_decode = msgspec.json.Decoder().decode


def as_object(arguments: str) -> dict[str, Any]:
    """The arguments as an object; an empty text is a call without arguments."""
    if not arguments.strip():
        return {}
    value = parsed_object(arguments)
    return {RAW_ARGUMENTS: arguments} if value is None else value


def parsed_object(arguments: str) -> dict[str, Any] | None:
    """None for arguments that are not, or not yet, a JSON object."""
    try:
        value = _decode(arguments)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


@dataclass(slots=True)
class CallPiece:
    """What a delta adds to the call at `position`; `call` comes with a call's first piece only."""

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

    def __init__(self, id_prefix: str) -> None:
        self._id_prefix = id_prefix
        self._open: dict[int, tuple[int, str | None]] = {}
        self._pending: dict[int, _Pending] = {}
        self.begun = 0

    def place(self, call: ToolCall) -> CallPiece | None:
        known = self._open.get(call.index)
        if known is not None and (not call.id or known[1] is None or call.id == known[1]):
            return CallPiece(known[0], call.function.arguments)
        waiting = self._pending.pop(call.index, _Pending(None, ""))
        waiting = _Pending(waiting.id or call.id, waiting.arguments + call.function.arguments)
        if not call.function.name:
            self._pending[call.index] = waiting
            return None
        return self._begin(call, waiting)

    def adopt(self, call: ToolCall) -> None:
        """The call went out under its own index: what is added to it goes there, and new ones come after it."""
        if call.index >= 0 and (call.id or call.index not in self._open):
            self._open[call.index] = (call.index, call.id)
            self.begun = max(self.begun, call.index + 1)

    def _begin(self, call: ToolCall, waiting: _Pending) -> CallPiece:
        position = self.begun
        self.begun += 1
        self._open[call.index] = (position, waiting.id)
        named = msgspec.structs.replace(call, id=waiting.id or f"{self._id_prefix}_{position}")
        return CallPiece(position, waiting.arguments, named)


def whole_calls(calls: tuple[ToolCall, ...], id_prefix: str) -> list[ToolCall]:
    """The calls of a whole message, numbered from 0; one without a name cannot be made, and is left out."""
    named = [call for call in calls if call.function.name]
    return [msgspec.structs.replace(call, index=at, id=call.id or f"{id_prefix}_{at}") for at, call in enumerate(named)]
