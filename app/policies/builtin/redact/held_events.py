"""A text in the events of a stream: which of them go on as they came, and what goes on as text. Pure.

A redactor lets characters through, but only a whole event keeps the provider's bytes, and models stream words with the
space before them: cut at the word that may yet become an address, no event would stay whole. So an event of which only
a few characters are certain waits until all of it is. One that holds a match, or of which much is certain, is cut: its
certain characters go on as text, and so does its rest.
"""

from collections import deque
from collections.abc import Iterable

from app.messages import ModelResponse
from app.policies.builtin.redact.stream_redactor import Piece, StreamRedactor

_FEW = 32
"""Characters that are certain and may still wait for the rest of their event."""
_WAITING = 16
"""Events that may wait; more of them, single characters of one long word, become a text."""

Certain = list[ModelResponse | str]
"""What goes on, in its order: events that came so, and text."""


class HeldEvents:
    """The events of one text of a stream. `take` each event with its text, then `flush`; after that it is as new."""

    __slots__ = (
        "_certain",
        "_waiting",
        "redactor",
    )

    def __init__(self, redactor: StreamRedactor) -> None:
        self.redactor = redactor
        self._waiting: deque[tuple[ModelResponse | None, int]] = deque()
        """Events, each with how many characters of it have not gone on; None for the rest of one that was cut."""
        self._certain = ""
        """The first of these characters, as far as they are certain to stay as they are."""

    def take(self, event: ModelResponse, text: str, pieces: Iterable[Piece]) -> Certain:
        """What goes on now that an event's text has come, of which the redactor has made these pieces."""
        self._waiting.append((event, len(text)))
        out = self._released(pieces)
        if len(self._certain) > _FEW:
            self._cut(out)
        if len(self._waiting) > _WAITING:
            total = sum(length for _, length in self._waiting)
            self._waiting = deque([(None, total)])
        return out

    def flush(self) -> Certain:
        return self._released(self.redactor.pieces("", final=True))

    def _released(self, pieces: Iterable[Piece]) -> Certain:
        out: Certain = []
        waiting = self._waiting
        for original, replacement in pieces:
            if replacement is not None:
                self._cut(out)
                _add_text(out, replacement)
                self._consume(len(original))
                continue
            self._certain += original
            while waiting and waiting[0][1] <= len(self._certain):
                event, length = waiting.popleft()
                text, self._certain = self._certain[:length], self._certain[length:]
                if event is None:
                    _add_text(out, text)
                else:
                    out.append(event)
        return out

    def _cut(self, out: Certain) -> None:
        """Let what is certain go on as text."""
        _add_text(out, self._certain)
        self._consume(len(self._certain))
        self._certain = ""

    def _consume(self, count: int) -> None:
        while count:
            _, length = self._waiting.popleft()
            if length > count:
                self._waiting.appendleft((None, length - count))
            count -= min(count, length)


def _add_text(out: Certain, text: str) -> None:
    if out and isinstance(out[-1], str):
        out[-1] += text
    elif text:
        out.append(text)
