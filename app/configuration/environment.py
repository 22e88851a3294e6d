"""The environment as the configuration sees it: `os.environ/NAME` references, and the section `environment_variables`.

A reference is resolved where the value is used, so a variable that only an unsupported key names need not exist.
"""

import os
from collections.abc import Mapping
from typing import Any

from app.configuration.problems import Report
from app.conversion import Path

REFERENCE = "os.environ/"


class Environment:
    """`declared` is what the section `environment_variables` adds; it wins over what the process was started with."""

    def __init__(self, process: Mapping[str, str], report: Report) -> None:
        self._process = process
        self._report = report
        self.declared: dict[str, str] = {}

    def get(self, name: str) -> str | None:
        return self.declared.get(name) or self._process.get(name) or None

    def declare(self, section: object) -> None:
        path = ("environment_variables",)
        if section is None:
            return
        if not isinstance(section, dict):
            self._report.problem(path, "expected a mapping of names to values")
            return
        for name, value in section.items():
            value = self.resolve(value, (*path, name))
            if isinstance(value, dict | list):
                self._report.problem((*path, name), "expected text")
            elif value is not None:
                self.declared[name] = str(value).lower() if isinstance(value, bool) else str(value)

    def resolve(self, value: Any, path: Path) -> Any:
        """`value` with every reference in it replaced; one that is not set is a problem, and becomes None."""
        match value:
            case str() if value.startswith(REFERENCE):
                name = value.removeprefix(REFERENCE)
                found = self.get(name)
                if found is None:
                    self._report.problem(path, f"the environment variable {name} is not set")
                return found
            case dict():
                return {key: self.resolve(inner, (*path, key)) for key, inner in value.items()}
            case list():
                return [self.resolve(inner, (*path, index)) for index, inner in enumerate(value)]
            case _:
                return value


def export(declared: Mapping[str, str]) -> None:
    """Set the declared variables for the process: LiteLLM's providers read some settings from nowhere else."""
    os.environ.update(declared)
