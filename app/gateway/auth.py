"""Who may call: one check for every route but the health ones, before a body is read.

A key comes as `Authorization: Bearer ...` or `x-api-key: ...`. Keys are known by their digests: one is found by its
first bytes, whatever their number, and compared in constant time. What a caller could learn from the time that takes
is the beginning of a SHA-256, which nobody can choose.
"""

from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest

from app.errors import AuthenticationFailed

_NOBODYS = bytes(32)


class KeyRing:
    """The keys that callers may present; an empty ring lets everybody in (loopback only, checked at start)."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = {_place(digest): digest for digest in map(_digest, keys)}

    def check(self, headers: dict[str, str]) -> None:
        if not self._digests:
            return
        presented = presented_key(headers)
        if presented is None:
            raise AuthenticationFailed(
                "No API key provided. Send it as `Authorization: Bearer KEY` or `x-api-key: KEY`."
            )
        digest = _digest(presented)
        if not compare_digest(digest, self._digests.get(_place(digest), _NOBODYS)):
            raise AuthenticationFailed("Incorrect API key provided.")


def presented_key(headers: dict[str, str]) -> str | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key") or None


def _place(digest: bytes) -> bytes:
    return digest[:8]


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()
