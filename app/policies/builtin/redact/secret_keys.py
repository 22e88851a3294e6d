"""Keys, tokens and passwords, by the table of `telemetry.key_shapes`.

Much text only begins like a key. So text that consists of words (`sk-button-primary`) is not taken for one, and text
after a name (`password: `) only if it has digits or other characters that passwords have, which types, variables and
placeholders do not.
"""

import base64
import binascii
import re
import string

import regex

from app.policies.builtin.redact.scanner import LOOK_BEHIND, Continuation, Found
from telemetry import key_shapes
from telemetry.key_shapes import KeyShape

_DECISIVE_LENGTH = key_shapes.LONGEST_NAME
"""From so many characters on a text counts as a key, whatever it consists of."""


class _Shape:
    """An entry of the table, with its expressions."""

    def __init__(self, shape: KeyShape) -> None:
        self.prefix = shape.prefix
        self.least = shape.least
        self.before = re.compile(shape.before)
        self.run = re.compile(f"[{shape.alphabet}]{{0,{_DECISIVE_LENGTH}}}+")
        self.continuation = Continuation(re.compile(f"[{shape.alphabet}]*+"))
        self.name_like = shape.name_like

    def judge(self, text: str, position: int, final: bool) -> Found | None:
        """The key whose prefix stands at `position`, if it is one."""
        begin = position + len(self.prefix)
        run = self.run.match(text, begin)
        end = run.end() if run else begin
        if end - begin == _DECISIVE_LENGTH:
            return Found(position, end, self.continuation)
        if end - begin >= self.least and not (self.name_like and key_shapes.is_words(text[begin:end])):
            return Found(position, end, self.continuation)
        return None if final or end < len(text) else Found(position)


_SHAPES = {stem: [_Shape(shape) for shape in shapes] for stem, shapes in key_shapes.SHAPES_OF.items()}
_LONGEST_PREFIX = max(len(shape.prefix) for shape in key_shapes.SHAPES)
_BEGINNINGS = {
    stem[:length]: shapes[0].before for stem, shapes in key_shapes.SHAPES_OF.items() for length in range(1, len(stem))
}
_LAST_WORD = re.compile(
    "|".join(
        rf"{before}[{''.join(sorted(set(''.join(alike))))}]{{1,{max(map(len, alike))}}}\Z"
        for before in dict.fromkeys(shape.before for shape in key_shapes.SHAPES)
        if (alike := [beginning for beginning, it in _BEGINNINGS.items() if it == before])
    )
)


class PrefixedKeyScanner:
    """Finds keys by the prefixes of their issuers."""

    prefilter = key_shapes.HEAD.pattern

    def scan(self, text: str, start: int, final: bool) -> Found | None:
        stem = key_shapes.next_stem(text, start)
        while stem is not None:
            position, end = stem
            if position >= start and (found := _with_stem(text, position, text[position:end], final)):
                return found
            stem = key_shapes.next_stem(text, end)
        return None if final else _beginning_of_stem(text, start)


def _with_stem(text: str, position: int, stem: str, final: bool) -> Found | None:
    shapes = _SHAPES[stem]
    if not shapes[0].before.match(text, position):
        return None
    unfinished = not final and position + _LONGEST_PREFIX > len(text)
    for shape in shapes:
        if text.startswith(shape.prefix, position):
            return shape.judge(text, position, final)
        if unfinished and shape.prefix.startswith(text[position:]):
            return Found(position)
    return None


def _beginning_of_stem(text: str, start: int) -> Found | None:
    """The end of the text, if it may be the beginning of a prefix."""
    start = max(start, len(text) - _LONGEST_PREFIX)
    while word := _LAST_WORD.search(text, start):
        if word[0] in _BEGINNINGS:
            return Found(word.start())
        start = word.start() + 1
    return None


class FormScanner:
    """Finds secrets of a fixed `form`, which starts with the literal `head`; text of any length may follow."""

    def __init__(self, head: str, before: str, form: str, continuation: Continuation) -> None:
        self.prefilter = head
        self._head = head
        self._before = re.compile(before)
        self._form = regex.compile(form)
        self._continuation = continuation
        self._last_characters = frozenset(head[:-1])

    def scan(self, text: str, start: int, final: bool) -> Found | None:
        position = text.find(self._head, start)
        while position >= 0:
            if self._before.match(text, position) and (form := self._form.match(text, position, partial=not final)):
                return Found(position) if form.partial else Found(position, form.end(), self._continuation)
            position = text.find(self._head, position + 1)
        return None if final or text[-1:] not in self._last_characters else self._beginning(text, start)

    def _beginning(self, text: str, start: int) -> Found | None:
        for position in range(max(start, len(text) - len(self._head) + 1), len(text)):
            if self._head.startswith(text[position:]) and self._before.match(text, position):
                return Found(position)
        return None


_NAME_LENGTH = 60
_GAP_LENGTH = LOOK_BEHIND - _NAME_LENGTH
_NAME_CHARACTERS = string.ascii_letters + string.digits + "-_"
_JOINERS = str.maketrans("", "", "-_")
_NAMES = tuple(name.replace(" ", "") for name in key_shapes.NAMES)
_PASSWORDS = ("pass", "passwd", "password", "passphrase", "pwd")
_GAP = re.compile(rf"\s{{0,4}}+{key_shapes.QUOTE}(?:(?i:bearer|basic|token)\s{{1,4}}+)?+")
_VALUE = re.compile(rf"[^\s\"'`,;&|\\(){{}}<>\[\]]{{0,{_DECISIVE_LENGTH}}}+")
_TOKEN = re.compile(rf"[A-Za-z0-9._~+/=-]{{0,{_DECISIVE_LENGTH}}}+")
_SPECIAL = re.compile(r"[!@#%^*?]")
_LETTER = re.compile(r"[A-Za-z]")
_DIGIT = re.compile(r"[0-9]")


class NamedValueScanner:
    """Finds values after `password=`, `"api_key": `, `?sig=`, `Bearer`, `Basic` and the like. The name stays."""

    prefilter = key_shapes.CONTEXT.pattern

    def scan(self, text: str, start: int, final: bool) -> Found | None:
        for context in key_shapes.CONTEXT.finditer(text, max(0, start - _GAP_LENGTH)):
            if context.lastindex is None:
                found = _after_name(text, start, context.start(), final)
            elif start <= context.end() < len(text):
                found = _judge_token(text, context.end(), final, context.lastindex == 2)
            else:
                found = None
            if found is not None:
                return found
        return None


def _after_name(text: str, start: int, separator: int, final: bool) -> Found | None:
    gap = _GAP.match(text, separator + 1)
    position = gap.end() if gap else separator + 1
    if not start <= position < len(text):
        return None
    name = _secret_name(text[max(0, separator - _NAME_LENGTH) : separator])
    return _judge_value(text, position, final, name.endswith(_PASSWORDS)) if name else None


def _secret_name(before: str) -> str:
    """The name of a secret at the end of what stands before a colon or an equals sign; empty if there is none."""
    before = before.rstrip("\\\"'` \t\r\n")
    begin = len(before.rstrip(_NAME_CHARACTERS))
    name = before[begin:].lower().translate(_JOINERS)
    in_query = name in key_shapes.QUERY_NAMES and before[:begin].endswith(("?", "&"))
    return name if in_query or name.endswith(_NAMES) or name in key_shapes.WHOLE_NAMES else ""


def _judge_value(text: str, position: int, final: bool, is_password: bool) -> Found | None:
    run = _VALUE.match(text, position)
    end = run.end() if run else position
    if end - position < _DECISIVE_LENGTH:
        if end == len(text) and not final:
            return Found(position)
        value = text[position:end]
        if text[end : end + 1] in ("(", "[") or not (_is_password(value) if is_password else _is_random(value)):
            return None
    return Found(position, end, _REST_OF_VALUE)


def _is_random(value: str) -> bool:
    words = "." in value and key_shapes.is_words(value)
    return len(value) >= 8 and bool(_DIGIT.search(value) and _LETTER.search(value)) and value[0] != "$" and not words


def _is_password(value: str) -> bool:
    if len(value) < 4 or value[0] == "$" or ("." in value and key_shapes.is_words(value)):
        return False
    return value.isdigit() or bool(_LETTER.search(value) and (_DIGIT.search(value) or _SPECIAL.search(value)))


_REST_OF_VALUE = Continuation(re.compile(r"[^\s\"'`,;&|\\(){}<>\[\]]*+"))


def _judge_token(text: str, position: int, final: bool, is_basic: bool) -> Found | None:
    run = _TOKEN.match(text, position)
    end = run.end() if run else position
    if end - position < _DECISIVE_LENGTH:
        if end == len(text) and not final:
            return Found(position)
        token = text[position:end]
        if not (_is_user_and_password(token) if is_basic else _is_bearer(token)):
            return None
    return Found(position, end, _REST_OF_TOKEN)


def _is_bearer(token: str) -> bool:
    return len(token) >= 16 and bool(_DIGIT.search(token)) and not key_shapes.is_words(token)


def _is_user_and_password(token: str) -> bool:
    encoded = token.rstrip("=.")
    try:
        return b":" in base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except binascii.Error:
        return False


_REST_OF_TOKEN = Continuation(re.compile(r"[A-Za-z0-9._~+/=-]*+"))

_USER_LENGTH = 64
_USER = re.compile(rf"://[^\s/:@\"'`<>]{{0,{_USER_LENGTH}}}+:")
_PASSWORD = re.compile(rf"[^\s/@\"'`<>\\]{{0,{_DECISIVE_LENGTH}}}+")


class UrlPasswordScanner:
    """Finds passwords in URLs: `postgres://user:password@host`."""

    prefilter = r":(?=[^\s/@\"'`<>\\]|\Z)"

    def scan(self, text: str, start: int, final: bool) -> Found | None:
        position = text.find("://", max(0, start - _USER_LENGTH - 4))
        while position >= 0:
            user = _USER.match(text, position)
            if user and start <= user.end() < len(text) and (found := _before_host(text, user.end(), final)):
                return found
            position = text.find("://", position + 3)
        return None


def _before_host(text: str, position: int, final: bool) -> Found | None:
    password = _PASSWORD.match(text, position)
    end = password.end() if password else position
    if end == len(text) and not final and end - position < _DECISIVE_LENGTH:
        return Found(position)
    return Found(position, end) if end > position and text.startswith("@", end) else None


SECRETS = (
    PrefixedKeyScanner(),
    FormScanner(
        "eyJ",
        key_shapes.JWT_BOUNDARY,
        rf"{key_shapes.JWT_HEADER}(?:[A-Za-z0-9_-]{{10}}|\.)",
        Continuation(re.compile(f"{key_shapes.JWT_REST}*+"), regex.compile(key_shapes.JWT_REST)),
    ),
    # A key whose end is missing is a key all the same.
    FormScanner(
        "-----BEGIN ",
        "",
        key_shapes.PEM_BEGIN,
        Continuation(re.compile(f"{key_shapes.PEM_TEXT}*+"), regex.compile(rf"-[A-Za-z0-9]|{key_shapes.PEM_END}")),
    ),
    NamedValueScanner(),
    UrlPasswordScanner(),
)
