"""How the recordings do in the tests of this folder, by provider, and why some are left out of some.

    python -m tests.streams.score [ARGUMENTS FOR PYTEST]

Runs the tests. `95/97` in its table: 95 of a provider's 97 recordings in the dialects of the test hold it; the others
are named below, each with the reason. Exits with pytest's status.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest

from tests.streams.index import everything
from tests.streams.recordings import FAILED, ODD

_HELD = "held"
_BY_NAME = {recording.name: recording for recording in everything()}
_WHY_NOT = {**{one.name: f"it ends with an error: {one.error}" for one in FAILED}, **ODD}
"""Why a recording is missing in a list that all others of its dialect are in."""
Results = Mapping[str, str]
"""By a recording's name: that it held, or what became of it instead."""


class Score:
    """A plugin of pytest that notes what becomes of each test of a `recording`."""

    def __init__(self) -> None:
        self.tests: dict[str, dict[str, str]] = defaultdict(dict)
        self._names: dict[str, tuple[str, str]] = {}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if isinstance(item, pytest.Function) and hasattr(item, "callspec"):
                recording: Any = item.callspec.params.get("recording")
                if recording is not None:
                    self._names[item.nodeid] = f"{item.path.name} {item.originalname}", recording.name

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.nodeid not in self._names:
            return
        test, name = self._names[report.nodeid]
        if report.skipped and isinstance(report.longrepr, tuple):
            self.tests[test][name] = report.longrepr[2].removeprefix("Skipped: ")
        elif report.failed:
            self.tests[test][name] = "it FAILED"
        elif report.when == "call":
            self.tests[test][name] = _HELD


def _with_those_left_out(results: Results) -> tuple[Results, int]:
    """`results`, with the recordings of the same dialects that are in no parameter for a known reason; and of how many
    recordings the rest is a part, where some are in none because the test needs only a few."""
    apis = {_BY_NAME[name].api for name in results}
    missing = [one.name for one in _BY_NAME.values() if one.api in apis and one.name not in results]
    if all(name in _WHY_NOT for name in missing):
        return {**results, **{name: _WHY_NOT[name] for name in missing}}, 0
    return results, len(results) + len(missing)


def _lines(tests: Mapping[str, Results]) -> Iterator[str]:
    completed = {test: _with_those_left_out(results) for test, results in tests.items()}
    yield "Tests:"
    for number, (test, (results, part_of)) in enumerate(completed.items(), 1):
        yield f"{number:4}  {test}{f' (a part: {len(results)} of {part_of} recordings)' if part_of else ''}"
    columns = [results for results, _ in completed.values()]
    yield ""
    yield from _table(columns)
    yield ""
    yield from _reasons(columns)
    unread = Counter(one.api for one in _BY_NAME.values() if not any(one.name in results for results in columns))
    if unread:
        yield f"\nIn no test, by dialect: {', '.join(f'{api} {count}' for api, count in unread.most_common())}"


def _table(columns: list[Results]) -> Iterator[str]:
    providers = sorted({_provider(name) for results in columns for name in results})
    yield "provider".ljust(20) + "".join(f"{number:9}" for number in range(1, len(columns) + 1))
    for provider in providers:
        yield provider.ljust(20) + "".join(
            _cell(what for name, what in results.items() if _provider(name) == provider) for results in columns
        )
    yield "all".ljust(20) + "".join(_cell(results.values()) for results in columns)


def _cell(results: Iterable[str]) -> str:
    found = list(results)
    return (f"{found.count(_HELD)}/{len(found)}" if found else "").rjust(9)


def _reasons(columns: list[Results]) -> Iterator[str]:
    numbers: dict[tuple[str, str], list[str]] = defaultdict(list)
    for number, results in enumerate(columns, 1):
        for name, what in results.items():
            if what != _HELD:
                numbers[name, what].append(str(number))
    yield "Left out or failed:" if numbers else "None was left out, and none failed."
    for (name, what), tests in sorted(numbers.items()):
        yield f"  {name} of {', '.join(tests)}: {what}"


def _provider(name: str) -> str:
    return name.partition("/")[0]


def main(arguments: list[str]) -> int:
    score = Score()
    with redirect_stdout(sys.stderr):
        status = pytest.main(["-q", "--no-cov", "-p", "no:xdist", *arguments, str(Path(__file__).parent)], [score])
    sys.stdout.writelines(f"{line}\n" for line in _lines(score.tests))
    return int(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
