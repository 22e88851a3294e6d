"""Names of tools that are too long, cut, and told apart by a digest. Pure.

The same name is always cut alike, so that calls in a conversation fit the tools beside them.
"""

from hashlib import sha256

LONGEST = 64
"""Characters in a name that OpenAI takes."""
_DIGEST = 8


def cut(name: str, whole: str) -> str:
    """As much of `name` as leaves room for a digest of `whole`, the name that it stands for."""
    return f"{name[: LONGEST - _DIGEST - 1]}_{sha256(whole.encode()).hexdigest()[:_DIGEST]}"
