"""Recordings as one HTML page that needs nothing else: no script, no request to anybody, nothing in it is live.

Whatever was recorded is text here: Jinja escapes it, the page's own policy forbids scripts and addresses, and
characters that nobody sees, or that turn the direction of writing, are shown by signs.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from app.recorder.explaining import explain
from app.recorder.phrases import seconds
from app.recorder.recording import Piece, Recording
from app.transcripts.answers import read_answer
from app.transcripts.differences import readable_json
from app.transcripts.plain import answer_lines
from app.unseen import inert

_BODY_LIMIT = 2 * 1024**2
"""Characters of one body."""
_PIECES_LIMIT = 5_000
"""Pieces of one answer."""


def page(recordings: Sequence[Recording]) -> str:
    return _template().render(recordings=recordings)


@lru_cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("app.transcripts", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"text": _text, "seconds": seconds, "day": _day, "explanation": explain}
    environment.filters |= {"some": _some, "reads": _reads, "readable": _readable}
    return environment.get_template("page.html")


def _text(value: bytes | str) -> str:
    """A text that shows what it holds, within bounds."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    left_out = len(text) - _BODY_LIMIT
    named = inert(text[:_BODY_LIMIT])
    return f"{named}\n[{left_out} characters more]" if left_out > 0 else named


def _some(pieces: Sequence[Piece]) -> Sequence[Piece]:
    return pieces[:_PIECES_LIMIT]


def _reads(pieces: Sequence[Piece]) -> str:
    """An answer as it reads; empty where nothing was sent."""
    return "\n".join(answer_lines(read_answer(pieces))) if any(piece.data for piece in pieces) else ""


def _readable(body: bytes) -> str:
    """JSON with its structure, or any other body as it is."""
    try:
        return "\n".join(readable_json(msgspec.json.decode(body)))
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return body.decode("utf-8", "replace")


def _day(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
