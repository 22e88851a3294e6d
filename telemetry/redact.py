"""Text in, the same text without anything that looks like a key out. For all that goes to a log, a span or an event.

Keys are known by their shape (providers' prefixes, JWTs, private keys), by what stands before them (`Bearer`,
`api_key=`, `authorization:`), or literally, where a `Scrubber` was given the configured ones. What stands before a key
stays, so that a reader sees that there was one. No input takes more than linear time.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

MARK = "[redacted]"
_SHORTEST_SECRET = 6
"""A configured secret shorter than this is not looked for: it would blot out ordinary words."""
_LONGEST_SECRET = 4096
_WORTH_KNOWING = 128
_KNOWN_AT_MOST = 4096
"""Short texts found harmless are remembered: spans say the same few words over and over."""


@dataclass(frozen=True)
class _Rule:
    """One of `hints`, in lower case, is in every text that `pattern` matches: they are much cheaper to look for."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]


def _rule(hints: str, pattern: str) -> _Rule:
    return _Rule(tuple(hints.split()), re.compile(pattern))


_NAMES = "|".join(
    (
        r"authorization",
        r"(?:api|access|master|private|subscription)[-_]?key(?:[-_]?id)?",
        r"(?:api|access|auth|refresh|id|session|security)[-_]?token",
        r"secret(?:[-_]\w{1,20})?",
        r"passw(?:or)?d",
        r"credentials?",
        r"(?<=[?&])(?:key|token|sig|signature|code)",
    )
)
_QUOTE = r"\\{0,3}[\"']?"
_ASSIGNED = rf"(?:{_NAMES}){_QUOTE}\s{{0,4}}[:=]\s{{0,4}}+{_QUOTE}(?:(?:bearer|basic)\s{{1,4}}+)?+"
_RULES = (
    _rule("private", r"(?s)-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"),
    _rule("://", r"(?<=://)[^\s/:@]{1,256}:[^\s/@]{1,256}(?=@)"),
    _rule("eyj", r"eyJ[\w-]{8,400}\.[\w-]{8,}(?:\.[\w-]*)?"),
    _rule("sk- sk_ pk- pk_ rk- rk_", r"(?<![A-Za-z])(?:sk|pk|rk)[-_][\w-]{8,}"),
    _rule("akia asia abia acca", r"(?<![A-Za-z])(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}"),
    _rule("aiza ya29.", r"(?:AIza|ya29\.)[\w.-]{10,}"),
    _rule("xox glpat- github_pat_", r"(?:xox[a-z]-|glpat-|github_pat_)[\w-]{8,}"),
    _rule("ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_\w{16,}"),
    _rule(
        "gsk xai hf_ hf- r8_ r8- pplx nvapi csk tgp fw_ fw- lsv2",
        r"(?<![A-Za-z])(?:gsk|xai|hf|r8|pplx|nvapi|csk|tgp|fw|lsv2)[-_][\w-]{12,}",
    ),
    _rule("basic", r"(?<![A-Za-z])[Bb]asic\s{1,4}(?=[A-Za-z0-9+/]{0,200}[A-Z0-9=])[A-Za-z0-9+/]{8,}={0,2}"),
    _rule(
        "key token secret passw credential authori bearer sig= signature= code=",
        rf"(?P<before>(?i:{_ASSIGNED}|(?<![a-z])bearer\s{{1,4}}))(?!\[redacted\])[^\s\"',;&}}\]\\]{{4,}}",
    ),
)


class Scrubber:
    """`secrets` are blotted out wherever they stand, whatever they look like."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        known = sorted({secret for secret in secrets if len(secret) >= _SHORTEST_SECRET}, key=len, reverse=True)
        self._known = re.compile("|".join(map(re.escape, known))) if known else None
        self._harmless: set[str] = set()

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
        low = text.lower()
        for rule in _RULES:
            for hint in rule.hints:
                if hint in low:
                    text = rule.pattern.sub(_blot, text)
                    break
        return text


scrub = Scrubber()
"""By shape alone."""


def _blot(match: re.Match[str]) -> str:
    return (match.groupdict().get("before") or "") + MARK


def bounded(text: str, limit: int) -> str:
    """At most `limit` characters, the last one an ellipsis where something was cut off."""
    return text if len(text) <= limit else (text[: limit - 1] + "…")[:limit]


def clean(scrubber: Scrubber, text: str, limit: int) -> str:
    """Scrubbed and bounded. Looks a little past the limit, so that no key is cut to a shape that is not known."""
    return bounded(scrubber(bounded(text, limit + _LONGEST_SECRET)), limit)
