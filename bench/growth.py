"""What a chunk or a request costs as things grow: `python -m bench.growth [--picture FILE]`.

The length of a stream, the streams open at once, configured models, keys of callers. Each curve is of one run, one
gateway at a time on a core of its own; a flat curve is what is promised.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click
import uvloop

from bench.cells import PACED, SMALL, Cell, measure
from bench.configurations import MODELS
from bench.rows import BY_NAME
from bench.servers import Server, Servers

ROW = BY_NAME["flowspan"]
LENGTHS = (100, 1_000, 10_000, 100_000, 1_000_000)
OPEN = (1, 10, 100, 300, 1000)
MODEL_COUNTS = (4, 20, 200, 2000)
KEY_COUNTS = (1, 10, 100, 1000)
_ROUNDS = 3


@dataclass(frozen=True)
class Curve:
    """A series of measurements: `points` are (size, cost in `unit`, resident MB of the gateway afterwards)."""

    title: str
    unit: str
    points: list[tuple[int, float, float]]


def main_curves() -> Iterable[Curve]:
    yield _lengths()
    yield _open_streams()
    yield _configured("configured models", MODEL_COUNTS, lambda count: Servers([ROW], models=_models(count)))
    yield _configured("keys of callers", KEY_COUNTS, lambda count: Servers([ROW], keys=count))


def _lengths() -> Curve:
    cells = [
        Cell("stream", "us/chunk", f"bench-{length}", max(1, min(200, 200_000 // length)), 1, True, length)
        for length in LENGTHS
    ]
    models = [cell.model for cell in cells]
    with Servers([ROW], models=models) as servers:
        points = [_point(cell, length, servers.running[ROW.name]) for cell, length in zip(cells, LENGTHS, strict=True)]
    return Curve("chunks in a stream", "us/chunk", points)


def _open_streams() -> Curve:
    with Servers([ROW]) as servers:
        server = servers.running[ROW.name]
        points = [_point(replace(PACED, count=max(5, count * 2), at_once=count), count, server) for count in OPEN]
    return Curve("streams open at once, 20 ms a chunk", "us/chunk", points)


def _configured(title: str, counts: Sequence[int], servers_with: Callable[[int], Servers]) -> Curve:
    points = []
    for count in counts:
        with servers_with(count) as servers:
            points.append(_point(replace(SMALL, count=2000), count, servers.running[ROW.name]))
    return Curve(title, "us/request", points)


def _models(count: int) -> list[str]:
    return [*MODELS, *(f"bench-20-{number}" for number in range(count - len(MODELS)))]


def _point(cell: Cell, size: int, server: Server) -> tuple[int, float, float]:
    costs = sorted(uvloop.run(measure(cell, ROW, server)).cost for _ in range(_ROUNDS))
    click.echo(f"{cell.name}, {size}: {costs[_ROUNDS // 2]:.2f} {cell.unit}", err=True)
    return size, costs[_ROUNDS // 2], server.resident_bytes() / 1e6


def _table(curve: Curve) -> str:
    lines = [f"| {curve.title} | {curve.unit} | resident MB |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {size:,} | {cost:.3g} | {memory:.0f} |" for size, cost, memory in curve.points)])


def _draw(curves: Sequence[Curve], file: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 7), layout="constrained")
    for axes, curve in zip(figure.subplots(2, 2).flat, curves, strict=True):
        sizes, costs, _ = zip(*curve.points, strict=True)
        axes.plot(sizes, costs, marker="o")
        axes.set(xscale="log", xlabel=curve.title, ylabel=curve.unit, ylim=(0, max(costs) * 1.3))
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=110)


@click.command()
@click.option("--picture", type=click.Path(path_type=Path), help="Draw the curves there (PNG or SVG).")
@click.option("--json", "file", type=click.Path(path_type=Path))
def main(picture: Path | None, file: Path | None) -> None:
    curves = list(main_curves())
    click.echo("\n\n".join(map(_table, curves)))
    if file is not None:
        file.write_text(json.dumps({curve.title: curve.points for curve in curves}, indent=1))
    if picture is not None:
        _draw(curves, picture)


if __name__ == "__main__":
    main()
