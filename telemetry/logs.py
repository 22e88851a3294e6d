"""Structured logs: one JSON object a line, with the ids of its trace and transaction, free of keys.

`install()` gives the whole process one handler, uvicorn's loggers included. Lines are formatted where they are logged
and written by a thread behind a bounded queue: a full pipe or disk costs lines, which are counted, and never time.
"""

import logging
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Literal, TextIO

import msgspec
from opentelemetry.trace import SpanContext, format_span_id, format_trace_id

from telemetry.access_log import AccessRecord
from telemetry.export import Batcher
from telemetry.metrics import ExportMetrics
from telemetry.redact import Scrubber, clean

Level = Literal["debug", "info", "warning", "error"]
_FIELDS = "flowspan_fields"
TEXT_LIMIT = 8192
_IDS = frozenset({"trace_id", "span_id", "transaction_id"})
"""Ours, and new in each transaction: nothing to look for in them."""
_EXPORTER_LOGGERS = ("opentelemetry.exporter", "opentelemetry.sdk", "urllib3")
"""They tell of every failed batch; the exports' own counters and one line per change do that here."""


def log_fields(context: SpanContext | None, fields: Mapping[str, object]) -> dict[str, object]:
    """The `extra` of a logging call."""
    ids: dict[str, object] = {}
    if context is not None and context.is_valid:
        ids = {"trace_id": format_trace_id(context.trace_id), "span_id": format_span_id(context.span_id)}
    return {_FIELDS: {**ids, **fields}}


def clean_fields(scrub: Scrubber, record: logging.LogRecord) -> Mapping[str, object]:
    """What `log_fields` put there, scrubbed; an access line's are clean as they are."""
    if isinstance(record, AccessRecord):
        return record.fields
    fields = getattr(record, _FIELDS, None)
    if not isinstance(fields, Mapping):
        return {}
    return {key: value if key in _IDS else _scrubbed(scrub, value) for key, value in fields.items()}


def _scrubbed(scrub: Scrubber, value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            return clean(scrub, value, TEXT_LIMIT)
        case Mapping():
            return {str(key): _scrubbed(scrub, inner) for key, inner in value.items()}
        case tuple() | list():
            return [_scrubbed(scrub, inner) for inner in value]
        case _:
            return clean(scrub, str(value), TEXT_LIMIT)


class JsonFormatter(logging.Formatter):
    """JSON escapes line breaks and control characters, so that no value can forge a line."""

    def __init__(self, scrub: Scrubber) -> None:
        super().__init__()
        self._scrub = scrub

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "timestamp": _timestamp(record.created),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": clean(self._scrub, record.getMessage(), TEXT_LIMIT),
        }
        if isinstance(record, AccessRecord):
            line.update(record.fields)
            return msgspec.json.encode(line).decode()
        fields = clean_fields(self._scrub, record)
        line |= {key: fields[key] for key in fields if key not in line}
        if record.exc_info:
            line["exception"] = clean(self._scrub, self.formatException(record.exc_info), TEXT_LIMIT)
        return msgspec.json.encode(line).decode()


def _timestamp(created: float) -> str:
    seconds, fraction = divmod(created, 1)
    return f"{_to_the_second(int(seconds))}.{int(fraction * 1000):03}+00:00"


@lru_cache(16)
def _to_the_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


class LogWriter(logging.Handler):
    """Warnings and worse are written at once, the rest a few times a second. After `close` each line is written where
    it is logged: what a process says last has nobody to wait for. Where nobody reads the stream, it is lost."""

    def __init__(self, stream: TextIO, metrics: ExportMetrics) -> None:
        super().__init__()
        self._stream = stream
        self._closed = False
        self._lines: Batcher[str] = Batcher(
            self._write, "console", metrics, queue_size=10_000, batch_size=1_000, delay=0.2
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
            if not self._closed:
                self._lines.offer(line)
            elif self._lines.is_stuck:
                # To write would be to wait for ever, and to end never.
                self._lines.lose("shutdown")
            else:
                self._write((line,))
        except Exception:
            self._lines.lose("defect")
            return
        if record.levelno >= logging.WARNING:
            self._lines.wake()

    def waiting(self) -> int:
        return self._lines.waiting()

    def close(self) -> None:
        self._lines.close(timeout=2.0)
        self._closed = True
        super().close()

    def _write(self, lines: Sequence[str]) -> bool:
        self._stream.write("\n".join(lines) + "\n")
        self._stream.flush()
        return True


def install(level: Level, metrics: ExportMetrics, scrub: Scrubber, stream: TextIO | None = None) -> LogWriter:
    """Takes over the root logger and uvicorn's. The caller closes the handler it gets."""
    writer = LogWriter(stream or sys.stderr, metrics)
    writer.setFormatter(JsonFormatter(scrub))
    root = logging.getLogger()
    root.handlers[:] = [writer]
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # The access line of a transaction says more.
    logging.getLogger("uvicorn.access").disabled = True
    for name in _EXPORTER_LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return writer
