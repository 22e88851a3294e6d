"""JSON encoded a piece at a time where it is large: an encoder in C keeps Python's lock until it is done."""

from collections.abc import Iterator
from typing import Any

import msgspec

AT_ONCE = 4 * 1024**2
"""Bytes that are encoded at once: a few milliseconds."""
_SLICE = 1024 * 1024
"""Characters of a text."""
_encode = msgspec.json.Encoder().encode


def encode(value: Any, size: int) -> bytes:
    """Encode as JSON; `size` is about the number of bytes that will come out."""
    return _encode(value) if size <= AT_ONCE else b"".join(_pieces(value))


def _pieces(value: Any) -> Iterator[bytes]:
    kind = type(value)
    if kind is dict:
        comma = b"{"
        for name, one in value.items():
            yield b"%b%b:" % (comma, _encode(name))
            yield from _pieces(one)
            comma = b","
        yield b"}" if value else b"{}"
    elif kind is list:
        comma = b"["
        for one in value:
            yield comma
            yield from _pieces(one)
            comma = b","
        yield b"]" if value else b"[]"
    elif kind is str and len(value) > _SLICE:
        yield b'"'
        for at in range(0, len(value), _SLICE):
            yield _encode(value[at : at + _SLICE])[1:-1]
        yield b'"'
    else:
        yield _encode(value)
