"""The log on stderr, free of keys: one JSON object a line, with the ids of its trace and transaction, or lines for
people.

`install()` gives the whole process one handler, uvicorn's loggers included. Of exceptions it logs types and stacks, and
of libraries no texts: messages may quote content. Lines are formatted where they are logged and written by a thread
behind a bounded queue: a full pipe or disk costs lines, which are counted, and never time.
"""

import logging
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, TextIO, cast

import msgspec

from telemetry.exceptions import stack_of
from telemetry.export import Batcher
from telemetry.logs.readable import readable_formatter
from telemetry.logs.records import AccessRecord, CleanRecord, Level, clean_fields, is_left_out, message_of
from telemetry.metrics.registry import ExportMetrics
from telemetry.redact import TEXT_LIMIT, Scrubber, clean

_EXPORTER_LOGGERS = (
    *("opentelemetry.attributes", "opentelemetry.baggage", "opentelemetry.propagators", "opentelemetry.sdk"),
    *("opentelemetry.trace", "urllib3", "grpc"),
)
"""Loggers with a line for every failed batch, malformed header or attribute beyond a limit; for batches the exports'
counters and one line per change do that, and anybody can send headers."""


_encode = msgspec.json.Encoder().encode
LogFormat = Literal["auto", "json", "console"]
"""`console`: lines for people; `auto`: these on a terminal, JSON elsewhere."""


class JsonFormatter(logging.Formatter):
    """Formats a record as one JSON object. JSON escapes line breaks, so that no value can forge a line."""

    def __init__(self, scrub: Scrubber) -> None:
        super().__init__()
        self._scrub = scrub

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "timestamp": f"{_to_the_second(int(record.created))}.{int(record.msecs):03}+00:00",
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.msg,
        }
        if isinstance(record, AccessRecord):
            # Its message is a method, one of our routes, and an outcome.
            return _encode({**line, **record.fields}).decode()
        line["message"] = clean(self._scrub, message_of(record), TEXT_LIMIT)
        if isinstance(record, CleanRecord):
            return _encode({**line, **record.fields}).decode()
        fields = clean_fields(self._scrub, record)
        line |= {key: fields[key] for key in fields if key not in line}
        if record.exc_info and record.exc_info[1] is not None:
            line["exception"] = clean(self._scrub, stack_of(record.exc_info[1]), TEXT_LIMIT)
        return _encode(line).decode()


@lru_cache(16)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class LogWriter(logging.Handler):
    """Writes lines to a stream from a thread: warnings and worse at once, the rest a few times a second.

    After `close` each line is written by its caller, since nobody would wait for a process's last words; where nobody
    reads the stream, it is lost.
    """

    def __init__(self, stream: TextIO, metrics: ExportMetrics) -> None:
        super().__init__()
        self.stream = stream
        self._line_of: Callable[[logging.LogRecord], str] = self.format
        self._is_closed = False
        self._lines: Batcher[str] = Batcher(
            self._write, "console", metrics, queue_size=10_000, batch_size=1_000, delay=0.2
        )

    def handle(self, record: logging.LogRecord) -> bool:
        """Take a record without the lock of other handlers: a line goes into a queue, which any thread may do."""
        if self.filters and not self.filter(record):
            return False
        if not isinstance(record, AccessRecord) and is_left_out(record):
            return True
        try:
            line = self._line_of(record)
            if not self._is_closed:
                self._lines.offer(line)
            elif self._lines.is_stuck:
                # To write would be to wait for ever, and to end never.
                self._lines.lose("shutdown")
            else:
                self._write((line,))
        except Exception:
            self._lines.lose("defect")
            return True
        if record.levelno >= logging.WARNING:
            self._lines.wake()
        return True

    def write_as(self, formatter: logging.Formatter) -> None:
        """Write lines in this form from now on."""
        self._line_of = formatter.format

    def waiting(self) -> int:
        return self._lines.waiting()

    def close(self) -> None:
        self._lines.close(timeout=2.0)
        self._is_closed = True
        super().close()

    def _write(self, lines: Sequence[str]) -> None:
        self.stream.write("\n".join(lines) + "\n")
        self.stream.flush()


def install(
    level: Level, metrics: ExportMetrics, scrub: Scrubber, stream: TextIO | None = None, format: LogFormat = "json"
) -> LogWriter:
    """Take over the root logger and uvicorn's. Returns the handler, which the caller has to close."""
    writer = LogWriter(stream or sys.stderr, metrics)
    logging.getLogger().handlers[:] = [writer]
    show(writer, level, scrub, format)
    # They would go to stderr as they are.
    logging.captureWarnings(True)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # The access line of a transaction says more.
    logging.getLogger("uvicorn.access").disabled = True
    for name in _EXPORTER_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return writer


def show(writer: LogWriter, level: Level, scrub: Scrubber, format: LogFormat) -> None:
    """Write the process's lines from this level on in this format."""
    stream = writer.stream
    is_readable = format == "console" or (format == "auto" and stream.isatty())
    writer.write_as(readable_formatter(scrub, stream) if is_readable else JsonFormatter(scrub))
    set_level(level)


def level_in_force() -> Level:
    """The lowest level of lines in the process's log."""
    return cast(Level, logging.getLevelName(logging.getLogger().level).lower())


def set_level(level: Level) -> None:
    """Have the process's log begin at this level from now on."""
    logging.getLogger().setLevel(level.upper())
