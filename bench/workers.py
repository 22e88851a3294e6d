"""What two cores serve: `python -m bench.workers [--rounds 3] [--peers PATH]`, on a machine that has two.

Clients, the mock provider and the gateway share both cores here, so that a second worker has one to gain. What is left
of them for the gateway is not the same in all rows; so beside the requests per second there is the CPU time of a
request (all processes of the gateway, the supervisor among them), and that of clients and mock. The floor, one process,
is the control. LiteLLM's proxy has workers as uvicorn makes them, and TensorZero is one process with a thread a core.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter, process_time

import click
import uvloop

from bench.cells import CELLS, SMALL, Cell, asking
from bench.load import drive
from bench.peers import Peers, with_peers
from bench.processes import cpu_seconds
from bench.report import heading
from bench.rows import BY_NAME, Row
from bench.servers import Server, Servers

ONE, LITELLM = BY_NAME["flowspan"], BY_NAME["LiteLLM proxy"]
ROWS = (
    BY_NAME["floor"],
    ONE,
    replace(ONE, name="flowspan, 1 worker", workers=1),
    replace(ONE, name="flowspan, 2 workers", workers=2),
    replace(LITELLM, name="LiteLLM proxy, 1 worker", workers=1),
    replace(LITELLM, name="LiteLLM proxy, 2 workers", workers=2),
    BY_NAME["TensorZero"],
)
BURST = next(cell for cell in CELLS if cell.name.startswith("burst of 200 chunks, 32"))
_SLOW = 10
"""LiteLLM's proxy gets so many times fewer requests, as each costs so much more."""


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
@click.option("--rounds", default=3, show_default=True)
@click.option("--share", default=1.0, help="Less than 1 for fewer requests, to see that it runs.")
@with_peers
def main(rounds: int, share: float, peers: Path | None) -> None:
    """Print a table for each of two kinds of load."""
    installed = Peers(peers)
    rows = installed.present(ROWS)
    click.echo(f"{heading(installed)}{os.cpu_count()} cores")
    with Servers(rows, pinned=False, peers=installed) as servers:
        for cell in (replace(SMALL, count=round(6000 * share)), replace(BURST, count=round(1000 * share))):
            seen: dict[str, list[Throughput]] = defaultdict(list)
            for turn in range(rounds):
                for row in rows if turn % 2 == 0 else reversed(rows):
                    click.echo(f"{cell.name}: round {turn + 1}: {row.name}", err=True)
                    count = max(cell.count // _SLOW, 2 * cell.at_once) if row.kind == "litellm" else cell.count
                    server = servers.running[row.name]
                    load = throughput(replace(cell, count=count), row, server, servers.upstream_pid)
                    seen[row.name].append(uvloop.run(load))
            one = median([each.rate for each in seen[ONE.name]])
            click.echo(f"\n| {cell.name} | requests/s | gateway, us/request | clients and mock, us/request |")
            click.echo("| --- | ---: | ---: | ---: |")
            click.echo("\n".join([_line(row.name, seen[row.name], one) for row in rows]))


if __name__ == "__main__":
    main()
