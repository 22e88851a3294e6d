"""Keys and passwords, kept out of recordings: headers that hold some are left out, known ones are masked in bodies.

A mask has as many bytes as what it stands for, so a body keeps its form and its length.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache

import msgspec

_WORDS = frozenset(
    {
        *("apikey", "apikeys", "assertion", "auth", "authorization", "cookie", "cookie2", "credential", "credentials"),
        *(
            "csrf",
            "dpop",
            "key",
            "keys",
            "oidc",
            "pass",
            "passwd",
            "password",
            "pwd",
            "secret",
            "sessionid",
            "signature",
        ),
        *("token", "xsrf"),
    }
)
"""Words of a header's name that say that there is a secret in it."""
_ENDS = ("apikey", "accesskey", "authorization", "cookie", "jwt", "password", "passwd", "secret", "token")
"""Ends of words that say so, where several are written as one: `x-amzn-oidc-accesstoken`."""
_HARMLESS = frozenset({"idempotency-key"})
_PART = re.compile(r"[-_.]")
_SHORTEST = 6
"""Characters of the shortest secret that is looked for: a shorter one would hit ordinary words."""
_FEW = 16
"""Secrets up to which each is looked for by itself, which is the faster way."""
_SCHEMES = frozenset({"basic", "bearer", "token"})
_NEEDLESS = re.compile(rb"\\u00(?:2[dD]|3[0-9]|4[1-9a-fA-F]|5[0-9aAfF]|6[1-9a-fA-F]|7[0-9aA])")
"""Letters, digits and hyphens as escapes, which no usual encoder of JSON writes."""

_WORTH_KNOWING = 128
_KNOWN_AT_MOST = 4096
"""Characters of a text, and texts, that a `Scrub` remembers."""

Headers = tuple[tuple[str, str], ...]


class Scrub:
    """Takes secrets out of texts by `take_out`. `known` are texts that had none: most of those that spans and headers
    have come again with each transaction."""

    __slots__ = ("_take_out", "known")

    def __init__(self, take_out: Callable[[str], str], known: set[str]) -> None:
        self._take_out = take_out
        self.known = known

    def __call__(self, text: str) -> str:
        if text in self.known:
            return text
        kept = self._take_out(text)
        if kept == text and len(text) <= _WORTH_KNOWING:
            if len(self.known) >= _KNOWN_AT_MOST:
                self.known.clear()
            self.known.add(text)
        return kept


@lru_cache(4096)
def is_credential(name: str) -> bool:
    """Whether a header, by its lower-case name, holds a secret."""
    return name not in _HARMLESS and any(word in _WORDS or word.endswith(_ENDS) for word in _PART.split(name))


def permitted_headers(headers: Iterable[tuple[str, str]], scrub: Callable[[str], str]) -> Headers:
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
        self._forms = forms
        self._each = forms if len(forms) <= _FEW else []
        self._all = re.compile(b"|".join(map(re.escape, forms))) if len(forms) > _FEW else None
        # Python would keep hundreds of such patterns, with the secrets in them, one for each configuration.
        re.purge()

    def __call__(self, data: bytes, more: Sequence[bytes] = ()) -> bytes:
        """The data with each known secret masked; the very same object where it has none."""
        for secret in (*self._each, *more):
            if secret in data:
                data = data.replace(secret, _stars(secret))
        if self._all is not None:
            data = self._all.sub(lambda found: _stars(found[0]), data)
        if _NEEDLESS.search(data) is not None and (forms := (*self._forms, *more)):
            data = re.sub(b"|".join(map(_with_escapes, forms)), lambda found: _stars(found[0]), data)
        # A body that ends as JSON or events do was not cut in a secret.
        return data if data[-1:] in (b"", b"}", b"]", b"\n") else self._without_a_beginning(data, more)

    def _without_a_beginning(self, data: bytes, more: Sequence[bytes]) -> bytes:
        """The data without the part of a secret in which it was cut off."""
        for secret in (*self._forms, *more):
            for size in range(len(secret) - 1, _SHORTEST - 1, -1):
                if data.endswith(secret[:size]):
                    return data[:-size] + b"*" * size
        return data


def _stars(secret: bytes) -> bytes:
    return b"*" * len(secret)


def _with_escapes(secret: bytes) -> bytes:
    """A pattern for the secret in which each character may be an escape of JSON."""
    return b"".join(
        b"(?:%s|(?i:\\\\u00%02x))" % (re.escape(secret[at : at + 1]), secret[at]) for at in range(len(secret))
    )


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


def clean_attributes(attributes: Mapping[str, object], scrub: Scrub) -> dict[str, object]:
    """The attributes that have a value, without keys in their texts."""
    known = scrub.known
    return {
        name: value if not isinstance(value, str) or value in known else scrub(value)
        for name, value in attributes.items()
        if value is not None
    }
