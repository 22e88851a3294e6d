"""What the README lists of the code is what the code has."""

import re
from pathlib import Path

from app.cli import main
from telemetry.names import OUTCOMES, WHERE

TEXT = " ".join((Path(__file__).parents[2] / "README.md").read_text("utf-8").split())


def test_every_outcome_is_named_in_order() -> None:
    (listed,) = re.findall(r"Each request to a model ends as (.+?)\. ", TEXT)
    assert re.findall(r"`(\w+)`", listed) == list(OUTCOMES)


def test_every_part_of_the_time_ledger_is_named_in_order() -> None:
    (listed,) = re.findall(r"Its parts are (.+?)\. ", TEXT)
    assert re.findall(r"(?!and\b)\b\w+", listed) == list(WHERE)


def test_every_command_that_it_shows_exists() -> None:
    named = set(re.findall(r"\$ flowspan (\w+)", TEXT)) | set(re.findall(r"`flowspan (\w+)", TEXT))
    assert len(named) > 8
    assert named <= set(main.commands)
