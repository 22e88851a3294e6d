import io
import logging
import re
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry.logs.readable import ReadableFormatter, readable_formatter
from telemetry.logs.records import AccessRecord, log_fields
from telemetry.redact import scrub

LINE: Mapping[str, object] = {
    "outcome": "ok",
    "status": 200,
    "model": "claude-opus-4-8",
    "duration_s": 14.2,
    "ttft_s": 0.812,
    "input_tokens": 182_344,
    "output_tokens": 9120,
    "cost_usd": 0.08412,
    "key": "ada",
    "team": "compilers",
    "conversation": "01a229b7-998e-7f71-a4a8-1be81fb693cf",
}


def access(columns: int | None, coloured: bool = False, **fields: object) -> str:
    """The line of a transaction without its time of day."""
    record = AccessRecord("POST /v1/messages", {**LINE, **fields})
    return ReadableFormatter(scrub, lambda: columns, coloured=coloured).format(record).partition(" ")[2]


def other(message: str, level: int = logging.INFO, columns: int | None = None, **fields: object) -> str:
    record = logging.LogRecord("app", level, __file__, 1, message, (), None)
    vars(record).update(log_fields(None, fields))
    return ReadableFormatter(scrub, lambda: columns, coloured=False).format(record).partition(" ")[2]


def test_a_request_is_one_line_of_who_how_long_and_how_much() -> None:
    assert re.split("  +", access(None)) == [
        *("ok", "claude-opus-4-8", "14.2 s", "first 812 ms", "182,344 in 9,120 out", "$0.0841"),
        *("compilers/ada", "1fb693cf"),
    ]


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 200])
def test_a_request_fits_the_terminal_and_keeps_what_matters_most(columns: int) -> None:
    line = access(columns, outcome="upstream_error", status=529, error_type="overloaded", detail="word " * 50)
    assert len(f"00:00:00 {line}") <= columns
    assert line.startswith("upstream_error  claude-opus-4-8")
    assert ("529 overloaded" in line) == (columns >= 80)


def test_an_outcome_has_the_colour_of_its_level() -> None:
    assert access(80, coloured=True).startswith("\x1b[32mok\x1b[0m ")
    record = AccessRecord("POST", {**LINE, "outcome": "internal_error"}, level="error")
    assert "\x1b[31minternal_error\x1b[0m" in ReadableFormatter(scrub, lambda: 80, coloured=True).format(record)


def test_a_warning_is_whole_and_names_its_fields() -> None:
    line = other("attempt failed", logging.WARNING, 20, deployment="east", trace_id="1" * 32, wait_s=0.5)
    assert line == "warning: attempt failed  deployment east  wait_s 0.5"


def test_a_request_to_no_model_says_first_where_it_went() -> None:
    line = other("GET other 404", columns=60, client_address="203.0.113.7", duration_s=0.1, path="/nowhere", status=404)
    assert line.startswith("GET other 404  path /nowhere  client_address 203.")
    assert len(line) <= 60


@given(st.text(), st.text())
def test_nothing_that_others_write_can_move_the_cursor_or_add_a_line(message: str, model: str) -> None:
    for line in (other(message), other("m", note=message), access(80, model=model), access(None, detail=message)):
        assert line.isprintable()


def test_keys_are_left_out() -> None:
    assert "sk-ant-" not in other("failed with sk-ant-api03-0123456789abcdef0123456789abcdef")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({"TERM": "xterm"}, True), ({"TERM": "dumb"}, False), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({}, False)],
)
def test_colours_are_for_terminals_that_have_them(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], coloured: bool
) -> None:
    for name in ("TERM", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    record = AccessRecord("POST", LINE)
    assert ("\x1b[" in readable_formatter(scrub, Terminal()).format(record)) is coloured
    assert "\x1b[" not in readable_formatter(scrub, io.StringIO()).format(record)
