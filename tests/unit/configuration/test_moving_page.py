"""The files of docs/moving-from-litellm.md become what the page says."""

import re
from pathlib import Path

import pytest

from app.configuration import ConfigurationRefused, parse

PAGE = (Path(__file__).parents[3] / "docs" / "moving-from-litellm.md").read_text("utf-8")
BEFORE, AFTER = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
ENVIRONMENT = dict(re.findall(r"(\w+)=(\S+)", re.findall(r"^\$ export (.*)", PAGE, re.MULTILINE)[0]))
IGNORE = "gateway: {ignore: [guardrails, general_settings.max_parallel_requests]}\n"


def test_two_guards_are_refused() -> None:
    with pytest.raises(ConfigurationRefused) as refused:
        parse(BEFORE, "f.yaml", ENVIRONMENT)
    assert {problem.key for problem in refused.value.problems} == {
        "general_settings.max_parallel_requests",
        "guardrails",
    }


def test_it_starts_where_they_are_ignored_with_five_more_warnings() -> None:
    assert len(parse(BEFORE + IGNORE, "f.yaml", ENVIRONMENT).warnings) == 7


def test_nothing_is_said_of_the_moved_file() -> None:
    assert parse(AFTER, "f.yaml", ENVIRONMENT).warnings == ()
