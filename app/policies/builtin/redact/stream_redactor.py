"""Text in pieces, redacted text out: whatever the pieces, the output joined is that of the whole text at once. Pure.

Whether a match starts at a position is decided within a bounded window, and only when more text cannot change the
decision: until then the text from there on is held back. What no pattern could start with is never held. Most text is
let through by one look that finds nothing any pattern could start with (`Detector.look`). Where a custom
pattern holds back more than a few hundred characters, they are searched again only after an eighth more has come: so a
stream takes time in proportion to its length, however small its pieces.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from app.policies.builtin.redact.email_addresses import AddressScanner, word_start
from app.policies.builtin.redact.patterns import Pattern
from app.policies.builtin.redact.scanner import LOOK_BEHIND, PREFILTER_REACH, Continuation, Found, Scanner

_LONG_HELD = 1024
"""From so many characters held back on, they are no longer searched again for each piece."""
_SHORTEST = 6
"""No text of fewer characters has a match of a built-in pattern."""


class Piece(NamedTuple):
    """A stretch of the text: as it came, or with what replaces it."""

    original: str
    replacement: str | None = None

    @property
    def text(self) -> str:
        return self.original if self.replacement is None else self.replacement


class Redaction(NamedTuple):
    """A pattern and the text that replaces its matches."""

    pattern: Pattern
    replacement: str


class Detector:
    """What to look for; shared by all streams. Of matches that start together, that of the first pattern wins."""

    def __init__(self, redactions: Iterable[Redaction]) -> None:
        every = [(scanner, replacement) for pattern, replacement in redactions for scanner in pattern.scanners]
        always = [each for each in every if not each[0].prefilter or isinstance(each[0], AddressScanner)]
        holds_words = any(isinstance(scanner, AddressScanner) for scanner, _ in every)
        self._every, self._always = tuple(every), tuple(always if holds_words else every)
        self.look = _one_of(scanner.prefilter for scanner, _ in every)
        """Finds what occurs in or shortly before each match (`Scanner.prefilter`)."""
        self.shortest = _SHORTEST if all(scanner.prefilter for scanner, _ in every) else 1
        """No text of fewer characters has a match."""
        self.holds_only_words = holds_words and len(always) == 1
        """Whether a text in which `look` finds nothing has no match, and its last word alone may begin one."""

    def scanners(self, text: str, start: int) -> "tuple[tuple[Scanner, str], ...]":
        """The scanners that may find something from `start` on, each with the text that replaces its matches.

        All that the others could do is to hold back the last word, which the scanner for addresses does anyway.
        """
        if len(text) > _LONG_HELD or self.look.search(text, max(0, start - PREFILTER_REACH)):
            return self._every
        return self._always


class StreamRedactor:
    """One text. `feed` its pieces, then `flush`; after that it is as new."""

    __slots__ = (
        "_behind",
        "_continuation",
        "_detector",
        "_held",
        "_replaced",
        "_searched",
    )

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._behind = ""
        self._held = ""
        self._searched = 0
        """How many of the held characters were searched already, without a match."""
        self._continuation: Continuation | None = None
        """What may still belong to the last match; None if that is complete."""
        self._replaced = 0

    def take_replaced(self) -> int:
        """How many matches were replaced since this was last asked."""
        count, self._replaced = self._replaced, 0
        return count

    def feed(self, text: str) -> str:
        return _joined(self.pieces(text))

    def flush(self) -> str:
        return _joined(self.pieces("", final=True))

    def pieces(self, text: str, final: bool = False) -> list[Piece]:
        """What `text` decides of all that was fed, in pieces that say what they stand for.

        If a match is longer than what was fed when it became certain, its rest comes as pieces without text.
        """
        if final and len(text) < self._detector.shortest and not (self._behind or self._held or self._continuation):
            return [Piece(text)] if text else []
        held = self._held + text
        if not final and self._searched > _LONG_HELD and len(held) < self._searched * 9 // 8:
            self._held = held
            return []
        buffer, start = self._behind + held, len(self._behind)
        detector = self._detector
        if (
            detector.holds_only_words
            and self._continuation is None
            # One look for all patterns is slower by the character than a search for each; it is faster to begin.
            and len(held) <= _LONG_HELD
            and detector.look.search(buffer, start - PREFILTER_REACH if start > PREFILTER_REACH else 0) is None
        ):
            done = len(buffer) if final else word_start(buffer, start, len(buffer))
            pieces = [Piece(buffer[start:done])] if done > start else []
        else:
            pieces, done = self._decide(buffer, start, final)
        self._behind = "" if final else buffer[max(0, done - LOOK_BEHIND) : done]
        self._held = buffer[done:]
        self._searched = len(self._held)
        return pieces

    def _decide(self, text: str, done: int, final: bool) -> tuple[list[Piece], int]:
        """The pieces from `done` on that are certain, and the position up to which everything is decided."""
        pieces: list[Piece] = []
        done = self._skip(text, done, final, pieces)
        if self._continuation is not None:
            return pieces, done
        scanners = self._detector.scanners(text, done)
        found = [scanner.scan(text, done, final) for scanner, _ in scanners]
        while True:
            first = _first(found)
            limit = len(text) if first is None else first.start
            if limit > done:
                pieces.append(Piece(text[done:limit]))
            if first is None or first.end is None:
                return pieces, limit
            self._replaced += 1
            pieces.append(Piece(text[first.start : first.end], scanners[found.index(first)][1]))
            self._continuation = first.continuation
            done = self._skip(text, first.end, final, pieces)
            if self._continuation is not None:
                return pieces, done
            found = [
                scanner.scan(text, done, final) if earlier is not None and earlier.start < done else earlier
                for (scanner, _), earlier in zip(scanners, found, strict=True)
            ]

    def _skip(self, text: str, done: int, final: bool, pieces: list[Piece]) -> int:
        """Append what still belongs to the last match, as text that is left out; return where it ends."""
        if self._continuation is None:
            return done
        end, goes_on = self._continuation.skip(text, done, final)
        if end > done:
            pieces.append(Piece(text[done:end], ""))
        if not goes_on:
            self._continuation = None
        return end


def redact(text: str, detector: Detector) -> str:
    return _joined(StreamRedactor(detector).pieces(text, final=True))


def _one_of(expressions: Iterable[str]) -> re.Pattern[str]:
    """An expression that matches where one of these does. Empty ones are left out; without any it matches nowhere."""
    return re.compile("|".join(sorted(set(filter(None, expressions)))) or "(?!)", re.DOTALL)


def _first(answers: list[Found | None]) -> Found | None:
    first = None
    for found in answers:
        if found is not None and (first is None or found.start < first.start):
            first = found
    return first


def _joined(pieces: list[Piece]) -> str:
    if len(pieces) == 1 and pieces[0].replacement is None:
        return pieces[0].original
    return "".join(piece.text for piece in pieces)
