"""Templates of encoded spans: what spans have in common that say the same names with values of the same types. Pure.

A shape is found when a span ends, by what the span says: nothing is declared, so no attribute can be forgotten, and a
span of a kind that was never seen before has its shape made. In it everything of a fixed width (times, numbers with a
point, events that are a name and a time) stands in one `Struct`, with the bytes between them; whatever has a length of
its own is a piece behind that. In a protobuf message fields may come in any order.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from struct import Struct
from typing import Any

from telemetry.names.ids import LOG_FIELDS
from telemetry.names.spans import Attribute, Value
from telemetry.traces.otlp_attributes import Kept, KeptNumbers, TextHeads, attributes, float_head, text, varint

ATTRIBUTE, EVENT = b"\x4a", b"\x5a"
"""The tags of a span's fields."""
_KEPT_SHAPES = 1024
_KEPT_SETS = 64
"""Combinations of sets that are kept for each shape."""
_KEPT_KEYS = 2048
_UNKEPT = frozenset(
    {Attribute.TRANSACTION_ID, Attribute.REQUEST_ID, Attribute.RESPONSE_ID, Attribute.UPSTREAM_REQUEST_ID, *LOG_FIELDS}
    | {Attribute.SYSTEM_INSTRUCTIONS, Attribute.INPUT_MESSAGES, Attribute.OUTPUT_MESSAGES, Attribute.TOOL_DEFINITIONS}
    | {Attribute.INPUT_VALUE, Attribute.OUTPUT_VALUE, Attribute.SESSION}
)
"""Texts that are others in each request, or nearly: kept, they would drive out those that return."""
_NONE = type(None)
_Pick = Callable[[tuple[Any, ...]], tuple[Any, ...]]


class AttributeSet:
    """Attributes that many spans have together, encoded once. Those that are None are left out."""

    __slots__ = ("attributes", "count", "encoded")

    def __init__(self, given: Mapping[str, Value | None]) -> None:
        self.attributes = {key: value for key, value in given.items() if value is not None}
        self.count = len(self.attributes)
        self.encoded = attributes(ATTRIBUTE, self.attributes)
        """The fields of a span's message."""


class Shape:
    """How spans are written whose attributes, beside those in sets, have these `names` and `types`, and whose events
    have the names `events` and no attributes.

    `pack(*fields)` is what has a fixed width: `frame`, in which each second place, from the second on, is for a value:
    the beginning and end in nanoseconds, the flags, what `floats` picks, the times of the events. All other values are
    named by their places, with what encodes each: `kept`, `texts`, and `others` with their keys."""

    __slots__ = ("are_apart", "floats", "frame", "kept", "others", "pack", "texts")

    def __init__(self, names: tuple[str, ...], types: tuple[type, ...], events: tuple[str, ...]) -> None:
        kept: list[tuple[int, dict[Any, bytes]]] = []
        texts: list[tuple[int, TextHeads]] = []
        floats: list[int] = []
        others: list[tuple[int, str]] = []
        for at, (key, kind) in enumerate(zip(names, types, strict=True)):
            if kind is float:
                floats.append(at)
            elif kind is str and key in _UNKEPT:
                texts.append((at, _heads(key)))
            elif kind is str or kind is int or kind is bool:
                kept.append((at, _kept(key, kind)))
            elif kind is not _NONE:
                others.append((at, key))
        self.kept, self.texts, self.others, self.floats = tuple(kept), tuple(texts), tuple(others), _picking(floats)
        self.are_apart = _Apart(names)
        """Whether sets have no name twice, and none of `names`."""
        parts = [(b"\x39", "Q", b""), (b"\x41", "Q", b""), (b"\x85\x01", "I", b"")]
        parts += [(ATTRIBUTE + float_head(names[at]), "d", b"") for at in floats]
        parts += [(before, "Q", after) for before, after in map(_around_time, events)]
        self.frame, self.pack = _framed(parts)


class Shapes(dict[tuple[tuple[str, ...], tuple[type, ...], tuple[str, ...]], Shape]):
    """All shapes that were met, by what they are made of."""

    def __missing__(self, key: tuple[tuple[str, ...], tuple[type, ...], tuple[str, ...]]) -> Shape:
        if len(self) >= _KEPT_SHAPES:
            self.clear()
        self[key] = found = Shape(*key)
        return found


class _Apart(dict[tuple[AttributeSet, ...], bool]):
    __slots__ = ("_names",)

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def __missing__(self, sets: tuple[AttributeSet, ...]) -> bool:
        if len(self) >= _KEPT_SETS:
            self.clear()
        known = set(self._names).union(*[one.attributes for one in sets])
        self[sets] = found = len(known) == len(self._names) + sum([one.count for one in sets])
        return found


@lru_cache(_KEPT_KEYS)
def _kept(key: str, kind: type) -> dict[Any, bytes]:
    """What encodes the values of one type: 1 equals True."""
    return KeptNumbers(ATTRIBUTE, key) if kind is int else Kept(ATTRIBUTE, key)


@lru_cache(_KEPT_KEYS)
def _heads(key: str) -> TextHeads:
    return TextHeads(ATTRIBUTE, key)


def _around_time(event: str) -> tuple[bytes, bytes]:
    """What stands before and after the time of an event without attributes."""
    after = text(b"\x12", event)
    return EVENT + varint(9 + len(after)) + b"\x09", after


def _picking(at: Sequence[int]) -> _Pick:
    """What picks the values at these places, as a tuple."""
    if len(at) > 1:
        return itemgetter(*at)
    return itemgetter(slice(at[0], at[0] + 1) if at else slice(0))


def _framed(parts: Sequence[tuple[bytes, str, bytes]]) -> tuple[list[Any], Callable[..., bytes]]:
    """The fields of a `Struct` that has for each part some bytes, a value of a format, and some bytes; None stands for
    the values."""
    frame: list[Any] = [b""]
    form = "<"
    for before, value, after in parts:
        frame[-1] += before
        form += f"{len(frame[-1])}s{value}"
        frame += (None, after)
    return frame, Struct(f"{form}{len(frame[-1])}s").pack
