"""Ids of users and sessions that are longer than OpenAI's APIs take. Pure.

Anthropic takes 256 characters, and Claude Code sends some 160: https://github.com/maximhq/bifrost/issues/1000. One that
is cut would be the same for several sessions, so its digest goes in its place, always the same for the same one.
"""

from hashlib import sha256
from typing import Any

LONGEST = 64
"""Characters, by https://platform.openai.com/docs/api-reference/chat/create; a SHA-256 in hexadecimal has so many."""
_IDS = ("user", "safety_identifier", "prompt_cache_key")


def with_short_ids(body: dict[str, Any]) -> dict[str, Any]:
    """The body with each id as it is taken; the same object if none was too long."""
    for name in _IDS:
        if name in body and isinstance(value := body[name], str) and len(value) > LONGEST:
            body = {**body, name: sha256(value.encode()).hexdigest()}
    return body
