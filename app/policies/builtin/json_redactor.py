"""JSON text in pieces, redacted JSON text out: valid if it was valid, and as it came where nothing was replaced. Pure.

Matches are looked for in strings as they are meant (`bob\\u0040example.org`), and in bare values (a card number written
as a number), which become strings. What is not JSON goes the same way: nothing is trusted to be valid.
"""

import json
import re

from app.policies.builtin.stream_redactor import Detector, StreamRedactor, redact

_PLAIN = re.compile(r'[^"\\]+')
_BARE = re.compile(r'[^"{}\[\],:]+')
_BARE_LIMIT = 1024
"""Characters of a bare value that are looked at together; valid JSON has none nearly as long."""
_ESCAPED = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class JsonRedactor:
    """One JSON text. `feed` its pieces, then `flush`; after that it is as new."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._string = StreamRedactor(detector)
        self._in_string = False
        # How each held character of the string is written, and the beginning of an escape that is still incomplete.
        self._written: list[str] = []
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
        return "".join(out)

    def flush(self) -> str:
        out: list[str] = []
        if self._in_string:
            self._advance("", out, final=True)
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
                self._advance(_meaning(escape), out)
            return at + 1
        if plain := _PLAIN.match(text, at):
            self._written.extend(plain[0])
            self._advance(plain[0], out)
            return plain.end()
        if text[at] == "\\":
            self._escape = "\\"
            return at + 1
        self._advance("", out, final=True)
        out.append('"')
        self._in_string = False
        return at + 1

    def _advance(self, meant: str, out: list[str], final: bool = False) -> None:
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
        return before + _quoted(redacted) + after


def redact_json(text: str, detector: Detector) -> str:
    redactor = JsonRedactor(detector)
    return redactor.feed(text) + redactor.flush()


def _meaning(escape: str) -> str:
    if escape[1] != "u":
        return _ESCAPED.get(escape[1], escape[1])
    try:
        return chr(int(escape[2:], 16))
    except ValueError:
        return "\ufffd"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
