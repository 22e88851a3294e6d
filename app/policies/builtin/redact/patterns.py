"""What can be redacted: the built-in patterns, and the check of an operator's own."""

import re
from typing import Literal, NamedTuple, get_args

import regex

from app.policies.builtin.redact.email_addresses import AddressScanner
from app.policies.builtin.redact.phone_and_card_numbers import CARDS, PHONES
from app.policies.builtin.redact.scanner import ExpressionScanner, Scanner
from app.policies.builtin.redact.secret_keys import SECRETS

BuiltinName = Literal["email", "phone", "card", "secret"]
BUILTIN_NAMES: tuple[BuiltinName, ...] = get_args(BuiltinName)


class Pattern(NamedTuple):
    """All that is replaced under one name."""

    name: str
    scanners: tuple[Scanner, ...]


BUILTIN: dict[BuiltinName, Pattern] = {
    "email": Pattern("email", (AddressScanner(),)),
    "phone": Pattern("phone", (PHONES,)),
    "card": Pattern("card", (CARDS,)),
    "secret": Pattern("secret", SECRETS),
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
    """The expression is none, or cannot be searched for in a stream."""


def custom_pattern(name: str, expression: str, max_length: int, time_limit: float) -> Pattern:
    """An operator's own pattern. `\\b` may stand at its very beginning and end, and counts for all of it.

    A longer match than `max_length` characters is cut there; `time_limit` is in seconds for one search. Raises
    UnfitPattern.
    """
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
    scanner = ExpressionScanner(body, max_length, before=before, after=after, time_limit=time_limit)
    return Pattern(name, (scanner,))
