"""Who may call: one check for every route but the health ones, before a body is read.

A key comes as `Authorization: Bearer ...` or `x-api-key: ...`. Keys are known by their digests: one is found by its
first bytes, whatever their number, and compared in constant time. What a caller could learn from the time that takes
is the beginning of a SHA-256, which nobody can choose.
"""

import ipaddress
from collections.abc import Sequence
from hashlib import sha256
from hmac import compare_digest
from urllib.parse import urlsplit

from app.errors import AuthenticationFailed

_NOBODYS = bytes(32)


class KeyRing:
    """The keys that callers may present; an empty ring lets in everybody (loopback only, checked at start) but pages of
    other sites: a browser lets any of them post to this machine, at the cost of whoever pays the models."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._digests = {_place(digest): digest for digest in map(_digest, keys)}

    def check(self, headers: dict[str, str]) -> None:
        if not self._digests:
            if not _is_ours(headers.get("origin")):
                raise AuthenticationFailed(
                    "Without keys the gateway answers no web pages but this machine's own; set a key to let others in."
                )
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


def _is_ours(origin: str | None) -> bool:
    """Whether no browser says that a page of another machine is behind it; `null` stands for a page that hides."""
    if origin is None:
        return True
    try:
        host = urlsplit(origin).hostname or ""
    except ValueError:
        return False
    return is_loopback(host)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _place(digest: bytes) -> bytes:
    return digest[:8]


def _digest(key: str) -> bytes:
    return sha256(key.encode("utf-8", "surrogateescape")).digest()
