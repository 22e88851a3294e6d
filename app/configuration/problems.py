"""What is wrong with a configuration: problems prevent the start, warnings do not. Neither ever shows a value."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from app.configuration.document import Document
from app.conversion import Fault, Path


@dataclass(frozen=True)
class Problem:
    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: " if self.line else f"{self.file}: "
        return f"{where}{self.key}: {self.message}" if self.key else f"{where}{self.message}"


class ConfigurationRefused(Exception):
    """The configuration has at least one problem; `warnings` were found beside it, and `files` were read for it."""

    def __init__(
        self, problems: Iterable[Problem], warnings: Iterable[Problem] = (), files: Iterable[str] = ()
    ) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        self.files = tuple(files)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass
class Report:
    """The problems and warnings found while a document is read."""

    file: str
    document: Document
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    _refused: set[Path] = field(default_factory=set)
    _unresolved: set[Path] = field(default_factory=set)

    @property
    def count(self) -> int:
        """How much was reported so far."""
        return len(self.problems) + len(self.warnings)

    def problem(self, path: Path, message: str) -> None:
        """Report a problem, unless there is one at this path already, or no value: others only follow from that."""
        if path not in self._refused and path not in self._unresolved:
            self._refused.add(path)
            self.problems.append(self._at(path, message))

    def warning(self, path: Path, message: str) -> None:
        self.warnings.append(self._at(path, message))

    def unresolved(self, path: Path, message: str) -> None:
        """Warn of a value that is not there yet, and will be where the gateway is to run."""
        self._unresolved.add(path)
        self.warning(path, message)

    def lacks(self, path: Path) -> bool:
        """Whether the value at `path`, or one inside it, could not be had: by a problem or for want of it."""
        return any(found[: len(path)] == path for found in self._refused | self._unresolved)

    def faults(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.problem(fault.path, fault.message)

    def at(self, path: Path, file: str, line: int, message: str, *, fatal: bool) -> None:
        """Report of a place that is not the one of the value at `path`."""
        if not fatal:
            self.warnings.append(Problem(file, line, dotted(path), message))
        elif path not in self._refused:
            self._refused.add(path)
            self.problems.append(Problem(file, line, dotted(path), message))

    def _at(self, path: Path, message: str) -> Problem:
        file, line = self.document.location(path)
        return Problem(file or self.file, line, dotted(path), message)


def dotted(path: Path) -> str:
    """A path as people write it: `("model_list", 0, "model_name")` is `model_list[0].model_name`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def in_order(problems: Iterable[Problem], main_file: str) -> list[Problem]:
    """Problems by line, those of included files behind those of the main one."""
    return sorted(problems, key=lambda problem: (problem.file != main_file, problem.file, problem.line))


def grouped(problems: Iterable[Problem]) -> list[Problem]:
    """One problem for each last key and message, so that thousands of models do not make thousands of lines."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.key.rpartition(".")[2], problem.message), []).append(problem)
    return [
        first if not more else Problem(first.file, first.line, first.key, f"{first.message} (and {len(more)} more)")
        for first, *more in groups.values()
    ]
