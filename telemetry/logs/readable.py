"""Log lines for people at a terminal: the time, and what happened, in the width that there is.

A transaction is one line, of which what matters least is left out where the terminal is narrow. Texts of others cannot
move the cursor, change colours or turn the direction of writing: what is not printable is shown as an escape.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import TextIO

from telemetry.exceptions import stack_of
from telemetry.logs.records import clean_fields, message_of
from telemetry.names import ACCESS_LOGGER
from telemetry.redact import TEXT_LIMIT, Scrubber, clean, printable

_NARROWEST = 40
_WIDE = 80
_MODEL, _SHORT_MODEL, _OUTCOME, _DURATION = 24, 16, 8, 7
"""Columns that a line has for these at least, so that lines stand below each other."""
_SHORT_ID = 8
_COLOURS = {"debug": "2", "ok": "32", "info": "", "warning": "33", "error": "31", "critical": "1;31", "dim": "2"}
_LEFT_OUT = frozenset({"trace_id", "span_id", "transaction_id", "request_id", "event", "method", "route", "status"})
"""Fields that a reader of a terminal has no use for, or that are in the message as well."""


class ReadableFormatter(logging.Formatter):
    """`width` gives the columns of the terminal, and None where there is none."""

    def __init__(self, scrub: Scrubber, width: Callable[[], int | None], *, coloured: bool) -> None:
        super().__init__()
        self._scrub = scrub
        self._width = width
        self._coloured = coloured

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created).strftime("%H:%M:%S")
        fields, level = clean_fields(self._scrub, record), record.levelname.lower()
        width = self._width()
        room = None if width is None else max(width, _NARROWEST) - len(at) - 1
        if record.name == ACCESS_LOGGER and "outcome" in fields:
            tone = "ok" if fields["outcome"] == "ok" else level
            return f"{self._in('dim', at)} {self._transaction(fields, tone, room)}"
        message = printable(clean(self._scrub, message_of(record), TEXT_LIMIT))
        rest = "".join(f"  {name} {printable(str(value))}" for name, value in _details(fields))
        if level in ("debug", "info"):
            return f"{self._in('dim', at)} {_cut(message + rest, None if not rest else room)}"
        exception = ""
        if record.exc_info and record.exc_info[1] is not None:
            stack = clean(self._scrub, stack_of(record.exc_info[1]), TEXT_LIMIT)
            exception = "".join(f"\n  {printable(line)}" for line in stack.splitlines())
        return f"{self._in('dim', at)} {self._in(level, level)}: {message}{rest}{exception}"

    def _transaction(self, fields: Mapping[str, object], tone: str, room: int | None) -> str:
        """The parts of the line that fit, in their order."""
        outcome = printable(str(fields["outcome"]))
        kept, left = [], room
        for index, part in enumerate(_parts(fields, _MODEL if room is None or room > _WIDE else _SHORT_MODEL)):
            if left is not None and index and len(part) + 2 > left:
                continue
            kept.append(part)
            left = None if left is None else left - len(part) - 2
        line = _cut("  ".join(kept).rstrip(), room)
        return line.replace(outcome, self._in(tone, outcome), 1) if self._coloured else line

    def _in(self, tone: str, text: str) -> str:
        colour = _COLOURS.get(tone, "") if self._coloured else ""
        return f"\x1b[{colour}m{text}\x1b[0m" if colour else text


def _parts(fields: Mapping[str, object], model_width: int) -> Iterator[str]:
    """What a line says of a transaction, what matters most first."""
    model = printable(str(fields.get("asked_model") or fields.get("model")))
    yield f"{fields['outcome']!s:<{_OUTCOME}}  {_cut(model, model_width):<{model_width}}"
    yield f"{_seconds(fields.get('duration_s')):>{_DURATION}}"
    if fields["outcome"] != "ok":
        why = [fields.get(name) for name in ("status", "error_type")]
        yield " ".join(printable(str(one)) for one in why if one and one != fields["outcome"])
    if fields.get("ttft_s") is not None:
        yield f"first {_seconds(fields['ttft_s'])}"
    if fields.get("input_tokens") is not None:
        yield f"{fields['input_tokens']:,} in {fields.get('output_tokens') or 0:,} out"
    if fields.get("cost_usd") is not None:
        yield f"${fields['cost_usd']:.4f}"
    if fields.get("key") is not None:
        yield printable("/".join(str(one) for one in (fields.get("team"), fields["key"]) if one))
    if fields.get("conversation") is not None:
        # Ids that begin with the time differ at their ends alone.
        yield printable(str(fields["conversation"])[-_SHORT_ID:])
    if fields.get("detail"):
        yield printable(str(fields["detail"]))


def _seconds(value: object) -> str:
    if not isinstance(value, int | float):
        return "-"
    return f"{value * 1000:.0f} ms" if value < 0.9995 else f"{value:.1f} s"


def _details(fields: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    # Where a request to no model went says more than the rest of its line.
    if (path := fields.get("path")) is not None:
        yield "path", path
    for name, value in fields.items():
        if name not in _LEFT_OUT and name != "path" and value is not None:
            yield name.removeprefix("flowspan."), value


def _cut(text: str, width: int | None) -> str:
    return text if width is None or len(text) <= width else f"{text[: width - 1]}…"


def readable_formatter(scrub: Scrubber, stream: TextIO) -> ReadableFormatter:
    """The formatter for a stream: coloured where that is a terminal that has colours, and NO_COLOR is not set."""
    is_terminal = stream.isatty()
    coloured = is_terminal and not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in (None, "", "dumb")

    def width() -> int | None:
        if not is_terminal:
            return None
        try:
            return os.get_terminal_size(stream.fileno()).columns or None
        except (OSError, ValueError):
            return None

    return ReadableFormatter(scrub, width, coloured=coloured)
