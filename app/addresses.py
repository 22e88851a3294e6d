"""The base address that an operator gives a provider, with or without a user and password in it. Pure.

User and password go along as Basic authorization, and stand in no address that is asked, logged or shown.
"""

from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit


def base_of(params: Mapping[str, Any]) -> Any:
    """The base address among a deployment's parameters, as the operator wrote it; None for the provider's default."""
    return params.get("api_base") or params.get("base_url") or None


def split_base(base: str) -> SplitResult:
    """Split an http(s) address. Raises ValueError, with a text for the operator, where it is none."""
    try:
        parts = urlsplit(base)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        known = False
    if not known:
        # Wherever in it a password ends, it is before the last @.
        raise ValueError(f"api_base {base.rpartition('@')[2]!r} is not an http(s) address")
    return parts


def without_credentials(base: str) -> tuple[str, str | None]:
    """The address alone, and the value of the Authorization header that stands for its user and password."""
    found = _userinfo(base)
    if found is None:
        return base, None
    user, _, password = found.partition(":")
    credentials = f"{unquote(user)}:{unquote(password)}".encode()
    parts = urlsplit(base)
    address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    return address, f"Basic {b64encode(credentials).decode()}"


def passwords(base: object) -> Iterator[str]:
    """The password of an address in every form that is a secret: as written, decoded, and as Basic credentials."""
    if not isinstance(base, str) or (found := _userinfo(base)) is None:
        return
    _, basic = without_credentials(base)
    password = found.partition(":")[2]
    yield from {text for text in (password, unquote(password), (basic or "").removeprefix("Basic ")) if text}


def _userinfo(base: str) -> str | None:
    try:
        userinfo, at, _ = urlsplit(base).netloc.rpartition("@")
    except ValueError:
        return None
    return userinfo if at else None
