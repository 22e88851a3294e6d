import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import format_span_id, format_trace_id

from telemetry import Scrubber
from telemetry.logs.console import JsonFormatter, LogFormat, LogWriter, install
from telemetry.logs.records import log_fields
from telemetry.metrics.registry import Metrics
from telemetry.redact import scrub
from tests.unit.telemetry.fakes import Bench


class Console:
    """Logging as the process has it, on a stream of its own; everything is put back afterwards."""

    def __init__(self) -> None:
        self.stream = io.StringIO()
        self.metrics = Metrics()
        self.writer: LogWriter = install("info", self.metrics.exports, Scrubber(["canary-secret"]), self.stream)

    def lines(self) -> list[dict[str, object]]:
        self.writer.close()
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def console() -> Iterator[Console]:
    root, uvicorn = logging.getLogger(), logging.getLogger("uvicorn.access")
    quiet = [logging.getLogger(name) for name in ("opentelemetry.exporter", "opentelemetry.sdk", "urllib3")]
    before = root.handlers[:], root.level, uvicorn.disabled, [logger.level for logger in quiet]
    made = Console()
    yield made
    made.writer.close()
    root.handlers[:], uvicorn.disabled = before[0], before[2]
    root.setLevel(before[1])
    for logger, level in zip(quiet, before[3], strict=True):
        logger.setLevel(level)


def formatted(message: str, /, **fields: object) -> str:
    record = logging.LogRecord("app", logging.INFO, __file__, 1, message, (), None)
    for key, value in log_fields(None, fields).items():
        setattr(record, key, value)
    return JsonFormatter(scrub).format(record)


@given(st.text(), st.text())
def test_a_line_is_one_json_object_whatever_is_said(message: str, value: str) -> None:
    line = formatted(message, said=value)
    assert "\n" not in line
    assert "\r" not in line
    assert set(json.loads(line)) == {"timestamp", "level", "logger", "message", "said"}


def test_a_field_cannot_take_the_place_of_what_the_line_is() -> None:
    assert json.loads(formatted("hello", level="fatal", message="forged"))["message"] == "hello"


def test_values_of_any_kind_are_scrubbed() -> None:
    class Odd:
        def __str__(self) -> str:
            return "Bearer abcdefghijkl"

    line = formatted("x", nested={"a": ["sk-abcdefghijkl"]}, odd=Odd(), number=1, none=None)
    assert "abcdefghijkl" not in line
    assert json.loads(line)["number"] == 1


def test_lines_say_when_where_and_how_bad(console: Console) -> None:
    logging.getLogger("app.gateway").warning("the %s of canary-secret", "end")
    (line,) = console.lines()
    assert line["level"] == "warning"
    assert line["logger"] == "app.gateway"
    assert line["message"] == "the end of [redacted]"
    assert str(line["timestamp"]).endswith("+00:00")


def test_an_exception_is_in_its_line(console: Console) -> None:
    try:
        raise ValueError("password=hunter22")
    except ValueError:
        logging.getLogger("app").exception("failed")
    (line,) = console.lines()
    assert "ValueError" in str(line["exception"])
    assert "hunter22" not in str(line["exception"])


def test_uvicorn_writes_through_the_same_handler(console: Console) -> None:
    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("uvicorn.access").info("GET / 200")
    assert [line["message"] for line in console.lines()] == ["started"]


def test_a_defect_is_told_with_its_stack(console: Console) -> None:
    obs = Bench().open()
    try:
        raise KeyError("boom")
    except KeyError as error:
        obs.log("error", "failed", error=error)
    [line] = [line for line in console.lines() if line["message"] == "failed"]
    assert str(line["exception"]).endswith("KeyError\n")
    assert "test_a_defect_is_told_with_its_stack" in str(line["exception"])


def test_the_access_line_of_a_transaction(console: Console) -> None:
    bench = Bench()
    obs = bench.open()
    obs.log("warning", "odd", what="something")
    bench.clock.advance(1.5)
    obs.finish("upstream_error", status=502, error_type="upstream_truncated", detail="no end")
    odd, access = console.lines()
    ids = {
        "trace_id": format_trace_id(obs.span_context.trace_id),
        "span_id": format_span_id(obs.span_context.span_id),
        "transaction_id": obs.transaction_id,
    }
    assert ids.items() <= odd.items()
    assert odd["what"] == "something"
    assert ids.items() <= access.items()
    assert access["logger"] == "flowspan.access"
    assert access["message"] == "POST /v1/chat/completions upstream_error"
    assert (access["outcome"], access["status"], access["model"]) == ("upstream_error", 502, "gpt-5")
    assert (access["duration_s"], access["error_type"], access["detail"]) == (1.5, "upstream_truncated", "no end")
    assert access["time"] == {"upstream": 0, "admission": 0, "policy": 0, "queue": 0, "format": 1.5, "client": 0}


def test_a_trip_is_a_line(console: Console) -> None:
    bench = Bench()
    bench.open().breakers.changed("sse", "closed", "open", "failures_in_window")
    (line,) = console.lines()
    assert (line["level"], line["breaker"], line["to_state"]) == ("warning", "sse", "open")


def test_what_is_said_after_the_close_is_written_at_once(console: Console) -> None:
    console.writer.close()
    logging.getLogger("app").info("last words")
    assert "last words" in console.stream.getvalue()


class FullPipe(io.StringIO):
    """Nobody reads it."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = threading.Event()

    def write(self, text: str) -> int:
        self.is_read.wait()
        return len(text)


def test_a_pipe_that_nobody_reads_does_not_hold_up_the_end() -> None:
    metrics, pipe = Metrics(), FullPipe()
    writer = LogWriter(pipe, metrics.exports)
    writer.write_as(JsonFormatter(scrub))
    line = logging.LogRecord("app", logging.WARNING, __file__, 1, "x", (), None)
    writer.handle(line)
    writer.close()
    last_words = threading.Thread(target=writer.handle, args=(line,), daemon=True)
    last_words.start()
    last_words.join(5)
    assert not last_words.is_alive()
    labels = {"signal": "console", "reason": "shutdown"}
    assert metrics.registry.get_sample_value("flowspan_telemetry_items_dropped_total", labels) == 2
    pipe.is_read.set()


class BrokenStream(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError("disk full")


def test_a_full_disk_costs_lines_which_are_counted() -> None:
    metrics = Metrics()
    writer = LogWriter(BrokenStream(), metrics.exports)
    writer.write_as(JsonFormatter(scrub))
    for _ in range(3):
        writer.handle(logging.LogRecord("app", logging.INFO, __file__, 1, "x", (), None))
    writer.close()
    labels = {"signal": "console", "reason": "export_failed"}
    assert metrics.registry.get_sample_value("flowspan_telemetry_items_dropped_total", labels) == 3


@pytest.mark.parametrize(
    ("chosen", "terminal", "is_json"),
    [("auto", True, False), ("auto", False, True), ("json", True, True), ("console", False, False)],
)
def test_lines_are_for_people_on_a_terminal_alone_unless_one_form_is_chosen(
    console: Console, chosen: LogFormat, terminal: bool, is_json: bool
) -> None:
    stream = io.StringIO()
    stream.isatty = lambda: terminal  # type: ignore[method-assign]
    writer = install("info", console.metrics.exports, Scrubber(), stream, chosen)
    logging.getLogger("uvicorn.error").info("Started server process [%d]", 7)
    writer.close()
    assert "Started server process [7]" in stream.getvalue()
    assert stream.getvalue().startswith("{") is is_json
