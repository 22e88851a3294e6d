"""What is hashed of a block, and what is not: the marks by which a client asks for it to be cached."""

from typing import Any

import msgspec

CACHE_MARK = "cache_control"
INSTRUCTIONS = ("system", "developer")
"""The roles of messages that are the system prompt where they stand at the beginning."""
_SLICE = 1024 * 1024
"""Characters: a third of a millisecond."""
_UNFIT = (msgspec.MsgspecError, OverflowError, RecursionError, TypeError, ValueError)
_encode = msgspec.json.Encoder().encode


class Marks:
    """Whether anything was marked to be cached, and for how long, found on the way through a prompt."""

    def __init__(self) -> None:
        self.found = False
        self.hour = False

    def note(self, mark: object) -> None:
        if isinstance(mark, dict):
            self.found = True
            self.hour = self.hour or mark.get("ttl") == "1h"


def without_mark(fields: dict[str, Any], marks: Marks) -> dict[str, Any]:
    """The fields without a mark, which is noted; the same object where there is none."""
    if CACHE_MARK not in fields:
        return fields
    marks.note(fields[CACHE_MARK])
    return {name: value for name, value in fields.items() if name != CACHE_MARK}


def hash_of_text(text: str) -> int:
    """The hash of a text, in slices where it is large: in one, nothing else would run in this process meanwhile."""
    if len(text) <= _SLICE:
        return hash(text)
    return hash(tuple([hash(text[at : at + _SLICE]) for at in range(0, len(text), _SLICE)]))


def encode(value: object) -> bytes:
    """The bytes by which a value is known. What is no JSON, such as half of a surrogate pair or a number of more than
    64 bits, is no failure here: whoever sends it on will say so."""
    try:
        return _encode(value)
    except _UNFIT:
        return repr(value).encode(errors="backslashreplace")
