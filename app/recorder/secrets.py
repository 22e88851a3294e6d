"""Keys and passwords, kept out of recordings: headers that hold some are left out, known ones are masked in bodies.

A mask has as many bytes as what it stands for, so a body keeps its form and its length.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

from telemetry import Scrubber

_WORDS = frozenset(
    {
        *("apikey", "auth", "authorization", "cookie", "cookie2", "credential", "credentials"),
        *("key", "password", "secret", "signature", "token"),
    }
)
"""Words of a header's name that say that there is a secret in it."""
_HARMLESS = frozenset({"idempotency-key"})
_PART = re.compile(r"[-_.]")
_SHORTEST = 6
"""Characters of the shortest secret that is looked for: a shorter one would hit ordinary words."""
_FEW = 16
"""Secrets up to which each is looked for by itself, which is the faster way."""
_SCHEMES = frozenset({"basic", "bearer", "token"})

Headers = tuple[tuple[str, str], ...]


@lru_cache(4096)
def is_credential(name: str) -> bool:
    """Whether a header, by its lower-case name, holds a secret."""
    return name not in _HARMLESS and not _WORDS.isdisjoint(_PART.split(name))


def permitted_headers(headers: Iterable[tuple[str, str]], scrub: Scrubber) -> Headers:
    """The headers without those that hold credentials, under lower-case names; keys in the others are masked."""
    return tuple([(low, scrub(value)) for name, value in headers if not is_credential(low := name.lower())])


def raw_headers(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[str, str]]:
    return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in headers]


def credentials_in(headers: Iterable[tuple[str, str]]) -> list[str]:
    """What a caller or the gateway presented by these headers: the values that hold secrets, without their schemes."""
    found = []
    for name, value in headers:
        if is_credential(name.lower()):
            scheme, _, rest = value.partition(" ")
            found.append(rest.strip() if rest and scheme.lower() in _SCHEMES else value)
    return found


class SecretMask:
    """Masks known secrets in bodies: the configured ones, and those given with a transaction."""

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = sorted(_forms(secrets), key=len, reverse=True)
        self._each = forms if len(forms) <= _FEW else []
        self._all = re.compile(b"|".join(map(re.escape, forms))) if len(forms) > _FEW else None

    def __call__(self, data: bytes, more: Sequence[bytes] = ()) -> bytes:
        """The data with each known secret masked; the very same object where it has none."""
        for secret in (*self._each, *more):
            if secret in data:
                data = data.replace(secret, b"*" * len(secret))
        return data if self._all is None else self._all.sub(lambda found: b"*" * len(found[0]), data)


def secret_forms(secrets: Iterable[str]) -> tuple[bytes, ...]:
    """What to look for in bodies for these secrets, the longest first."""
    return tuple(sorted(_forms(secrets), key=len, reverse=True))


def _forms(secrets: Iterable[str]) -> set[bytes]:
    """Each secret as it stands in a text, and in JSON."""
    forms: set[bytes] = set()
    for secret in secrets:
        if len(secret) >= _SHORTEST:
            plain = secret.encode("utf-8", "surrogateescape")
            forms |= {plain, plain.replace(b"/", b"\\/")}
            if secret.isprintable():
                forms.add(msgspec.json.encode(secret)[1:-1])
    return forms


def clean_attributes(attributes: Mapping[str, object], scrub: Scrubber) -> dict[str, object]:
    """The attributes that have a value, without keys in their texts."""
    return {
        name: scrub(value) if isinstance(value, str) else value
        for name, value in attributes.items()
        if value is not None
    }
