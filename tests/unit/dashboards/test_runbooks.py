"""What runbooks have an operator type and change is there: commands, their options, and settings by their names."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from msgspec import Struct

from app.cli import main
from app.settings import Settings

FOLDER = Path(__file__).parents[3] / "docs" / "runbooks"
PAGES = sorted(FOLDER.glob("*.md"))
COMMAND = re.compile(r"`flowspan ([^`]+)`")
SETTING = re.compile(r"`(?:gateway\.)?([a-z_]+)\.([a-z_]+(?:\.[a-z_]+)*)`")
_ROOTS = frozenset(Settings.__struct_fields__)


def faults_of(words: list[str]) -> Iterator[str]:
    """What of a command line there is not; words in capitals stand for whatever somebody names."""
    command: click.Command = main
    rest = iter(words)
    for word in rest:
        option = next((one for one in command.params if word in one.opts), None)
        if isinstance(option, click.Option):
            if not option.is_flag:
                next(rest, None)
        elif isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
        elif not any(isinstance(one, click.Argument) for one in command.params):
            yield word


def is_setting(section: str, path: str) -> bool:
    """Whether the settings have such a field."""
    value: object = getattr(Settings(), section)
    for name in path.split("."):
        if not isinstance(value, Struct) or name not in value.__struct_fields__:
            return False
        value = getattr(value, name)
    return True


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.stem))
def test_commands_and_settings_of_a_runbook_are_there(page: Path) -> None:
    text = page.read_text()
    assert [(line, fault) for line in COMMAND.findall(text) for fault in faults_of(line.split())] == []
    named = [(section, path) for section, path in SETTING.findall(text) if section in _ROOTS]
    assert [one for one in named if not is_setting(*one)] == []


def test_what_is_not_there_is_found() -> None:
    assert list(faults_of(["admin", "breakers", "close", "NAME"])) == ["close", "NAME"]
    assert list(faults_of(["admin", "deployments", "weight", "ID", "0.2"])) == []
    assert list(faults_of(["check", "--no-env", "FILE"])) == []
    assert not is_setting("server", "total_queue_bytes")
