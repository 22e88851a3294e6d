"""Text in, the same text without anything that looks like a key out. For all that goes to a log, a span or an event.

Keys are known by their shape (providers' prefixes, JWTs, private keys), by what stands before them (`Bearer`,
`api_key=`, `authorization:`), or literally, where a `Scrubber` was given the configured ones. What stands before a key
stays, so that a reader sees that there was one. No input takes more than linear time.
"""

import re
from collections.abc import Callable, Iterable

from telemetry import key_shapes

MARK = "[redacted]"
TEXT_LIMIT = 8192
"""Characters of a text in a span or a log line, unless the operator says otherwise."""
_SHORTEST_SECRET = 6
"""A configured secret shorter than this is not looked for: it would remove ordinary words."""
_LONGEST_SECRET = 4096
_FORMER_SECRETS = 1024
"""Secrets that are no longer configured and still looked for."""
_WORTH_KNOWING = 128
_KNOWN_AT_MOST = 4096
"""Short texts found harmless are remembered: spans say the same few words over and over."""


_NAMES = "|".join(
    (
        *(name.replace(" ", "[-_]?") for name in key_shapes.NAMES),
        r"secret[-_]\w{1,20}",
        rf"(?<![A-Za-z0-9_])(?:{'|'.join(key_shapes.WHOLE_NAMES)})",
        rf"(?<=[?&])(?:{'|'.join(key_shapes.QUERY_NAMES)})",
    )
)
_ASSIGNED = rf"(?:{_NAMES}){key_shapes.QUOTE}\s{{0,4}}[:=]\s{{0,4}}+{key_shapes.QUOTE}(?:(?:bearer|basic)\s{{1,4}}+)?+"
_RULES = (
    ("private", re.compile(rf"(?s){key_shapes.PEM_BEGIN}.*?(?:{key_shapes.PEM_END}|\Z)")),
    ("://", re.compile(r"(?<=://)[^\s/:@]{0,256}:[^\s/@]{1,256}(?=@)")),
    ("eyj", re.compile(rf"{key_shapes.JWT_BOUNDARY}eyJ[\w-]{{8,}}+\.{key_shapes.JWT_REST}++\.?")),
)
"""Patterns of keys, each behind what every text has that it matches, in lower case, which is cheaper to look for."""
_SCHEMES = (
    r"(?i:(?<![a-z])bearer\s{1,4})",
    # An ordinary word, too: what follows has to look like a credential.
    r"(?<![A-Za-z])[Bb]asic\s{1,4}(?=[A-Za-z0-9+/]{8})(?=[A-Za-z0-9+/]{0,200}[A-Z0-9=])",
)
_NAMED = re.compile(
    rf"(?P<before>(?i:{_ASSIGNED})|{'|'.join(_SCHEMES)})(?!\[redacted\])(?P<key>[^\s\"',;&}}\]\\]{{4,}})"
)
_SECRET_NAME = re.compile(rf"{key_shapes.CONTEXT.pattern}|(?i:secret[-_]\w{{1,20}}){key_shapes.QUOTE}\s{{0,4}}[:=]")
_NAME_END = re.compile(rf"(?i:{'|'.join(key_shapes.LAST_WORDS)}){key_shapes.QUOTE}\s{{0,4}}[:=]\Z")
_LONGEST_END = 32
"""Characters of a name's last word and of what may stand between it and the colon."""
_LONGEST_NAME = 64
"""Characters from the beginning of a secret's name to the colon behind it, at most."""
_LONGEST_GAP = 64
"""Characters from there to the fourth one of the key, at most."""
_LEAST = 8
"""Characters after a key's prefix that are enough to know it: a log may have truncated it."""
_PREFIXED = {
    stem: [
        (
            shape,
            re.compile(f"{shape.before}{re.escape(shape.prefix)}([{shape.alphabet}]{{{min(shape.least, _LEAST)},}}+)"),
        )
        for shape in shapes
    ]
    for stem, shapes in key_shapes.SHAPES_OF.items()
}


class Scrubber:
    """Removes keys from texts. `secrets` are removed whatever they look like."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: dict[str, None] = {}
        """The one that was given last comes last."""
        self._known: re.Pattern[str] | None = None
        self._harmless: set[str] = set()
        self.hide(secrets)

    def hide(self, secrets: Iterable[str]) -> None:
        """Remove these secrets from now on, too. Of those before, as many as there may be of former ones stay: somebody
        may still send or quote one."""
        given = dict.fromkeys(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)
        if given.keys() <= self._secrets.keys():
            return
        former = [secret for secret in self._secrets if secret not in given][-_FORMER_SECRETS:]
        self._secrets = dict.fromkeys([*former, *given])
        longest_first = sorted(self._secrets, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, longest_first)))
        # Python would keep hundreds of such patterns, with the secrets in them, one for each configuration.
        re.purge()
        self._harmless = set()

    def __call__(self, text: str) -> str:
        if text in self._harmless:
            return text
        if not text.isascii():
            # A lone surrogate could not be sent as UTF-8.
            text = text.encode("utf-8", "replace").decode()
        clean = self._scrub(text)
        if clean == text and len(text) <= _WORTH_KNOWING:
            if len(self._harmless) >= _KNOWN_AT_MOST:
                self._harmless.clear()
            self._harmless.add(text)
        return clean

    def _scrub(self, text: str) -> str:
        if self._known is not None:
            text = self._known.sub(MARK, text)
        if key_shapes.HEAD.search(text) is not None:
            text = _without_prefixed(text)
        low = text.lower()
        for hint, pattern in _RULES:
            if hint in low:
                text = pattern.sub(MARK, text)
        hints = _SECRET_NAME if "secret" in low else key_shapes.CONTEXT
        return text if hints.search(text) is None else _without_named(text, hints)


scrub = Scrubber()
"""Removes keys by their shape alone."""


def _without_prefixed(text: str) -> str:
    """A text without the keys that begin with a prefix of their issuer's."""
    kept: list[str] = []
    done = 0
    stem = key_shapes.next_stem(text, 0)
    while stem is not None:
        start, end = stem
        if start >= done and (key := _prefixed_key(text, start, end)):
            kept += (text[done:start], MARK)
            done = end = key.end()
        stem = key_shapes.next_stem(text, end)
    return "".join((*kept, text[done:])) if done else text


def _prefixed_key(text: str, start: int, end: int) -> re.Match[str] | None:
    for shape, pattern in _PREFIXED[text[start:end]]:
        if text.startswith(shape.prefix, start):
            key = pattern.match(text, start)
            is_name = key and shape.name_like and ("-" in key[1] or "_" in key[1]) and key_shapes.is_words(key[1])
            return None if is_name else key
    return None


def _without_named(text: str, hints: re.Pattern[str]) -> str:
    """A text without the keys that a name or a scheme stands before. Each is looked for only around what `hints` finds,
    characters that may follow a name: in a prompt of a megabyte that takes a twentieth of the time. What stands behind
    a name or a scheme may itself be one (`Bearer password=...`), so those within a key are looked at, too."""
    kept: list[str] = []
    done = start = 0
    for hint in hints.finditer(text):
        start, end = max(start, hint.start() - _LONGEST_NAME), hint.end() + _LONGEST_GAP
        if hint.end() - hint.start() == 1 and not _NAME_END.search(
            text, max(0, hint.start() - _LONGEST_END), hint.end()
        ):
            continue
        while near := _NAMED.search(text, start, end):
            start = near.start("key")
            if start >= done and (key := _NAMED.match(text, near.start())):
                kept += (text[done:start], MARK)
                done = key.end()
    return "".join((*kept, text[done:])) if done else text


def bounded(text: str, limit: int) -> str:
    """A text of at most `limit` characters, the last one an ellipsis where something was cut off."""
    return text if len(text) <= limit else (text[: limit - 1] + "…")[:limit]


def printable(text: str) -> str:
    """The text with an escape for each character that a terminal would not show as itself."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def clean(scrubber: Callable[[str], str], text: str, limit: int) -> str:
    """A text scrubbed and bounded. It is scrubbed beyond the limit, so that no key is cut to an unknown shape."""
    if len(text) <= limit:
        # A mark may be longer than the key that it stands for.
        scrubbed = scrubber(text)
        return scrubbed if len(scrubbed) <= limit else bounded(scrubbed, limit)
    return bounded(scrubber(bounded(text, limit + _LONGEST_SECRET)), limit)
