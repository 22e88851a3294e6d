"""The beginnings of texts, where there is no room for all of one. Pure."""

import re

_SPACE = re.compile(r"\s+")
_LOOKED_AT = 4
"""How many characters of a text are looked at for each that an excerpt may have: white space shrinks."""


def excerpt(text: str, length: int) -> str:
    """The beginning of a text, on one line."""
    line = _SPACE.sub(" ", text[: length * _LOOKED_AT]).strip()
    return line if len(line) <= length and len(text) <= length * _LOOKED_AT else f"{line[: length - 1].rstrip()}…"
