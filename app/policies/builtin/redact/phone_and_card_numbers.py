"""Telephone and card numbers among all the other numbers that a text has.

The expressions say where such a number can stand; the functions, whether it is one and where it ends. Rows and tables
of numbers, dates, versions, addresses of hosts, time stamps and amounts are none.
"""

import re

from app.policies.builtin.redact.scanner import ExpressionScanner

_GAP = "[ ().-]{0,2}+"
_PHONE = (
    rf"(?<=\+)[1-9](?:{_GAP}[0-9]){{7,14}}",
    rf"(?<=0)0[1-9](?:{_GAP}[0-9]){{8,13}}",
    rf"(?<=0)[1-9](?:{_GAP}[0-9]){{7,10}}",
    rf"(?<=\()0[1-9][0-9]{{0,4}}\)(?:{_GAP}[0-9]){{4,9}}",
    r"(?<=\()[0-9]{3}\)[ .-]{0,2}[0-9]{3}[ .-]{1,2}[0-9]{4}",
    r"(?<=1)[ .-]{0,2}\([0-9]{3}\)[ .-]{0,2}[0-9]{3}[ .-]{1,2}[0-9]{4}",
    r"(?<=1)[ .-]{1,2}[0-9]{3}[ .-]{1,2}[0-9]{3}[ .-]{1,2}[0-9]{4}",
    r"(?<=[0-9])[0-9]{2}[ .-]{1,2}[0-9]{3}[ .-]{1,2}[0-9]{4}",
)
"""The numbers after their first character: international (plus or zeros), national (one zero), North American."""
_CARD = r"[2-6](?<![0-9].)(?<![0-9]\..)[0-9]{3,18}(?:[ -][0-9]{3,7}){0,4}"

_DIGITS = re.compile(r"[0-9]+")
_DATE = re.compile(r"[0-9]{1,2}[.-][0-9]{1,2}[.-][0-9]{4}")
_IP = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}")
_ROW_GOES_ON = re.compile(r"[ .-][0-9]{2}")
_NORTH_AMERICAN = [3, 3, 4]
_NETWORKS = re.compile(
    r"""4[0-9]{12}(?:[0-9]{3}){0,2}                                             # Visa
      | (?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}    # Mastercard
      | 3[47][0-9]{13}                                                          # American Express
      | 3(?:0[0-59]|[689][0-9])[0-9]{11,16}                                     # Diners Club
      | 35(?:2[89]|[3-8][0-9])[0-9]{12,15}                                      # JCB
      | (?:6011|64[4-9][0-9]|65[0-9]{2}|62[0-9]{2}|220[0-4])[0-9]{12,15}        # Discover, UnionPay, Mir
      | (?:50[0-9]{2}|5[6-9][0-9]{2}|6[0-9]{3})[0-9]{9,15}                      # Maestro and other debit cards
    """,
    re.VERBOSE,
)
_DOUBLED = bytes.maketrans(b"0123456789", b"0246813579")
"""Twice each digit, its own digits added up."""


def phone_end(text: str, start: int, end: int) -> int:
    """Where the longest telephone number within these positions ends; 0 if there is none."""
    ends = [group.end() for group in _DIGITS.finditer(text, start, end)]
    return next((stop for stop in reversed(ends) if _is_phone(text, start, stop)), 0)


def card_end(text: str, start: int, end: int) -> int:
    """Where the longest card number within these positions ends; 0 if there is none."""
    ends = [group.end() for group in _DIGITS.finditer(text, start, end)]
    return next((stop for stop in reversed(ends) if stop - start >= 13 and _is_card(text[start:stop])), 0)


def _is_phone(text: str, start: int, stop: int) -> bool:
    groups = _DIGITS.findall(text, start, stop)
    digits = sum(map(len, groups))
    if text[start] == "+":
        return 8 <= digits <= 15
    if len(groups) < 2 or _DATE.match(text, start, stop) or _IP.fullmatch(text, start, stop):
        return False
    if groups[0][0] == "0":
        # In a row of numbers that are filled up with zeros, each has one.
        if all(group[0] == "0" for group in groups):
            return False
        if groups[0].startswith("00"):
            return 10 <= digits <= 15
        return 9 <= digits <= 12 and _is_national(text, start, stop, groups)
    return _is_north_american(text, start, stop, groups)


def _is_national(text: str, start: int, stop: int, groups: list[str]) -> bool:
    """Whether a number with one leading zero is grouped as telephone numbers are; five pairs of digits are French."""
    if any(len(group) != 2 for group in groups):
        return len(groups) <= 5
    separators = {text[at] for at in range(start + 2, stop, 3)}
    return len(groups) == 5 and len(separators) == 1 and not _ROW_GOES_ON.match(text, stop)


def _is_north_american(text: str, start: int, stop: int, groups: list[str]) -> bool:
    area = groups[1:] if groups[0] == "1" else groups
    if [len(group) for group in area] != _NORTH_AMERICAN:
        return False
    only_spaces = text[start:stop].replace(" ", "").isdigit()
    return not only_spaces or (area[0][0] not in "01" and not _ROW_GOES_ON.match(text, stop))


def _is_card(text: str) -> bool:
    digits = text.replace(" ", "").replace("-", "")
    if not _NETWORKS.fullmatch(digits):
        return False
    written = digits.encode()
    check = sum(written[-1::-2]) + sum(written[-2::-2].translate(_DOUBLED)) - ord("0") * len(written)
    return check % 10 == 0


PHONES = ExpressionScanner(
    rf"[+(0-9](?<![\w+.].)(?<!\w-.)(?:(?<=[+(])|(?<![0-9][ .-].))(?:{'|'.join(_PHONE)})",
    64,
    after=r"(?!\w)",
    accept=phone_end,
    look_ahead=3,
    alphabet="0123456789+( ).-",
    beginnings="0123456789+(",
    prefilter=r"[0-9]|[+(]\Z",
)
CARDS = ExpressionScanner(
    _CARD,
    64,
    after="(?![0-9])",
    accept=card_end,
    alphabet="0123456789 -",
    beginnings="23456",
    prefilter="[2-6]",
)
