"""Texts of recordings in which something is masked, compared with such as have what stood there, or its replacement."""

import re

_MASK = re.compile(r"\*{3,}")
"""What masks are made of. Shorter ones are taken for text."""


def is_same_behind_masks(one: str, other: str) -> bool:
    """Whether two texts are the same where neither is masked. A mask stands for any text."""
    return one == other or _fits(one, other) or _fits(other, one)


def _fits(masked: str, text: str) -> bool:
    """Whether the parts of a masked text stand in the other one, in order, with anything between them."""
    first, *rest = _MASK.split(masked)
    if not rest or not text.startswith(first):
        return False
    at, last = len(first), rest.pop()
    for part in rest:
        at = text.find(part, at)
        if at < 0:
            return False
        at += len(part)
    return len(text) - at >= len(last) and text.endswith(last)
