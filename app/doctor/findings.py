"""What was found, and the page of it: each finding on lines of its own, in the width of the terminal."""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["good", "note", "warning", "fault"]
"""`fault`: it stops the start; `warning`: something will not work; `note`: nothing is wrong with it."""
MARKS: dict[Level, str] = {"good": "ok", "note": "-", "warning": "!", "fault": "FAULT"}
_INDENT = 8


@dataclass(frozen=True)
class Finding:
    level: Level
    text: str


@dataclass(frozen=True)
class Section:
    title: str
    findings: Sequence[Finding]


def has_fault(sections: Iterable[Section]) -> bool:
    return any(finding.level == "fault" for section in sections for finding in section.findings)


def lines_of(section: Section, width: int) -> list[tuple[Level | None, str]]:
    """The lines of a section, each with the level of its finding; None for the title."""
    lines: list[tuple[Level | None, str]] = [(None, section.title)]
    for finding in section.findings:
        wrapped = textwrap.wrap(
            finding.text,
            width,
            initial_indent=f"  {MARKS[finding.level]:<{_INDENT - 2}}",
            subsequent_indent=" " * _INDENT,
            break_on_hyphens=False,
        )
        lines += [(finding.level, line) for line in wrapped]
    return lines
