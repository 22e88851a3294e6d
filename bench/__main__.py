"""`python -m bench`: the whole table, in about ten minutes. `--quick`: a few ratios to the floor, with limits."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import click
import uvloop

from bench.cells import CELLS, HELD, Cell, measure
from bench.peers import Peers, with_peers
from bench.report import Results, heading, latencies, ratio, table
from bench.rows import BY_NAME, Row
from bench.servers import Server, Servers

QUICK_ROWS = ("floor", "flowspan")
LIMITS = {
    "small JSON, 32 at once": 1.85,
    "burst of 200 chunks, 32 at once": 3.3,
    "50 chunks at 20 ms, 100 at once": 2.1,
}
"""Limits of the row `flowspan`, in multiples of the floor: what was measured last, and four tenths. Machines differ by
a quarter in it, so smaller losses show in the calls that are counted, and tested, instead."""
QUICK_ROUNDS = 7
_NOT_MEASURED = {("direct", HELD.name)}
_SLOW = frozenset({"flowspan, by LiteLLM", "LiteLLM proxy"})
"""Rows that get a tenth of the load, and a third of the paced one, as they cost ten times as much."""


@click.command()
@click.option("--quick", is_flag=True, help="A minute; fails where a ratio to the floor is above its limit.")
@click.option("--rounds", type=int, help="3; with --quick 7, shorter ones.")
@click.option("--rows", help="Names, separated by semicolons; all by default.")
@click.option("--cells", help="Numbers of cells from 1, separated by commas.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write every figure there.")
@click.option(
    "--earlier",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="An environment of Python's with an earlier version of Flowspan, for the row of this name.",
)
@with_peers
def main(
    quick: bool,
    rounds: int | None,
    rows: str | None,
    cells: str | None,
    file: Path | None,
    earlier: Path | None,
    peers: Path | None,
) -> None:
    names = QUICK_ROWS if quick else rows.split(";") if rows else tuple(BY_NAME)
    installed = Peers(peers, earlier)
    chosen = installed.present(tuple(BY_NAME[name] for name in names))
    numbers = [int(number) - 1 for number in cells.split(",")] if cells else range(len(CELLS))
    columns = [cell for cell in CELLS if cell.name in LIMITS] if quick else [CELLS[number] for number in numbers]
    each, share = (QUICK_ROUNDS, 0.3) if quick else (3, 1.0)
    with Servers(chosen, peers=installed) as servers:
        measure_all = partial(_measure, chosen, columns, servers.running, rounds or each, share)
        results = uvloop.run(measure_all())
        if quick and _too_slow(results):
            click.echo("above a limit; once more, as something else may have kept the machine busy", err=True)
            results = uvloop.run(measure_all())
    click.echo(heading(installed))
    click.echo(table(results, columns))
    click.echo("\n" + latencies(results, columns))
    click.echo("\n" + _starts(servers.running))
    if file is not None:
        figures = {
            row: {cell: [asdict(one) for one in each] for cell, each in by.items()} for row, by in results.items()
        }
        file.write_text(json.dumps({"about": heading(installed), "figures": figures}, indent=1))
    if quick and (complaints := _too_slow(results)):
        click.echo("\n".join(complaints), err=True)
        sys.exit(1)


async def _measure(
    rows: Sequence[Row], cells: Sequence[Cell], running: dict[str, Server], rounds: int, share: float
) -> Results:
    """Measure all rows in rounds, cell by cell, in alternating order, so that other work of the machine meets all."""
    results: Results = {row.name: {} for row in rows}
    for cell in cells:
        for turn in range(1 if cell is HELD else rounds):
            for row in rows if turn % 2 == 0 else reversed(rows):
                if (row.name, cell.name) in _NOT_MEASURED:
                    continue
                click.echo(f"{cell.name}: round {turn + 1}: {row.name}", err=True)
                size = share / (3 if cell.is_paced else 10) if row.name in _SLOW else share
                results[row.name].setdefault(cell.name, []).append(await measure(cell, row, running[row.name], size))
    return results


def _too_slow(results: Results) -> list[str]:
    complaints = []
    for cell, limit in LIMITS.items():
        times = ratio(results, "flowspan", cell)
        if times is None or times > limit:
            complaints.append(f"too slow: {cell}: {times} times the floor, {limit} allowed")
    return complaints


def _starts(running: dict[str, Server]) -> str:
    lines = ["| | start, s | idle, MB |", "| --- | --- | --- |"]
    lines += [
        f"| {name} | {server.start_seconds:.2f} | {server.idle_bytes / 1e6:.0f} |"
        for name, server in running.items()
        if server.idle_bytes
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
