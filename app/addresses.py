"""Where an operator's parameters say that a provider is asked, and what is secret in them. Pure.

A base address may have a user and password: they go along as Basic authorization, and stand in no address that is
asked, logged or shown.
"""

import ipaddress
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

HEADER_BLOCKS = ("default_headers", "headers", "extra_headers")
"""The parameters that hold headers for a provider; where two name the same header, the later block counts."""
_SECRET_NAMES = ("key", "secret", "token", "password", "credential", "authorization")
_INTERNAL_NAMES = (".local", ".internal", ".localhost")
_INTERNAL_NETWORKS = tuple(
    map(
        ipaddress.ip_network,
        (
            *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16"),
            *("fc00::/7", "::1/128", "fe80::/10"),
        ),
    )
)
_SCHEMES = frozenset({"basic", "bearer", "token"})


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


def is_internal(base: str) -> bool:
    """Whether an address is one of the operator's network, by its name or number alone: nobody is asked for it."""
    try:
        host = (urlsplit(base).hostname or "").removesuffix(".")
    except ValueError:
        return False
    try:
        number = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_INTERNAL_NAMES))
    mapped = number.ipv4_mapped if isinstance(number, ipaddress.IPv6Address) else None
    return any((mapped or number) in network for network in _INTERNAL_NETWORKS)


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


def secrets_of_params(params: Mapping[str, Any]) -> Iterator[str]:
    """What of a deployment's parameters nobody may read: the values whose names say so, at any depth, every header, and
    the password of the base address."""
    yield from passwords(base_of(params))
    yield from _named_secrets(params)


def _named_secrets(params: Mapping[str, Any]) -> Iterator[str]:
    for name, value in params.items():
        if isinstance(value, Mapping):
            if name in HEADER_BLOCKS:
                yield from (text for header in value.values() for text in _forms(str(header)))
            yield from _named_secrets(value)
        elif isinstance(value, str) and any(word in str(name).lower() for word in _SECRET_NAMES):
            yield value


def _forms(header: str) -> Iterator[str]:
    """A header's value, and the credential in it alone, as a provider may quote it."""
    yield header
    scheme, _, credential = header.partition(" ")
    if scheme.lower() in _SCHEMES and credential:
        yield credential


def _userinfo(base: str) -> str | None:
    try:
        userinfo, at, _ = urlsplit(base).netloc.rpartition("@")
    except ValueError:
        return None
    return userinfo if at else None
