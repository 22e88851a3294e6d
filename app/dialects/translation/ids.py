"""Ids of responses, from one dialect's form to another's. What is behind the prefix stays: a search finds it."""

import re
from functools import cache

from app.dialects.dialect import DIALECTS

_PREFIX = re.compile(r"(?:chatcmpl|cmpl|msg|resp|gen)[-_]")


def with_prefix(id: str, prefix: str) -> str:
    """`id` with this prefix in place of another dialect's; unchanged if it has none of theirs."""
    return f"{prefix}{behind_prefix(id)}" if id.startswith(_foreign(prefix)) else id


def behind_prefix(id: str) -> str:
    """What is unique in `id`; all of it if it begins with no known prefix."""
    found = _PREFIX.match(id)
    return id[found.end() :] if found and found.end() < len(id) else id


@cache
def _foreign(prefix: str) -> tuple[str, ...]:
    return tuple({dialect.id_prefix for dialect in DIALECTS.values()} - {prefix, ""})
