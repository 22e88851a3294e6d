"""How many functions a request and a chunk call, without noise: `python -m bench.counts`, in half a minute.

Time depends on what else the machine does, and on its caches; counts hardly differ from run to run. Those of Python's
functions are told and those of functions in C that they call, on the thread of the event loop and, in brackets, on all
others, and the objects that are left to the garbage collector. `--functions` names the functions that make them up,
`--parts` the packages.
"""

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import uvloop

from bench.cells import Cell, asking
from bench.counted import Calls, Figures, calls_of
from bench.load import drive
from bench.rows import BY_NAME, Row
from bench.servers import Server, Servers

ROWS = ("floor", "flowspan")
REQUEST = Cell("a small request", "calls", "bench-20", 1000, 1)
SHORT = Cell("a short stream", "calls", "bench-10-5", 50, 1, True, 10, pause=0.005)
LONG = Cell("a long stream", "calls", "bench-110-5", 15, 1, True, 110, pause=0.005)
_WARM = 64
"""Requests after which whatever is made once has been made."""
_FUNCTION = re.compile(r"(?P<file>.*):(?P<line>\d+) (?P<name>.*)")


@dataclass(frozen=True)
class Count:
    """Calls of one request, or of one chunk, by function."""

    python: dict[str, float]
    in_c: dict[str, float]
    python_of_others: float
    """Calls on all threads but the event loop's."""
    in_c_of_others: float
    collected: float
    """Objects that are left to the garbage collector, as they are in cycles."""

    def minus(self, other: "Count", times: float) -> "Count":
        return Count(
            _minus(self.python, other.python, times),
            _minus(self.in_c, other.in_c, times),
            self.python_of_others - other.python_of_others * times,
            self.in_c_of_others - other.in_c_of_others * times,
            self.collected - other.collected * times,
        )

    def over(self, number: float) -> "Count":
        return Count(
            {name: count / number for name, count in self.python.items()},
            {name: count / number for name, count in self.in_c.items()},
            self.python_of_others / number,
            self.in_c_of_others / number,
            self.collected / number,
        )

    @property
    def calls(self) -> float:
        """Calls of functions in Python on the event loop's thread. The others work by the clock, for many requests."""
        return sum(self.python.values())


@dataclass(frozen=True)
class RowCounts:
    """What one gateway calls for a small request, for the beginning and end of a stream, and for each chunk."""

    request: Count
    stream: Count
    chunk: Count


def counts(row: Row, *, scale: float = 1.0) -> RowCounts:
    """Start the row's gateway and count; `scale` is for fewer requests, which are a little less exact."""
    models = [row.prefix + cell.model for cell in (REQUEST, SHORT, LONG)]
    with TemporaryDirectory() as folder, Servers([row], models, pinned=False, under=_under(folder)) as servers:
        server = servers.running[row.name]
        request, short, long = [
            uvloop.run(_count(Path(folder), server, cell, row, scale)) for cell in (REQUEST, SHORT, LONG)
        ]
    chunk = long.minus(short, 1).over(LONG.chunks - SHORT.chunks)
    return RowCounts(request, short.minus(chunk, SHORT.chunks), chunk)


def _under(folder: str) -> list[str]:
    return [sys.executable, "-m", "bench.counted", folder]


async def _count(folder: Path, server: Server, cell: Cell, row: Row, scale: float) -> Count:
    what = asking(cell, row)
    count = max(2, round(cell.count * scale))
    await drive(server.port, what, min(_WARM, count), 1)
    before = calls_of(folder, server.pid)
    await drive(server.port, what, count, 1)
    return _per_request(calls_of(folder, server.pid).since(before), count)


def _per_request(calls: Calls, requests: int) -> Count:
    return Count(
        {name: entered / requests for name, (entered, _) in calls.loop.items()},
        {name: in_c / requests for name, (_, in_c) in calls.loop.items()},
        _total(calls.others, 0) / requests,
        _total(calls.others, 1) / requests,
        calls.collected / requests,
    )


def _total(figures: Figures, column: int) -> int:
    return sum(counts[column] for counts in figures.values())


def _minus(one: Mapping[str, float], other: Mapping[str, float], times: float) -> dict[str, float]:
    return {name: one.get(name, 0.0) - other.get(name, 0.0) * times for name in one.keys() | other.keys()}


def part_of(function: str) -> str:
    """The part of the program that a function belongs to: a package of ours and the one below it, or a library."""
    file, _, _ = _found(function)
    _, installed, path = file.rpartition("site-packages/")
    if installed:
        return path.split("/")[0].removesuffix(".py")
    ours = re.search(r"/((?:app|telemetry)/[^/]+)", file)
    if ours is not None:
        return ours[1].removesuffix(".py")
    library = re.search(r"/python3\.\d+/([^/.]+)", file)
    return library[1] if library is not None else file


def _found(function: str) -> tuple[str, str, str]:
    """File, line and name of a function as `bench.counted` names it."""
    found = _FUNCTION.fullmatch(function)
    assert found is not None, function
    return found["file"], found["line"], found["name"]


def function_of(function: str) -> str:
    """A function as a reader looks it up: the end of its file's path, its line and its name."""
    file, line, name = _found(function)
    return f"{'/'.join(file.split('/')[-3:])}:{line} {name}"


def _by(name_of: Callable[[str], str], count: Count) -> list[tuple[str, float, float]]:
    """Calls in Python and in C by group, the largest first."""
    groups: dict[str, list[float]] = {}
    for column, figures in enumerate((count.python, count.in_c)):
        for name, number in figures.items():
            groups.setdefault(name_of(name), [0.0, 0.0])[column] += number
    rows = [(name, python, in_c) for name, (python, in_c) in groups.items() if python >= 0.05 or in_c >= 0.05]
    return sorted(rows, key=lambda row: -row[1])


def _line(row: str, what: str, count: Count) -> str:
    python, in_c = sum(count.python.values()), sum(count.in_c.values())
    others = f"{python:.1f} ({count.python_of_others:.1f}) | {in_c:.1f} ({count.in_c_of_others:.1f})"
    return f"| {row} | {what} | {others} | {count.collected:.1f} |"


@click.command()
@click.option("--rows", help="Names, separated by semicolons; floor and flowspan by default.")
@click.option("--parts", is_flag=True, help="Tell by package, too.")
@click.option("--functions", is_flag=True, help="Tell by function, too.")
def main(rows: str | None, parts: bool, functions: bool) -> None:
    click.echo("| | each | Python calls | calls in C | objects in cycles |\n| --- | --- | ---: | ---: | ---: |")
    details: list[str] = []
    for name in rows.split(";") if rows else ROWS:
        found = counts(BY_NAME[name])
        kinds = {"small request": found.request, "stream's beginning and end": found.stream, "chunk": found.chunk}
        for what, count in kinds.items():
            click.echo(_line(name, what, count))
            for wanted, name_of in ((parts, part_of), (functions, function_of)):
                if wanted:
                    details += [f"\n{name}, {what}\n"]
                    details += [f"{python:8.2f} {in_c:8.2f}  {group}" for group, python, in_c in _by(name_of, count)]
    click.echo("\n".join(details))


if __name__ == "__main__":
    main()
