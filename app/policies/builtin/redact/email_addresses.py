"""E-mail addresses: found by their `@`, so that text without one costs next to nothing."""

import re
import string

from app.policies.builtin.redact.scanner import Found

_LATIN = "À-ÖØ-öø-ɏ"
_LABEL = rf"[A-Za-z0-9{_LATIN}-]"
_ASCII_LOCAL = string.ascii_letters + string.digits + "._%+-"
_LOCAL = _ASCII_LOCAL + "".join(chr(letter) for letter in range(0xC0, 0x250) if chr(letter) not in "×÷")
_LONGEST_LOCAL = 64
_LONGEST_DOMAIN = 8 * 64 + 24

_AT = rf"@(?<=[A-Za-z0-9._%+{_LATIN}-]@)"
_ADDRESS = re.compile(rf"{_AT}(?:{_LABEL}{{1,63}}+\.){{1,8}}[A-Za-z]{{2,24}}")
_UNFINISHED = re.compile(
    rf"{_AT}(?:(?:{_LABEL}{{1,63}}+\.){{0,7}}{_LABEL}{{0,63}}|(?:{_LABEL}{{1,63}}+\.){{8}}[A-Za-z]{{0,24}})\Z"
)
_MARKS = re.compile(r"[._%+-]+")
_VERSION = re.compile(r"v?[0-9]+\.[0-9]")
_FILE_TYPE = re.compile(
    "(?i)png|jpe?g|gif|svg|webp|bmp|tiff?|avif|heic|ico|icns|pdf|s?css|less|[mc]?jsx?|tsx?|json|html?|xml|ya?ml|toml|txt"
    "|[ct]sv|log|exe|dll|tar|t?gz|bz|xz|whl|jar|wav|ogg|[to]tf|woff"
)
"""Endings of file names, none of which is a top-level domain."""


class AddressScanner:
    """Finds e-mail addresses. Leaves the last word of a text undecided, as it may be the beginning of one."""

    prefilter = "@"

    def scan(self, text: str, start: int, final: bool) -> Found | None:
        position = start
        while found := _ADDRESS.search(text, position):
            at = found.start()
            local = word_start(text, start, at)
            if local < at:
                if not final and at > len(text) - _LONGEST_DOMAIN - 2 and _UNFINISHED.match(text, at):
                    return Found(local)
                if _means_mail(text[local:at], text[at + 1 : found.end()]):
                    return Found(local, found.end())
            position = at + 1
        return None if final else _unfinished(text, start)


def _unfinished(text: str, start: int) -> Found | None:
    at = text.rfind("@", max(start, len(text) - _LONGEST_DOMAIN - 2))
    if at >= 0 and _UNFINISHED.match(text, at) and (local := word_start(text, start, at)) < at:
        return Found(local)
    local = word_start(text, start, len(text))
    return Found(local) if local < len(text) else None


def word_start(text: str, start: int, end: int) -> int:
    """Where the word that ends at `end`, and may be the local part of an address, begins; `end` if there is none."""
    start = max(start, end - _LONGEST_LOCAL)
    return start + len(text[start:end].rstrip(_ASCII_LOCAL if text.isascii() else _LOCAL))


def _means_mail(local: str, domain: str) -> bool:
    """Whether this is an address. `git@github.com:org/repo`, `image@2x.png`, `package@1.2.3-beta.rc` and `+@app.route`
    of a diff are none."""
    last = domain.rpartition(".")[2]
    is_named = local != "git" and not _MARKS.fullmatch(local)
    return is_named and not _FILE_TYPE.fullmatch(last) and not _VERSION.match(domain)
