"""What a scanner returns: where the next match of one pattern is, or from where on more text is needed to tell.

A scanner is shared by all streams and keeps nothing between calls. What it may hold back is bounded (a few hundred
characters for the built-in ones), so a call costs no more than its text and that. A match without a bound, as a private
key may be, is certain long before its end: it is returned at once, with what to skip as its continuation.
"""

import re
from collections.abc import Callable
from typing import NamedTuple, Protocol

import regex

_LONG = 2048
"""In texts of so many characters or more, a search with `regex` releases the interpreter's lock."""
LOOK_BEHIND = 80
"""Characters that a scanner may look at before the position from which it searches."""
PREFILTER_REACH = 20
"""How many characters before a match its scanner's prefilter may match."""


class Continuation(NamedTuple):
    """The rest of a match whose beginning was returned: as much as `run` takes, and then the `ending`."""

    run: re.Pattern[str]
    ending: regex.Pattern[str] | None = None

    def skip(self, text: str, start: int, final: bool) -> tuple[int, bool]:
        """The position up to which the match reaches at least, and whether more text could belong to it."""
        run = self.run.match(text, start)
        end = run.end() if run else start
        if self.ending is not None and (ending := self.ending.match(text, end, partial=not final)):
            return (end, True) if ending.partial else (ending.end(), False)
        return end, end == len(text) and not final


class Found(NamedTuple):
    """A match from `start` to `end`; without an `end`, more text decides whether one starts there. Before `start`
    there is none, whatever follows."""

    start: int
    end: int | None = None
    continuation: Continuation | None = None


class Scanner(Protocol):
    prefilter: str
    """An expression that occurs in each match or in the PREFILTER_REACH characters before it. In a text without it the
    scanner could at most leave the last word undecided. Empty if there is no such expression."""

    def scan(self, text: str, start: int, final: bool) -> Found | None:
        """The first match that starts at `start` or later; None if there is none and none could begin there.

        With `final` no more text follows, and a result always has an `end`.
        """


class ExpressionScanner:
    """Searches for a regular expression whose matches are bounded.

    Its `body` does not look ahead. So "could the end of this text still become a match?" is a question about the body
    and what stands before it, which is known. What must not follow a match is checked apart: by `after`, and by
    `accept`, which gets text, start and end of a match and returns where it really ends, or 0 if it is none. They may
    look at `look_ahead` characters.
    """

    def __init__(
        self,
        body: str,
        max_length: int,
        *,
        before: str = "",
        after: str = "",
        accept: Callable[[str, int, int], int] | None = None,
        look_ahead: int = 1,
        alphabet: str = "",
        beginnings: str = "",
        prefilter: str = "",
        time_limit: float | None = None,
    ) -> None:
        """A longer match than `max_length` characters is cut there. `alphabet` has all characters that a match is made
        of and `beginnings` those it begins with, where they are few: to be faster; `prefilter` is as for any
        scanner. `time_limit` is in seconds for one search, for an expression that is not known to be fast."""
        body = f"{before}(?:{body})"
        self._candidate = regex.compile(body) if time_limit is not None else re.compile(body)
        # Any characters, which are then found not to have been any: it never matches, but a partial match of it is a
        # text that ends within a body, or right behind one.
        self._unfinished = regex.compile(rf"{body}(?s:.{{{look_ahead}}})(?<!(?s:.))")
        self._exact = regex.compile(body + after)
        self._max_length = max_length
        self._accept = accept
        self._alphabet = alphabet
        self.prefilter = prefilter
        self._begins = re.compile(f"[{re.escape(beginnings)}]") if beginnings else None
        self._time_limit = time_limit

    def scan(self, text: str, start: int, final: bool) -> Found | None:
        if self._begins is not None and not self._begins.search(text, start):
            return None
        undecided = len(text) if final else None
        position = self._next(text, start)
        while position is not None:
            if undecided is None and position + self._max_length > len(text):
                undecided = self._undecided_from(text, start)
            if undecided is not None and undecided <= position:
                return Found(undecided)
            if end := self._match(text, position):
                return Found(position, end)
            position = self._next(text, position + 1)
        if undecided is None:
            undecided = self._undecided_from(text, start)
        return Found(undecided) if undecided < len(text) else None

    def _next(self, text: str, start: int) -> int | None:
        if isinstance(self._candidate, re.Pattern):
            known = self._candidate.search(text, start)
            return known.start() if known else None
        found = self._candidate.search(text, start, concurrent=len(text) > _LONG, timeout=self._time_limit)
        return found.start() if found else None

    def _match(self, text: str, start: int) -> int:
        end = min(len(text), start + self._max_length)
        found = self._exact.match(text, start, end, timeout=self._time_limit)
        if found is None or self._accept is None:
            return found.end() if found else 0
        return self._accept(text, start, found.end())

    def _undecided_from(self, text: str, start: int) -> int:
        """The first position from which the rest of the text could yet become a match; its end if there is none."""
        start = max(start, len(text) - self._max_length + 1)
        if self._begins is not None:
            start += len(text[start:].rstrip(self._alphabet))
            if not self._begins.search(text, start):
                return len(text)
        found = self._unfinished.search(
            text, start, partial=True, concurrent=len(text) > _LONG, timeout=self._time_limit
        )
        return found.start() if found else len(text)
