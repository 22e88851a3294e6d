"""The commands of docs/replay.md do what the page shows."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from app.cli import main

_ROOT = Path(__file__).parents[3]
_BLOCK = re.compile(r"```console\n(.*?)```", re.DOTALL)
_COMMAND = re.compile(r"^\$ flowspan (.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


def _examples() -> Iterator[tuple[str, str]]:
    """Each command with its output, in the order of the page."""
    for block in _BLOCK.findall((_ROOT / "docs" / "replay.md").read_text("utf-8")):
        yield from _COMMAND.findall(block)


def test_each_example_does_what_the_page_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(_ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    ran: list[tuple[str, int]] = []
    for command, output in _examples():
        result = CliRunner().invoke(main, shlex.split(command))
        ran.append((command.partition(" ")[0], result.exit_code))
        if output:
            assert result.output.strip() == output.strip()

    assert ran == [
        ("explain", 0),
        *[("export", 0)] * 3,
        ("replay", 0),
        ("replay", 1),
        ("replay", 1),
        ("replay", 0),
    ]
