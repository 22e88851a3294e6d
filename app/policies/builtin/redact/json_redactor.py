"""JSON text in pieces, redacted JSON text out: valid if it was valid, and as it came where nothing was replaced. Pure.

Strings are searched with their escapes decoded (`bob\\u0040example.org`), and numbers as well: one that holds a match
becomes 0, so that a reader that expects a number gets one. Text that is no JSON is searched in the same way.
"""

import json
import re

from app.policies.builtin.redact.stream_redactor import Detector, StreamRedactor, redact

_PLAIN = re.compile(r'[^"\\]+')
_BARE = re.compile(r'[^"{}\[\],:]+')
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_BARE_LIMIT = 1024
"""Characters of a bare value that are searched together; valid JSON has none nearly as long."""
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class JsonRedactor:
    """One JSON text. `feed` its pieces, then `flush`; after that it is as new."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._string = StreamRedactor(detector)
        self._in_string = False
        # How each held character of the string is written, and the beginning of an escape that is still incomplete.
        self._written: list[str] = []
        self._meant: list[str] = []
        self._escape = ""
        self._bare = ""
        self._bare_replaced = 0

    def take_replaced(self) -> int:
        count, self._bare_replaced = self._bare_replaced, 0
        return count + self._string.take_replaced()

    def feed(self, text: str) -> str:
        out: list[str] = []
        at = 0
        while at < len(text):
            at = self._read_string(text, at, out) if self._in_string else self._read_outside(text, at, out)
        if self._meant:
            self._advance(out)
        return "".join(out)

    def flush(self) -> str:
        out: list[str] = []
        if self._in_string:
            self._advance(out, final=True)
            out.append(self._escape)
        self._end_bare(out)
        self._in_string = False
        self._escape = ""
        return "".join(out)

    def _read_outside(self, text: str, at: int, out: list[str]) -> int:
        if bare := _BARE.match(text, at):
            self._bare += bare[0]
            while len(self._bare) > _BARE_LIMIT:
                out.append(self._redact_bare(self._bare[:_BARE_LIMIT]))
                self._bare = self._bare[_BARE_LIMIT:]
            return bare.end()
        self._end_bare(out)
        out.append(text[at])
        self._in_string = text[at] == '"'
        return at + 1

    def _read_string(self, text: str, at: int, out: list[str]) -> int:
        if self._escape:
            self._escape += text[at]
            if len(self._escape) == (6 if self._escape[1] == "u" else 2):
                escape, self._escape = self._escape, ""
                self._written.append(escape)
                self._meant.append(_meaning(escape))
            return at + 1
        if plain := _PLAIN.match(text, at):
            self._written.extend(plain[0])
            self._meant.append(plain[0])
            return plain.end()
        if text[at] == "\\":
            self._escape = "\\"
            return at + 1
        self._advance(out, final=True)
        out.append('"')
        self._in_string = False
        return at + 1

    def _advance(self, out: list[str], final: bool = False) -> None:
        meant = "".join(self._meant)
        self._meant.clear()
        done = 0
        for piece in self._string.pieces(meant, final):
            end = done + len(piece.original)
            if piece.replacement is None:
                out.extend(self._written[done:end])
            else:
                out.append(_quoted(piece.replacement)[1:-1])
            done = end
        del self._written[:done]

    def _end_bare(self, out: list[str]) -> None:
        if self._bare:
            out.append(self._redact_bare(self._bare))
            self._bare = ""

    def _redact_bare(self, text: str) -> str:
        value = text.strip()
        redacted = redact(value, self._detector)
        if redacted == value:
            return text
        self._bare_replaced += 1
        before, after = text.split(value, 1)
        return before + ("0" if _NUMBER.fullmatch(value) else _quoted(redacted)) + after


def _meaning(escape: str) -> str:
    if escape[1] != "u":
        return _ESCAPED.get(escape[1], escape[1])
    try:
        return chr(int(escape[2:], 16))
    except ValueError:
        return "\ufffd"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
