"""What is wrong with a configuration: problems refuse the start, warnings do not. Neither ever shows a value."""

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
    """At least one problem; `warnings` came along."""

    def __init__(self, problems: Iterable[Problem], warnings: Iterable[Problem] = ()) -> None:
        self.problems = tuple(problems)
        self.warnings = tuple(warnings)
        super().__init__("\n".join(str(problem) for problem in self.problems))


@dataclass
class Report:
    """Collects what is found while a document is read."""

    file: str
    document: Document
    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    _refused: set[Path] = field(default_factory=set)

    def problem(self, path: Path, message: str, line: int | None = None) -> None:
        """The first problem of a path counts: what follows from it would only be noise."""
        if path not in self._refused:
            self._refused.add(path)
            self.problems.append(self._at(path, message, line))

    def warning(self, path: Path, message: str) -> None:
        self.warnings.append(self._at(path, message, None))

    def has_problem(self, path: Path) -> bool:
        return path in self._refused

    def faults(self, faults: Iterable[Fault]) -> None:
        for fault in faults:
            self.problem(fault.path, fault.message)

    def _at(self, path: Path, message: str, line: int | None) -> Problem:
        return Problem(self.file, line or self.document.line(path), dotted(path), message)


def dotted(path: Path) -> str:
    """`("model_list", 0, "model_name")` as `model_list[0].model_name`."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else step
    return text


def grouped(problems: Iterable[Problem]) -> list[Problem]:
    """One for each last key and message, so that thousands of models do not make thousands of lines."""
    groups: dict[tuple[str, str], list[Problem]] = {}
    for problem in problems:
        groups.setdefault((problem.key.rpartition(".")[2], problem.message), []).append(problem)
    return [
        first if not more else Problem(first.file, first.line, first.key, f"{first.message} (and {len(more)} more)")
        for first, *more in groups.values()
    ]
