"""Halves of surrogate pairs that stand alone in JSON: whether there are any, where, and a text without. Pure.

A decoder that makes UTF-8 of texts refuses them; Python's own reader takes them.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

LENIENT_LIMIT = 4 * 1024**2
"""Bytes. Python's own reader takes a tenth of a second for so many, and holds up everybody meanwhile."""
_ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")


def may_have_half(raw: bytes) -> bool:
    """Whether a JSON text has an escape of half a pair; the other half may stand beside it."""
    return _ESCAPED.search(raw) is not None


def read_leniently(raw: bytes) -> Any:
    """Decode JSON with halves as they are, and None for `NaN`. Raises ValueError and RecursionError for what is none,
    or too large."""
    if len(raw) > LENIENT_LIMIT:
        raise ValueError("too large to be read leniently")
    return json.loads(raw, parse_constant=lambda name: None)


def without_halves(value: Any) -> Any:
    """The JSON value with each pair of halves as one character, and U+FFFD for each half without the other."""
    if isinstance(value, str):
        if not _HALF.search(value):
            return value
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, list):
        return [without_halves(one) for one in value]
    if isinstance(value, dict):
        return {without_halves(name): without_halves(one) for name, one in value.items()}
    return value


def path_of_half(raw: bytes) -> str | None:
    """The path of the first text with such a half (`messages[0].content`); None if there is none or it was not found.

    A key that holds one is told by the path of the object that it stands in.
    """
    if not may_have_half(raw):
        return None
    try:
        return next(_paths(read_leniently(raw), ""), None)
    except (ValueError, RecursionError):
        return None


def _paths(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        if _HALF.search(value):
            yield path or "The request body"
    elif isinstance(value, list):
        for at, one in enumerate(value):
            yield from _paths(one, f"{path}[{at}]")
    elif isinstance(value, dict):
        for name, one in value.items():
            if _HALF.search(name):
                yield path or "The request body"
            else:
                yield from _paths(one, f"{path}.{name}" if path else name)
