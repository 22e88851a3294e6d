"""What the recorder costs: `python -m bench.recorder [--rounds N]`, in about three minutes.

The same gateway without a recorder, with one in memory, and with one in a file, one at a time on a core of its own, in
alternating order. What is told is the CPU time of the whole process, the recorder's thread included: while it is
loaded, and together with what the recorder put off until then.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import click
import uvloop

from bench.cells import PROMPT, Cell, asking
from bench.load import drive
from bench.rows import TRACED, Row
from bench.servers import Server, Servers

ROWS = (
    Row("off", "flowspan", "no recorder", environment=TRACED),
    Row("memory", "flowspan", "the latest 64 MiB", settings="recorder: memory", environment=TRACED),
    Row("SQLite", "flowspan", "", settings='recorder: "sqlite:///{folder}/recordings.db"', environment=TRACED),
)
CELLS = (
    Cell("a small request", "us/request", "bench-20", 2000, 32),
    Cell("a chunk, 200 in a stream", "us/chunk", "bench-200", 150, 8, True, 200),
    Cell("a request with a prompt of 100 kB", "us/request", "bench-20", 240, 8, prompt=PROMPT),
)
_QUIET = 3.0
"""Seconds after a load, in which the recorder does what it has put off."""


@dataclass(frozen=True)
class Cost:
    """CPU time in the cell's unit, and requests in a second, of a client that always waits for `at_once` of them."""

    loaded: float
    altogether: float
    rate: float


@click.command()
@click.option("--rounds", type=int, default=3, show_default=True)
def main(rounds: int) -> None:
    found: dict[tuple[str, str], list[Cost]] = {}
    with Servers(ROWS) as servers:
        for cell in CELLS:
            for turn in range(rounds):
                for row in ROWS if turn % 2 == 0 else reversed(ROWS):
                    cost = uvloop.run(_cost(cell, row, servers.running[row.name]))
                    click.echo(f"{cell.name}: round {turn + 1}: {row.name}: {cost}", err=True)
                    found.setdefault((cell.name, row.name), []).append(cost)
    click.echo("| | recorder | while loaded | with what was put off | requests/s |\n| --- | --- | --- | --- | --- |")
    for cell in CELLS:
        for row in ROWS:
            click.echo(_line(cell, row.name, found[cell.name, row.name], found[cell.name, ROWS[0].name]))


async def _cost(cell: Cell, row: Row, server: Server) -> Cost:
    what = asking(cell, row)
    await drive(server.port, what, cell.count // 4, cell.at_once)
    await asyncio.sleep(_QUIET)
    before, began = server.cpu_seconds(), time.monotonic()
    await drive(server.port, what, cell.count, cell.at_once)
    loaded, took = server.cpu_seconds() - before, time.monotonic() - began
    await asyncio.sleep(_QUIET)
    scale = 1e6 / (cell.count * max(1, cell.chunks))
    return Cost(loaded * scale, (server.cpu_seconds() - before) * scale, cell.count / took)


def _line(cell: Cell, name: str, costs: Sequence[Cost], off: Sequence[Cost]) -> str:
    """A row of the table: medians, with the median of the rounds' differences from those without a recorder."""
    parts = [cell.name, name]
    for field in ("loaded", "altogether", "rate"):
        figures, others = ([getattr(one, field) for one in each] for each in (costs, off))
        ratio = median(one / other for one, other in zip(figures, others, strict=True))
        beside = "" if costs is off else f" ({ratio - 1:+.0%})"
        parts.append(f"{median(figures):.3g}{beside}")
    parts[2] += f" {cell.unit}"
    return "| " + " | ".join(parts) + " |"


if __name__ == "__main__":
    main()
