"""Where texts stand in the bytes of a request or an answer, so that they can be masked without moving anything else.

Which strings are texts is what `app.text_fields` has for policies: what no policy reads, none takes out.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

import msgspec

from app.text_fields import FREE, SECRETS, is_symbol, kind_of

_TOKEN = re.compile(rb'[ \t\r\n]*(?:("[^"\\]*(?:\\.[^"\\]*)*")|([{}\[\],:])|([^\s{}\[\],:"]+))', re.DOTALL)
_UNIT = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u.{4}|\\.|[\xc0-\xff][\x80-\xbf]*|.", re.DOTALL
)
"""The bytes of one character in a string of JSON."""
_INTEGER = re.compile(rb"-?\d{7,}")
"""A number of fewer digits identifies nobody."""
_SECRET_FIELD = re.compile(
    rb'"(?:%s)"[ \t\r\n]*:' % "|".join(sorted({name.partition(".")[0] for name in SECRETS})).encode()
)
_DEPTH = 200


class NotJson(Exception):
    """The bytes are no JSON, or not all of it."""


class TextSpan(NamedTuple):
    """The bytes from `begin` to `end` are a text: inside the quotes of a string, or digits."""

    begin: int
    end: int
    is_number: bool = False
    is_secret: bool = False
    """No policy changes it, and nobody but its receiver may know it."""


class _Node(NamedTuple):
    """A value: a string or another word by its bytes, or a container by what is in it."""

    begin: int
    end: int
    kind: bytes
    """`"`, `{`, `[`, or nothing for a word."""
    items: tuple["tuple[_Node | None, _Node]", ...] = ()
    """Each with its key, in an object."""


def text_spans(data: bytes, begin: int = 0, end: int | None = None) -> list[TextSpan]:
    """The texts of the JSON that stands in these bytes, in order. Raises NotJson."""
    found: list[TextSpan] = []
    limit = len(data) if end is None else end
    parser = _Parser(data, begin, limit)
    node = parser.value(_DEPTH)
    if data[parser.at : limit].strip():
        raise NotJson
    _Visit(data, found).value(node)
    return found


def decoded(data: bytes, span: TextSpan) -> str:
    """The text that stands there."""
    raw = data[span.begin : span.end]
    if span.is_number:
        return raw.decode()
    try:
        text = msgspec.json.decode(b'"' + raw + b'"')
    except (msgspec.MsgspecError, UnicodeError):
        return raw.decode("latin-1")
    return str(text)


def units(data: bytes, span: TextSpan) -> Iterator[tuple[int, int]]:
    """Begin and end of each of its characters."""
    for unit in _UNIT.finditer(data, span.begin, span.end):
        yield unit.span()


def secret_spans(data: bytes) -> Iterator[TextSpan]:
    """The texts in fields that hold secrets, of JSON that is broken or cut as well. What does not end is one text."""
    for field in _SECRET_FIELD.finditer(data):
        at, depth = field.end(), 0
        while (token := _TOKEN.match(data, at)) is not None:
            at = token.end()
            if token[1]:
                yield TextSpan(token.start(1) + 1, token.end(1) - 1, is_secret=True)
            depth += {b"{": 1, b"[": 1, b"}": -1, b"]": -1}.get(token[2], 0)
            if depth <= 0:
                break
        else:
            yield TextSpan(at, len(data), is_secret=True)


class _Parser:
    def __init__(self, data: bytes, begin: int, end: int) -> None:
        self._data = data
        self._end = end
        self.at = begin

    def value(self, depth: int) -> _Node:
        token = self._next()
        if token[1]:
            return _Node(token.start(1) + 1, token.end(1) - 1, b'"')
        if token[3]:
            return _Node(token.start(3), token.end(3), b"")
        if token[2] == b"{" and depth:
            return self._object(token.start(2), depth - 1)
        if token[2] == b"[" and depth:
            return self._array(token.start(2), depth - 1)
        raise NotJson

    def _object(self, begin: int, depth: int) -> _Node:
        items: list[tuple[_Node | None, _Node]] = []
        if self._closes(b"}"):
            return _Node(begin, self.at, b"{")
        while True:
            key = self.value(0)
            if key.kind != b'"' or self._next()[2] != b":":
                raise NotJson
            items.append((key, self.value(depth)))
            if (mark := self._next()[2]) == b"}":
                return _Node(begin, self.at, b"{", tuple(items))
            if mark != b",":
                raise NotJson

    def _array(self, begin: int, depth: int) -> _Node:
        items: list[tuple[_Node | None, _Node]] = []
        if self._closes(b"]"):
            return _Node(begin, self.at, b"[")
        while True:
            items.append((None, self.value(depth)))
            if (mark := self._next()[2]) == b"]":
                return _Node(begin, self.at, b"[", tuple(items))
            if mark != b",":
                raise NotJson

    def _closes(self, mark: bytes) -> bool:
        before = self.at
        if self._next()[2] == mark:
            return True
        self.at = before
        return False

    def _next(self) -> re.Match[bytes]:
        token = _TOKEN.match(self._data, self.at, self._end)
        if token is None:
            raise NotJson
        self.at = token.end()
        return token


class _Visit:
    """Goes through a value as `TextMap` does."""

    def __init__(self, data: bytes, found: list[TextSpan]) -> None:
        self._data = data
        self._found = found

    def value(self, node: _Node, name: str = "", parent: str = "", around: str = "", free: bool = False) -> None:
        match node.kind:
            case b'"':
                self._string(node, name, parent, around, free)
            case b"{":
                self._object(node, name, parent, around, free)
            case b"[":
                within = "" if name == "input" else name
                for _, inner in node.items:
                    self.value(inner, within, parent, around, free)
            case _ if free and _INTEGER.fullmatch(self._data, node.begin, node.end):
                self._found.append(TextSpan(node.begin, node.end, is_number=True))

    def _string(self, node: _Node, name: str, parent: str, around: str, free: bool) -> None:
        kind = "text" if free else kind_of(name, parent, around)
        if node.begin == node.end or (kind == "symbol" and is_symbol(self._text(node))):
            return
        self._found.append(TextSpan(node.begin, node.end, is_secret=kind == "secret"))

    def _object(self, node: _Node, name: str, parent: str, around: str, free: bool) -> None:
        if not free and kind_of(name, parent, around) == "secret":
            self._all_secret(node)
            return
        strings = {self._text(key): inner for key, inner in node.items if key is not None and inner.kind == b'"'}
        of_type, media = strings.get("type"), strings.get("media_type")
        inner_parent = "" if of_type is None else self._text(of_type)
        inner_around = name if media is None else self._text(media)
        inner_free = free or name in FREE
        for key, inner in node.items:
            if key is not None:
                text = self._text(key)
                if inner_free or not is_symbol(text):
                    self._found.append(TextSpan(key.begin, key.end))
                self.value(inner, text, inner_parent, inner_around, inner_free)

    def _all_secret(self, node: _Node) -> None:
        if node.kind == b'"':
            self._found.append(TextSpan(node.begin, node.end, is_secret=True))
        for _, inner in node.items:
            self._all_secret(inner)

    def _text(self, node: _Node) -> str:
        return self._data[node.begin : node.end].decode("latin-1")
