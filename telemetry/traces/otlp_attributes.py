"""Attributes as protobuf: the message `KeyValue` of common.proto, and what its parts consist of. Pure.

Spans say the same keys and mostly the same values over and over, so encoded attributes are kept by their values
(`Kept`); of a text that is hardly ever the same twice, what stands before it is kept by its length (`TextHeads`). A tag
is a field's number and wire type in one byte.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any

_KEPT = 4096
"""Encoded names and keys that are kept."""
_KEPT_VALUES = 1024
"""Encoded attributes that are kept for each key, and kinds of head of a text."""
_SHORT = 40
"""Characters of a text that is worth keeping encoded; longer ones are seldom the same twice."""
_SMALL = 4096
"""Whole numbers, and lengths, below this are worth keeping."""
BYTE = tuple(bytes((number,)) for number in range(256))
MASK64 = (1 << 64) - 1
_DOUBLE = Struct("<d").pack


class Kept(dict[Any, bytes]):
    """The attribute `key` behind `tag`, by its value: texts alone, or truth values alone."""

    __slots__ = ("_before", "_key")

    def __init__(self, tag: bytes, key: str) -> None:
        self._before = tag
        self._key = key

    def __missing__(self, value: Any) -> bytes:
        encoded = self._before + attribute(self._key, value)
        if type(value) is bool or len(value) <= _SHORT:
            if len(self) >= _KEPT_VALUES:
                self.clear()
            self[value] = encoded
        return encoded


class KeptNumbers(dict[int, bytes]):
    """The attribute `key` behind `tag`, by its value, which is a whole number."""

    __slots__ = ("_heads",)

    def __init__(self, tag: bytes, key: str) -> None:
        self._heads = [b""]
        """What stands before a number of so many bytes."""
        for length in range(1, len(varint(MASK64)) + 1):
            pair = text(b"\x0a", key) + b"\x12" + BYTE[length + 1] + b"\x18"
            self._heads.append(tag + varint(len(pair) + length) + pair)

    def __missing__(self, value: int) -> bytes:
        number = varint(value & MASK64)
        encoded = self._heads[len(number)] + number
        if 0 <= value < _SMALL:
            self[value] = encoded
        return encoded


class Heads(dict[int, bytes]):
    """What stands before a field of so many bytes."""

    __slots__ = ("_tag",)

    def __init__(self, tag: bytes) -> None:
        self._tag = tag

    def __missing__(self, length: int) -> bytes:
        head = self._tag + varint(length)
        if length < _SMALL:
            self[length] = head
        return head


class TextHeads(dict[int, bytes]):
    """What stands before the text of the attribute `key`, by the text's bytes; the text ends the attribute."""

    __slots__ = ("_before", "_key")

    def __init__(self, tag: bytes, key: str) -> None:
        self._before = tag
        self._key = text(b"\x0a", key)

    def __missing__(self, length: int) -> bytes:
        inner = b"\x0a" + varint(length)
        outer = self._key + b"\x12" + varint(len(inner) + length) + inner
        head = self._before + varint(len(outer) + length) + outer
        if len(self) < _KEPT_VALUES:
            self[length] = head
        return head


def float_head(key: str) -> bytes:
    """The attribute `key` without its number, which always takes the last eight bytes."""
    return attribute(key, 0.0)[:-8]


def attributes(tag: bytes, given: Mapping[str, Any]) -> bytes:
    """The attributes that are not None, each behind `tag`."""
    return b"".join([tag + attribute(key, value) for key, value in given.items() if value is not None])


def attribute(key: str, value: Any) -> bytes:
    """The message `KeyValue` behind its length."""
    pair = text(b"\x0a", key) + delimited(b"\x12", _any_value(value))
    return varint(len(pair)) + pair


@lru_cache(_KEPT)
def text(tag: bytes, text: str) -> bytes:
    """An encoded name or key. There are not many, so they are kept."""
    return delimited(tag, encoded(text))


def encoded(text: str) -> bytes:
    """A text as UTF-8. Half a surrogate pair, which is none, becomes a question mark."""
    return text.encode("utf-8", "replace")


def delimited(tag: bytes, payload: bytes) -> bytes:
    length = len(payload)
    return tag + (BYTE[length] if length < 0x80 else varint(length)) + payload


def varint(number: int) -> bytes:
    if number < 0x80:
        return BYTE[number]
    if number < 0x4000:
        return BYTE[number & 0x7F | 0x80] + BYTE[number >> 7]
    octets = bytearray()
    while number >= 0x80:
        octets.append(number & 0x7F | 0x80)
        number >>= 7
    octets.append(number)
    return bytes(octets)


def _any_value(value: Any) -> bytes:
    match value:
        case str():
            return delimited(b"\x0a", encoded(value))
        case bool():
            return b"\x10" + BYTE[value]
        case int():
            return b"\x18" + varint(value & MASK64)
        case float():
            return b"\x21" + _DOUBLE(value)
        case bytes():
            return delimited(b"\x3a", value)
        # Before the abstract class, which asks its registry.
        case tuple() | list() | Sequence():
            return delimited(b"\x2a", b"".join([delimited(b"\x0a", _any_value(item)) for item in value]))
        case Mapping():
            pairs = [b"\x0a" + attribute(str(key), item) for key, item in value.items()]
            return delimited(b"\x32", b"".join(pairs))
        case _:
            return _any_value(str(value))
