"""Differences show what differs, and take little time for anything."""

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.transcripts.differences import difference, readable_json

_LINES = st.lists(st.sampled_from(["a", "b", "c", "d"]), max_size=30)


@given(_LINES, _LINES)
def test_the_lines_of_either_text_are_found_in_order(before: list[str], now: list[str]) -> None:
    found = difference(before, now, limit=1_000)
    removed = [line.text for line in found if line.kind == "removed"]
    added = [line.text for line in found if line.kind == "added"]
    kept = sum(line.skipped if line.kind == "gap" else line.kind == "same" for line in found)

    if before != now:
        assert kept + len(removed) == len(before)
        assert kept + len(added) == len(now)
    assert _is_within(removed, before)
    assert _is_within(added, now)


def _is_within(some: list[str], lines: list[str]) -> bool:
    rest = iter(lines)
    return all(one in rest for one in some)


def test_what_differs_in_a_line_is_marked() -> None:
    removed, added = difference(["the old word"], ["the new word"])

    assert removed.text[removed.start : removed.end] == "old"
    assert added.text[added.start : added.end] == "new"


def test_much_that_is_the_same_is_a_gap() -> None:
    lines = [str(number) for number in range(100)]
    found = difference(lines, [*lines[:50], "x", *lines[51:]])

    assert [(line.kind, line.skipped) for line in found if line.kind == "gap"] == [("gap", 47), ("gap", 46)]


@pytest.mark.parametrize("lines", [[str(number % 7) for number in range(50_000)], ["x" * 5_000_000]])
def test_large_texts_are_compared_at_once(lines: list[str]) -> None:
    began = time.process_time()
    difference(lines, [line + "y" for line in lines])

    assert time.process_time() - began < 2


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)
def test_readable_json_says_the_same(value: Any) -> None:
    lines = readable_json(value)
    joined = "\n".join(lines)

    assert all("\n" not in line for line in lines)
    if "\\n" not in json.dumps(value):
        assert json.loads(joined) == value


def test_a_text_of_several_lines_is_laid_out_as_such() -> None:
    assert readable_json({"text": "a\nb\n", "n": 1}) == ["{", '  "text": "a\\n', "    b\\n", '    ",', '  "n": 1', "}"]


def test_lines_that_repeat_each_other_take_little_time() -> None:
    began = time.monotonic()
    lines = difference(["a", "b"] * 700, ["b", "b", "a"] * 480)

    assert lines
    assert time.monotonic() - began < 5
