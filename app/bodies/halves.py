"""Where in a JSON text half of a surrogate pair stands alone, for the one who sent it. Pure."""

import json
import re
from collections.abc import Iterator
from typing import Any

_LONGEST = 4 * 1024**2
"""Bytes. Python's own reader, which alone takes halves, holds up everybody while it reads more."""
_ESCAPED = re.compile(rb"\\u[dD][89a-fA-F]")
_HALF = re.compile("[\ud800-\udfff]")


def path_of_half(raw: bytes) -> str | None:
    """The path of the first text with such a half (`messages[0].content`); None if there is none or it was not found.

    A key that holds one is told by the path of the object that it stands in.
    """
    if len(raw) > _LONGEST or not _ESCAPED.search(raw):
        return None
    try:
        return next(_paths(json.loads(raw), ""), None)
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
