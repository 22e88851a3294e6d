"""Text in pieces, redacted text out: whatever the pieces, the output joined is that of the whole text at once. Pure.

At each place of the text, whether a match starts there is decided by a bounded window, and only when more text cannot
change the decision: until then the text from there on is held back. What no pattern could start with is never held.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

import regex

from app.policies.builtin.patterns import Pattern

_LOOK_BEHIND = 2
"""Characters that a pattern may look at before its match."""
_LONG = 65_536
"""From so many characters on, a search lets other threads run."""


class Piece(NamedTuple):
    """A stretch of the text: as it came, or with what stands in its place."""

    original: str
    replacement: str | None = None

    @property
    def text(self) -> str:
        return self.original if self.replacement is None else self.replacement


class Redaction(NamedTuple):
    """A pattern and what takes the place of its matches."""

    pattern: Pattern
    replacement: str


class _Match(NamedTuple):
    start: int
    end: int
    replacement: str


class _Searcher:
    """One pattern, and the three questions to be asked about it."""

    def __init__(self, redaction: Redaction) -> None:
        pattern, self._replacement = redaction
        body = f"{pattern.before}(?:{pattern.body})"
        self._candidate = regex.compile(body)
        # Any character, which is then found not to have been one: it never matches, but a partial match of it is a text
        # that ends within a body, or right behind one.
        self._unfinished = regex.compile(rf"{body}(?s:.)(?<!(?s:.))")
        self._exact = regex.compile(body + pattern.after)
        self._pattern = pattern

    def open_from(self, text: str, start: int) -> int:
        """The first place from which the rest of the text could yet become a match; its end if there is none."""
        alphabet = self._pattern.alphabet
        if alphabet is not None and text[-1:] not in alphabet:
            return len(text)
        start = max(start, len(text) - self._pattern.max_length + 1)
        found = self._unfinished.search(text, start, partial=True, timeout=self._pattern.time_limit)
        return found.start() if found else len(text)

    def candidate(self, text: str, start: int) -> int | None:
        found = self._candidate.search(text, start, concurrent=len(text) > _LONG, timeout=self._pattern.time_limit)
        return found.start() if found else None

    def match(self, text: str, start: int) -> _Match | None:
        end = min(len(text), start + self._pattern.max_length)
        found = self._exact.match(text, start, end, timeout=self._pattern.time_limit)
        length = self._pattern.accept(found[0]) if found else 0
        return _Match(start, start + length, self._replacement) if length else None


class Detector:
    """What to look for; shared by all streams. Of matches that start together, that of the first pattern wins."""

    def __init__(self, redactions: Iterable[Redaction]) -> None:
        chosen = tuple(redactions)
        self._searchers = [_Searcher(redaction) for redaction in chosen]
        needs = [redaction.pattern.needs for redaction in chosen]
        self._needs = re.compile(f"[{re.escape(''.join(needs))}]") if all(needs) else None

    def decide(self, text: str, start: int, final: bool) -> tuple[list[_Match], int]:
        """The matches from `start` on that are certain, and the place up to which all is decided."""
        matches: list[_Match] = []
        limit = self._limit(text, start, final)
        if limit == start or (self._needs is not None and not self._needs.search(text, start)):
            return matches, limit
        candidates = [searcher.candidate(text, start) for searcher in self._searchers]
        while True:
            found = [(place, index) for index, place in enumerate(candidates) if place is not None and place < limit]
            if not found:
                return matches, limit
            place, index = min(found)
            match = self._searchers[index].match(text, place)
            if match is None:
                candidates[index] = self._searchers[index].candidate(text, place + 1)
                continue
            matches.append(match)
            if match.end > limit:
                limit = self._limit(text, match.end, final)
            candidates = [
                searcher.candidate(text, match.end) if place is not None and place < match.end else place
                for searcher, place in zip(self._searchers, candidates, strict=True)
            ]

    def _limit(self, text: str, start: int, final: bool) -> int:
        return len(text) if final else min(searcher.open_from(text, start) for searcher in self._searchers)


class StreamRedactor:
    """One text. `feed` its pieces, then `flush`; after that it is as new."""

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._behind = ""
        self._held = ""
        self._replaced = 0

    @property
    def held(self) -> int:
        """How many characters wait for more text."""
        return len(self._held)

    def take_replaced(self) -> int:
        """How many matches were replaced since this was last asked."""
        count, self._replaced = self._replaced, 0
        return count

    def feed(self, text: str) -> str:
        return "".join(piece.text for piece in self.pieces(text))

    def flush(self) -> str:
        return "".join(piece.text for piece in self.pieces("", final=True))

    def pieces(self, text: str, final: bool = False) -> list[Piece]:
        """What `text` decides of all that was fed, in pieces that say what they stand for."""
        buffer = self._behind + self._held + text
        done = len(self._behind)
        matches, limit = self._detector.decide(buffer, done, final)
        pieces = []
        for match in matches:
            if match.start > done:
                pieces.append(Piece(buffer[done : match.start]))
            pieces.append(Piece(buffer[match.start : match.end], match.replacement))
            done = match.end
        if limit > done:
            pieces.append(Piece(buffer[done:limit]))
        self._replaced += len(matches)
        self._behind = "" if final else buffer[max(0, limit - _LOOK_BEHIND) : limit]
        self._held = buffer[limit:]
        return pieces


def redact(text: str, detector: Detector) -> str:
    return "".join(piece.text for piece in StreamRedactor(detector).pieces(text, final=True))
