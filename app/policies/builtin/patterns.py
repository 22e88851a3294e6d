"""What can be redacted: the built-in patterns, and the check of an operator's own.

A pattern's `body` does not look ahead. So "could the end of this text still become a match?" is a question about the
body and what stands before it, which is known, and a stream holds back that much and no more. What must not follow a
match is said apart, in `after`. The built-in patterns are bounded: no text can make their search slow.
"""

import re
import string
from collections.abc import Callable, Iterator
from typing import Literal, get_args

import regex
from msgspec import Struct

BuiltinName = Literal["email", "phone", "card", "secret"]
BUILTIN_NAMES: tuple[BuiltinName, ...] = get_args(BuiltinName)


def _whole(text: str) -> int:
    return len(text)


class Pattern(Struct, frozen=True):
    """`accept` says how much of a matched text really is meant: its length or less, 0 for nothing."""

    name: str
    body: str
    max_length: int
    """A longer match is cut there."""
    before: str = ""
    after: str = ""
    accept: Callable[[str], int] = _whole
    alphabet: frozenset[str] | None = None
    """The characters that a match is made of, where they are few. This and the next are only means to be faster."""
    needs: str = ""
    """Characters of which every match has at least one."""
    time_limit: float | None = None
    """Seconds for one search, for patterns that nobody has proved to be fast."""


def card_length(text: str) -> int:
    """Card numbers have 13 to 19 digits and a check digit; what follows them may look like more digits."""
    if text[0] not in "23456":
        return 0
    return next((len(start) for start in _digit_groups(text) if _is_card(start)), 0)


def phone_length(text: str) -> int:
    """With a `+`, anything long enough; without, only what is written as telephone numbers are."""
    return next((len(start) for start in _digit_groups(text) if _is_phone(start)), 0)


_DIGITS = re.compile(r"[0-9]+")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}[.-][0-9]{1,2}[.-][0-9]{4}")
_IP = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_NORTH_AMERICAN = (3, 3, 4)
_DOUBLED = str.maketrans("0123456789", "0246813579")
"""Twice each digit, its own digits added up."""


def _digit_groups(text: str) -> Iterator[str]:
    """The beginnings of `text` that end with a group of digits, the longest first."""
    return (text[:end] for end in reversed([group.end() for group in _DIGITS.finditer(text)]))


def _is_card(text: str) -> bool:
    digits = text.replace(" ", "").replace("-", "")
    if not 13 <= len(digits) <= 19:
        return False
    doubled = digits[-2::-2].translate(_DOUBLED)
    return sum(map(int, digits[-1::-2] + doubled)) % 10 == 0


def _is_phone(text: str) -> bool:
    groups = _DIGITS.findall(text)
    digits = sum(len(group) for group in groups)
    if text.startswith("+"):
        return 8 <= digits <= 15
    if len(groups) < 2 or _DATE.match(text) or _IP.fullmatch(text):
        return False
    if groups[0] == "1":
        groups = groups[1:]
    national = groups[0].startswith("0") and len(groups[0]) > 1 and 9 <= digits <= 12
    return national or tuple(len(group) for group in groups) == _NORTH_AMERICAN


_PEM_TEXT = r"(?:[A-Za-z0-9+/=\s\\:,]|-[A-Za-z0-9]){0,16384}"
_PEM_KEY = r"[A-Z0-9 ]{0,24}PRIVATE KEY-----"
_SECRETS = (
    r"sk-[A-Za-z0-9_-]{16,512}",
    r"(?:AKIA|ASIA)[A-Z0-9]{16}",
    r"gh[pousr]_[A-Za-z0-9]{20,255}",
    r"github_pat_[A-Za-z0-9_]{22,255}",
    r"glpat-[A-Za-z0-9_-]{20,255}",
    r"xox[abeoprs]-[A-Za-z0-9-]{10,255}",
    r"AIza[A-Za-z0-9_-]{35}",
    r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{10,4096}\.eyJ[A-Za-z0-9_-]{10,8192}\.[A-Za-z0-9_-]{10,1024}",
    # A key whose end is missing is a key all the same.
    rf"-----BEGIN {_PEM_KEY}(?:{_PEM_TEXT}-----END {_PEM_KEY}|{_PEM_TEXT})",
)

_ALPHANUMERIC = frozenset(string.ascii_letters + string.digits)

BUILTIN: dict[BuiltinName, Pattern] = {
    "email": Pattern(
        "email",
        r"[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}",
        640,
        alphabet=_ALPHANUMERIC | frozenset("._%+-@"),
        needs="@",
    ),
    "phone": Pattern(
        "phone",
        r"[0-9+(](?:[ ().-]{0,2}[0-9]){6,15}",
        64,
        alphabet=frozenset(string.digits + "+( ).-"),
        needs=string.digits,
        before=r"(?<![\w+.])(?<![0-9][ .-])",
        after=r"(?!\w)",
        accept=phone_length,
    ),
    "card": Pattern(
        "card",
        r"[0-9]{3,19}(?:[ -][0-9]{2,6}){0,5}",
        64,
        alphabet=frozenset(string.digits + " -"),
        needs=string.digits,
        before=r"(?<![0-9])(?<![0-9]\.)",
        after=r"(?![0-9])",
        accept=card_length,
    ),
    "secret": Pattern("secret", "|".join(_SECRETS), 40_000, before=r"(?<![A-Za-z0-9])", needs="-_AJ"),
}

_UNFIT = re.compile(
    r"""\\[AZzGbB]          # anchors and boundaries
      | \\[1-9] | \\g | \(\?P=   # back references
      | \(\?<?[=!]             # looking ahead or behind
      | \(\?[aiLmsuxbefpwrV0-9-]+\)   # flags for the whole pattern
      | \(\?[R&>|(] | \(\*     # recursion, conditions, verbs
      | [\^$]                  # ends of lines
    """,
    re.VERBOSE,
)
_CLASS_OR_ESCAPED = re.compile(r"\[\^?\]?(?:\\.|[^\]\\])*\]|\\[^AZzGbB1-9g]", re.DOTALL)
_EDGE = r"\b"


class UnfitPattern(ValueError):
    """Not a regular expression, or not one that can be searched for in a stream."""


def own_pattern(name: str, expression: str, max_length: int, time_limit: float) -> Pattern:
    """A pattern of the operator's. `\\b` may stand at its very beginning and end, and counts for all of it."""
    body = expression.removeprefix(_EDGE)
    before = _EDGE if body != expression else ""
    after = _EDGE if body.endswith(_EDGE) and not body.endswith("\\" + _EDGE) else ""
    body = body.removesuffix(after) if after else body
    if unfit := _UNFIT.search(_CLASS_OR_ESCAPED.sub("", body)):
        raise UnfitPattern(f"{unfit[0]} cannot be used in a stream (\\b can, at the very beginning and end)")
    try:
        compiled = regex.compile(body)
    except (regex.error, OverflowError, RecursionError) as error:
        raise UnfitPattern(f"not a regular expression: {error}") from error
    if compiled.fullmatch(""):
        raise UnfitPattern("it matches the empty text")
    return Pattern(name, body, max_length, before, after, time_limit=time_limit)
