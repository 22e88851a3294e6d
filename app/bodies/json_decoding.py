"""JSON decoded a piece at a time.

A decoder in C keeps Python's lock until it is done, and with it every other thread: 32 MiB of brackets or escapes take
it a second. Here a text is walked from bracket to bracket, and each time enough of whole elements has passed they are
decoded, so that the lock is free again and again. What comes out, and what is refused, is the same.

Values are counted on the way, one for each comma and each bracket that opens: a text of more than `values_limit` is
given up where it passes the limit, before it has become millions of objects.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

STEP = 64 * 1024
"""Bytes of a step: a millisecond or two."""
_AT_ONCE = 4 * 1024**2
"""Bytes of a text that is decoded in one step all the same."""
_STRUCTURE_AT_ONCE = 100_000
"""Brackets and commas of such a text: some 20 ms at most, where walking through it would take five times as long."""
_FEW = 64
"""Bytes in which there is one of a kind at most, where there are few."""
_LONG = 1024 * 1024
"""Bytes of a string that is decoded in pieces of its own."""
_STRUCTURE = re.compile(rb'["\[\]{},]')
_SPACE = b" \t\n\r"
_SPACES = frozenset([b" ", b"\t", b"\n", b"\r"])
_KEY = re.compile(rb'[ \t\n\r]*("(?:[^"\\]|\\.)*+")[ \t\n\r]*:[ \t\n\r]*', re.DOTALL)
_ESCAPE = len(rb"\u00e9")
_LOW_SURROGATE = re.compile(rb"\\u[dD][c-fC-F][0-9a-fA-F]{2}")
_decode = msgspec.json.Decoder().decode


class TooManyValues(Exception):
    pass


class TooDeep(Exception):
    pass


@dataclass(slots=True)
class _Level:
    """A list or an object that is open; `built` once its elements are decoded apart from what is round them."""

    opened: int
    """Where its bracket is."""
    comma: int = -1
    """Where its last comma is."""
    built: Any = None
    since: int = 0
    """Where the elements begin that are not decoded yet."""
    after_value: bool = False
    """Whether a comma is due there, or `needs_value`: the comma was there."""
    needs_value: bool = False


def decode(raw: bytes, depth_limit: int, values_limit: int, values: int | None = None) -> Any:
    """Decode at once, or in steps where it would take long; only there is the depth checked. `values` is what
    `structure` returned, if it was asked before. Raises what `decode_in_steps` does."""
    at_once = min(_STRUCTURE_AT_ONCE, values_limit)
    if len(raw) <= at_once:
        return _decode(raw)
    if len(raw) <= _AT_ONCE and (structure(raw) if values is None else values) <= at_once:
        return _decode(raw)
    return decode_in_steps(raw, depth_limit, values_limit)


def decode_again(raw: bytes) -> Any:
    """Decode, in steps where it is large, what has been decoded within its limits before."""
    return decode(raw, sys.maxsize, sys.maxsize)


def structure(raw: bytes) -> int:
    """The number of values in a JSON text, or more: brackets and commas within its strings count, too."""
    size = len(raw)
    if size < STEP // 16:
        return raw.count(b",") + raw.count(b"[") + raw.count(b"{")
    number, few = 0, size // _FEW
    for byte in (b",", b"[", b"{"):
        # It jumps from one to the next, where `count` looks at each byte: 2 us for 36 in 100 kB that have none.
        found = size - len(raw.replace(byte, b"", few))
        number += found if found < few else raw.count(byte)
    return number


def decode_in_steps(raw: bytes, depth_limit: int, values_limit: int, step: int = STEP, long: int = _LONG) -> Any:
    """Decode JSON in steps. Raises msgspec.DecodeError or UnicodeDecodeError for what is no JSON, TooDeep and
    TooManyValues."""
    start = _skip_space(raw, 0)
    if raw[start : start + 1] not in (b"[", b"{"):
        return _decode(raw)
    return _Walk(raw, depth_limit, values_limit, step, long).run()


class _Walk:
    def __init__(self, raw: bytes, depth_limit: int, values_limit: int, step: int, long: int) -> None:
        self._raw = raw
        self._depth_limit = depth_limit
        self._values_limit = values_limit
        self._step = step
        self._long = long
        self._levels: list[_Level] = []
        self._built = 0
        """How many of the levels are built, from the outermost on."""
        self._values = 0

    def run(self) -> Any:
        raw, levels = self._raw, self._levels
        root: Any = None
        at = 0
        while (at := self._next(at)) >= 0:
            match raw[at]:
                case 0x22:  # "
                    at = self._string(at)
                case 0x2C:  # ,
                    self._count()
                    levels[-1].comma = at
                case 0x5B | 0x7B:  # [ {
                    self._count()
                    self._open(at)
                    root = levels[0].built
                case _:
                    self._close(at)
                    if not levels:
                        break
            if at - levels[self._built - 1].since > self._step:
                self._advance(at)
            at += 1
        if levels or _skip_space(raw, at + 1) < len(raw):
            raise _malformed()
        return root

    def _next(self, at: int) -> int:
        """The next of what makes the structure; -1 where there is none. A search of megabytes keeps the lock, too."""
        raw, size = self._raw, len(self._raw)
        while at < size:
            if found := _STRUCTURE.search(raw, at, at + self._long):
                return found.start()
            at += self._long
        return -1

    def _count(self) -> None:
        self._values += 1
        if self._values > self._values_limit:
            raise TooManyValues

    def _open(self, at: int) -> None:
        self._levels.append(_Level(at))
        if len(self._levels) > self._depth_limit:
            raise TooDeep
        if self._built == 0:
            self._build(self._levels[0], None)

    def _close(self, at: int) -> None:
        level = self._levels.pop()
        if len(self._levels) >= self._built:
            return
        if (self._raw[at] == 0x5D) != (type(level.built) is list):
            raise _malformed()
        self._flush(level, at)
        self._built -= 1
        if self._levels:
            self._passed(self._levels[-1], at + 1)

    def _advance(self, at: int) -> None:
        """Decode what is whole; an element that is larger than a step is entered."""
        while True:
            level = self._levels[self._built - 1]
            self._flush_to_comma(level)
            if len(self._levels) == self._built or at - level.since <= self._step:
                return
            self._enter(level)

    def _flush_to_comma(self, level: _Level) -> None:
        if level.comma >= level.since:
            self._flush(level, level.comma)
            level.since = level.comma + 1
            level.after_value, level.needs_value = False, True

    def _enter(self, level: _Level) -> None:
        """The element of `level` that is open becomes a level that is built itself."""
        inner = self._levels[self._built]
        self._build(inner, self._key_before(level, inner.opened))
        self._put(level, self._key_before(level, inner.opened), inner.built)

    def _build(self, level: _Level, key: object) -> None:
        level.built = [] if self._raw[level.opened] == 0x5B else {}
        level.since = level.opened + 1
        self._built += 1

    def _key_before(self, level: _Level, at: int) -> str | None:
        """The key of the value that begins at `at`; None in a list."""
        before = self._raw[level.since : at]
        if level.after_value:
            raise _malformed()
        if type(level.built) is list:
            if before.strip(_SPACE):
                raise _malformed()
            return None
        if (key := _KEY.fullmatch(before)) is None:
            raise _malformed()
        return str(_decoded(key[1]))

    def _put(self, level: _Level, key: str | None, value: object) -> None:
        if key is None:
            level.built.append(value)
        else:
            level.built[key] = value

    def _passed(self, level: _Level, at: int) -> None:
        """A value of `level` that was decoded apart ends at `at`."""
        level.since = at
        level.after_value, level.needs_value = True, False

    def _flush(self, level: _Level, end: int) -> None:
        """Decode the elements of `level` up to `end`, where a comma is or its own end."""
        piece = self._raw[level.since : end].strip(_SPACE)
        if level.after_value and piece:
            if piece[:1] != b",":
                raise _malformed()
            piece = piece[1:].strip(_SPACE)
            level.needs_value = True
        if not piece:
            if level.needs_value or (not level.after_value and self._raw[end] == 0x2C):
                raise _malformed()
            return
        if type(level.built) is list:
            level.built += _decoded(b"[%b]" % piece)
        else:
            level.built.update(_decoded(b"{%b}" % piece))
        level.needs_value = False

    def _string(self, at: int) -> int:
        """Where the string that begins at `at` ends. One that is long is decoded here."""
        raw = self._raw
        end = raw.find(b'"', at + 1)
        if end < 0:
            raise _malformed()
        cuts = [at + 1, end]
        if raw[end - 1] == 0x5C:  # a backslash
            cuts = list(_cuts(raw, at + 1, self._step))
            end = cuts[-1]
        elif end - at > self._long and raw.find(b"\\", at, end) >= 0:
            cuts = list(_cuts(raw, at + 1, self._long))
        if end - at > self._long and self._is_value(end + 1):
            while self._built < len(self._levels):
                self._flush_to_comma(self._levels[self._built - 1])
                self._enter(self._levels[self._built - 1])
            level = self._levels[-1]
            self._flush_to_comma(level)
            self._put(level, self._key_before(level, at), _text(raw, cuts))
            self._passed(level, end + 1)
        return end

    def _is_value(self, after: int) -> bool:
        """Not the key of an object."""
        after = _skip_space(self._raw, after)
        return self._raw[after : after + 1] != b":"


def _cuts(raw: bytes, at: int, step: int) -> Iterator[int]:
    """Where a string may be cut without cutting an escape: its first byte, one each `step` bytes, and its end."""
    yield at
    while True:
        window = raw[at : at + step].replace(b"\\\\", b"..").replace(b'\\"', b"..")
        if (quote := window.find(b'"')) >= 0:
            yield at + quote
            return
        if at + len(window) >= len(raw):
            raise _malformed()
        # An escape that may go on behind the window belongs to the next one.
        escape = window.rfind(b"\\", max(1, len(window) - _ESCAPE))
        at += escape if escape > 0 else len(window)
        yield at


def _text(raw: bytes, cuts: list[int]) -> str:
    """Cut where neither a character of several bytes nor one of two escapes is cut."""
    pieces: list[str] = []
    begin = cuts[0]
    for cut in cuts[1:]:
        while raw[cut] & 0xC0 == 0x80:
            cut += 1
        if pair := _LOW_SURROGATE.match(raw, cut):
            cut = pair.end()
        if cut > begin:
            pieces.append(_decoded(b'"%b"' % raw[begin:cut]))
            begin = cut
    return "".join(pieces)


def _decoded(text: bytes) -> Any:
    """Raised without a position: that in a piece of the text would mislead."""
    try:
        return _decode(text)
    except msgspec.DecodeError:
        raise _malformed() from None


def _skip_space(raw: bytes, at: int) -> int:
    while raw[at : at + 1] in _SPACES:
        at += 1
    return at


def _malformed() -> msgspec.DecodeError:
    return msgspec.DecodeError("JSON is malformed")
