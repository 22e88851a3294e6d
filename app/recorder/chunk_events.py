"""What came of a provider whose bytes nobody saw, as chat completions have it: a library read it, or it is made up."""

from typing import Any

import msgspec

from telemetry import AttemptTape

_ALWAYS = frozenset({"index", "choices", "arguments"})
"""Fields that readers of chat completions rely on, even where they are empty."""


def chunk_events(tape: AttemptTape) -> tuple[tuple[float, bytes], ...]:
    """The bytes of an event for each chunk of a stream, or of one whole answer, with the clock's time."""
    event = _chunk_event if tape.stream else _whole
    return tuple([(at, event(chunk)) for at, chunk in tuple(tape.chunks)])


def _chunk_event(chunk: object) -> bytes:
    return b"data: " + msgspec.json.encode({"object": "chat.completion.chunk", **_plain(chunk)}) + b"\n\n"


def _whole(response: object) -> bytes:
    return msgspec.json.encode({"object": "chat.completion", **_plain(response)})


def _plain(value: Any) -> Any:
    """A value of structs as plain objects, without the fields that say nothing."""
    if isinstance(value, msgspec.Struct):
        fields = {name: getattr(value, name) for name in value.__struct_fields__}
        return {name: _plain(one) for name, one in fields.items() if name in _ALWAYS or _has_value(one)}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value


def _has_value(value: object) -> bool:
    return bool(value) or value is False or value == 0
