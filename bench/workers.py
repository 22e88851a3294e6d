"""What a second worker gains: `python -m bench.workers [--rounds 3]`, on a machine with two cores.

Clients, the mock provider and the gateway share both cores here, so that two workers have one each to gain. What is
left of them for the gateway is not the same in all rows; so beside the requests per second there is the CPU time of a
request (all processes of the gateway, the supervisor among them), and that of clients and mock. The floor, one process,
is the control.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median
from time import perf_counter, process_time

import click
import uvloop

from bench.cells import CELLS, SMALL, Cell, asking
from bench.load import drive
from bench.processes import cpu_seconds
from bench.rows import BY_NAME, Row
from bench.servers import Server, Servers

ONE = BY_NAME["flowspan"]
ROWS = (
    BY_NAME["floor"],
    ONE,
    replace(ONE, name="flowspan, 1 worker", settings="server: {workers: 1}"),
    replace(ONE, name="flowspan, 2 workers", settings="server: {workers: 2}"),
)
BURST = next(cell for cell in CELLS if cell.name.startswith("burst of 200 chunks, 32"))


@dataclass(frozen=True)
class Throughput:
    """One measurement: requests per second, CPU microseconds of a request, in the gateway and in clients and mock."""

    rate: float
    gateway: float
    others: float


async def throughput(cell: Cell, row: Row, server: Server, upstream: int) -> Throughput:
    what = asking(cell, row)
    await drive(server.port, what, cell.at_once * 4, cell.at_once)
    used, other, began = server.cpu_seconds(), process_time() + cpu_seconds(upstream), perf_counter()
    await drive(server.port, what, cell.count, cell.at_once)
    took = perf_counter() - began
    return Throughput(
        cell.count / took,
        (server.cpu_seconds() - used) / cell.count * 1e6,
        (process_time() + cpu_seconds(upstream) - other) / cell.count * 1e6,
    )


def _line(name: str, seen: Sequence[Throughput], one: float) -> str:
    rates = [each.rate for each in seen]
    rate, gateway = median(rates), median([each.gateway for each in seen])
    others = median([each.others for each in seen])
    spread = (max(rates) - min(rates)) / 2 / rate
    return f"| {name} | {rate:,.0f} ({rate / one:.2f} x) ± {spread:.0%} | {gateway:,.0f} | {others:,.0f} |"


@click.command()
@click.option("--rounds", default=3)
def main(rounds: int) -> None:
    with Servers(ROWS, pinned=False) as servers:
        for cell in (replace(SMALL, count=6000), replace(BURST, count=1000)):
            seen: dict[str, list[Throughput]] = defaultdict(list)
            for turn in range(rounds):
                for row in ROWS if turn % 2 == 0 else reversed(ROWS):
                    server = servers.running[row.name]
                    seen[row.name].append(uvloop.run(throughput(cell, row, server, servers.upstream_pid)))
            one = median([each.rate for each in seen[ONE.name]])
            click.echo(f"\n| {cell.name} | requests/s | gateway, us/request | clients and mock, us/request |")
            click.echo("| --- | ---: | ---: | ---: |")
            click.echo("\n".join([_line(row.name, seen[row.name], one) for row in ROWS]))
        click.echo(f"\n{os.cpu_count()} cores")


if __name__ == "__main__":
    main()
