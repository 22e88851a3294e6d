"""How many instructions a request and a chunk take in user space: `python -m bench.instructions`, in five minutes.

Counted by valgrind (`apt-get install valgrind`), which runs the gateway on a simulated processor, fifty times slower:
all threads, Python's interpreter and its extensions, without the kernel. As with `bench.counts` no other work of the
machine changes the figures; unlike calls, instructions can be compared between programs that are written in another
way.
"""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import uvloop

from bench.cells import Cell, asking
from bench.load import drive
from bench.rows import BY_NAME, Row
from bench.servers import Server, Servers

ROWS = ("floor", "flowspan")
REQUEST = Cell("a small request", "instructions", "bench-20", 200, 1)
SHORT = Cell("a short stream", "instructions", "bench-10-10", 20, 1, True, 10, pause=0.01)
LONG = Cell("a long stream", "instructions", "bench-110-10", 8, 1, True, 110, pause=0.01)
MODELS = tuple(cell.model for cell in (REQUEST, SHORT, LONG))
_WARM = 40
"""Requests after which whatever is made once has been made."""
_IDLE = 4.0
"""Seconds for which a gateway without requests is counted: what it does by the clock is not a request's."""
_TOTAL = re.compile(r"^(?:summary|totals): (\d+)", re.MULTILINE)


class Callgrind:
    """A program that runs under valgrind, whose instructions are counted between `start` and `stop`."""

    def __init__(self, pid: int, folder: Path) -> None:
        self._pid = pid
        self._folder = folder

    def start(self) -> None:
        self._control("--instr=on")
        self._control("--zero")

    def stop(self) -> int:
        """The instructions since `start`."""
        before = set(self._folder.iterdir())
        self._control("--dump")
        self._control("--instr=off")
        (written,) = set(self._folder.iterdir()) - before
        (total, *_) = _TOTAL.findall(written.read_text())
        return int(total)

    def _control(self, option: str) -> None:
        subprocess.run(["callgrind_control", option, str(self._pid)], check=True, capture_output=True, timeout=120)


def measure(row: Row) -> tuple[float, float, float]:
    """Instructions of a small request, of a stream's beginning and end, and of a chunk."""
    with TemporaryDirectory() as folder:
        under = [
            "valgrind",
            "--tool=callgrind",
            "--instr-atstart=no",
            f"--callgrind-out-file={folder}/counted",
        ]
        with Servers([row], MODELS, pinned=False, under=under) as servers:
            server = servers.running[row.name]
            request, short, long = [_count(Path(folder), server, cell, row) for cell in (REQUEST, SHORT, LONG)]
    chunk = (long - short) / (LONG.chunks - SHORT.chunks)
    return request, short - chunk * SHORT.chunks, chunk


def _count(folder: Path, server: Server, cell: Cell, row: Row) -> float:
    what = asking(cell, row)
    uvloop.run(drive(server.port, what, min(_WARM, cell.count), 1))
    counted = Callgrind(server.pid, folder)
    counted.start()
    time.sleep(_IDLE)
    by_the_clock = counted.stop() / _IDLE
    began = time.monotonic()
    counted.start()
    uvloop.run(drive(server.port, what, cell.count, 1))
    return (counted.stop() - by_the_clock * (time.monotonic() - began)) / cell.count


@click.command()
@click.option("--rows", help="Names, separated by semicolons; floor and flowspan by default.")
def main(rows: str | None) -> None:
    if shutil.which("valgrind") is None:
        sys.exit("valgrind is not installed: apt-get install valgrind")
    click.echo("| instructions in user space, thousands | small request | stream's beginning and end | chunk |")
    click.echo("| --- | ---: | ---: | ---: |")
    for name in rows.split(";") if rows else ROWS:
        figures = " | ".join(f"{figure / 1000:,.0f}" for figure in measure(BY_NAME[name]))
        click.echo(f"| {name} | {figures} |")


if __name__ == "__main__":
    main()
