"""Values that stand elsewhere: `os.environ/NAME`, `file:///path`, and the section `environment_variables`.

A reference is resolved where the value is used, so what only an unsupported key names need not exist. Where a variable
NAME is not set and NAME_FILE is, the value is in that file, as Docker and Kubernetes hand out secrets.
"""

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from app.configuration.problems import Report
from app.configuration.secret_files import NotReadable, read_secret
from app.conversion import Path

REFERENCE = "os.environ/"
_FILE_REFERENCE = "file:///"
_FOREIGN_REFERENCE = re.compile(
    r"""\$\{\w+(?:[:?+-].*)?\}|\$[A-Z_][A-Z0-9_]*|\{\{.*\}\}
    |(?:os\.)?environ(?:\.|:|\[)\S+|(?:env|environ|os\.env|os\.environment)[/.:][A-Z_][A-Z0-9_]*|os\.getenv\(.*""",
    re.VERBOSE,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Environment:
    """The variables of the process, and those `declared` in the section `environment_variables`, which win as they do
    with LiteLLM. `needed` is whether what is missing is a problem; else it is a warning, and nothing that follows from
    it is reported."""

    def __init__(self, process: Mapping[str, str], report: Report, *, needed: bool = True) -> None:
        self._process = process
        self._report = report
        self.needed = needed
        self.declared: dict[str, str] = {}
        self.files: list[str] = []
        """The files of secrets that were looked for."""

    def get(self, name: str, path: Path = ()) -> str | None:
        """A variable's value; None where it is not set or empty. A file that cannot be read is reported at `path`."""
        value = self.declared.get(name) or self._process.get(name) or None
        if value is None and (file := self._process.get(f"{name}_FILE")):
            return self.secret(_path_of(file), path, f"{name}_FILE: ")
        if value is not None and value.startswith(_FILE_REFERENCE):
            return self.secret(_path_of(value), path, f"{name}: ")
        return value

    def declare(self, section: object) -> None:
        path = ("environment_variables",)
        if section is None:
            return
        if not isinstance(section, dict):
            self._report.problem(path, "expected a mapping of names to values")
            return
        for name, value in section.items():
            if not _NAME.fullmatch(name):
                self._report.problem((*path, name), "no name of a variable")
                continue
            value = self.resolve(value, (*path, name))
            if isinstance(value, dict | list):
                self._report.problem((*path, name), "expected text")
            elif value is not None:
                self.declared[name] = str(value).lower() if isinstance(value, bool) else str(value)

    def resolve(self, value: Any, path: Path) -> Any:
        """Replace every reference in `value`. What is not there is reported, and None stands for it."""
        match value:
            case str() if value.startswith(REFERENCE):
                return self._variable(value.removeprefix(REFERENCE), path)
            case str() if value.startswith(_FILE_REFERENCE):
                return self.secret(_path_of(value), path)
            case str() if is_foreign_reference(value):
                self._report.warning(path, "taken as it stands: a variable is written os.environ/NAME")
                return value
            case dict():
                return {key: self.resolve(inner, (*path, key)) for key, inner in value.items()}
            case list():
                return [self.resolve(inner, (*path, index)) for index, inner in enumerate(value)]
            case _:
                return value

    def _variable(self, name: str, path: Path) -> str | None:
        before = self._report.count
        found = self.get(name, path)
        if found is None and self._report.count == before:
            self._missing(path, f"the environment variable {name} is not set")
        return found

    def secret(self, file: str, path: Path, before: str = "") -> str | None:
        """The secret in a file. Where there is none, that is reported at `path`, with `before` in front of it."""
        self.files.append(file)
        try:
            return read_secret(file)
        except NotReadable as error:
            self._missing(path, f"{before}{error}")
            return None

    def _missing(self, path: Path, message: str) -> None:
        if self.needed:
            self._report.problem(path, message)
        else:
            self._report.unresolved(path, message)


def is_foreign_reference(value: str) -> bool:
    """Whether a value is written as another program has its references: a shell's `${NAME}` or `$NAME`, a template's
    `{{ name }}`, or a slip of the pen in LiteLLM's (`os.environ.NAME`, `env/NAME`). Nobody replaces it here."""
    return value.startswith(("$", "{{", "env", "os.")) and _FOREIGN_REFERENCE.fullmatch(value) is not None


def _path_of(file: str) -> str:
    return unquote(file.removeprefix("file://")) if file.startswith(_FILE_REFERENCE) else file


_replaced: dict[str, str | None] = {}
"""The variables that were exported, with what the process had before; None where it had none."""


def export(declared: Mapping[str, str]) -> None:
    """Set the declared variables for the process: some of LiteLLM's providers read their settings from there alone.
    Those that an earlier configuration declared and this one does not are as they were before."""
    for name in [name for name in _replaced if name not in declared]:
        if (before := _replaced.pop(name)) is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = before
    for name, value in declared.items():
        _replaced.setdefault(name, os.environ.get(name))
        os.environ[name] = value


def inherited() -> dict[str, str]:
    """The variables that the process was started with: what a configuration declares is not among them."""
    variables = {**os.environ, **_replaced}
    return {name: value for name, value in variables.items() if value is not None}
