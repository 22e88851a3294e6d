"""Rounds in, a table out: medians and spread, and the ratio to the floor, or to a row's other neighbour, in the same
rounds."""

import platform
import sysconfig
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from bench.cells import CELLS, Cell, Figures
from bench.peers import Peers
from bench.rows import BY_NAME

Results = dict[str, dict[str, list[Figures]]]
"""Each round's measurements, by row and by cell."""


def heading(peers: Peers) -> str:
    """When and on what something is measured: the date, the machine, Python's build, and the versions of what takes
    part."""
    names = ("flowspan", "fastapi", "uvicorn", "uvloop", "aiohttp")
    found = {name: Peers().version(name) for name in names}
    found |= {name: peers.version(name) for name in ("litellm", "tensorzero")}
    versions = ", ".join(f"{name} {version}" for name, version in found.items() if version)
    python = f"Python {platform.python_version()} ({_build()})"
    return f"{datetime.now(UTC):%Y-%m-%d}, {python}, {_processor()}; {versions}\n"


def _build() -> str:
    """Whether the interpreter was configured with profile-guided optimization, which is worth 10 to 15 in a hundred.
    Debian's has it without that option."""
    options = str(sysconfig.get_config_var("CONFIG_ARGS"))
    return f"{'with' if '--enable-optimizations' in options else 'without'} --enable-optimizations"


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def table(results: Results, cells: Sequence[Cell] = CELLS) -> str:
    """The table as Markdown: a row for each gateway, a column for each cell."""
    heads = ["", *(f"{cell.name}, {cell.unit}" for cell in cells)]
    lines = [_line(heads), _line("---" for _ in heads)]
    for name, by_cell in results.items():
        lines.append(_line([name, *(_figure(results, name, cell) for cell in cells)] if by_cell else [name]))
    return "\n".join(lines)


def latencies(results: Results, cells: Sequence[Cell] = CELLS) -> str:
    """The table of delays in milliseconds, of the first byte and of each chunk, beyond the row without a gateway."""
    paced = [cell for cell in cells if cell.is_paced]
    heads = ["", *(f"{cell.name}: {what}, ms" for cell in paced for what in ("first byte", "chunk p50", "chunk p99"))]
    lines = [_line(heads), _line("---" for _ in heads)]
    for name, by_cell in results.items():
        figures = [value for cell in paced for value in _delays(by_cell.get(cell.name, []))]
        if any(figures):
            lines.append(_line([name, *figures]))
    return "\n".join(lines)


def cost(results: Results, name: str, cell: str) -> float | None:
    rounds = results.get(name, {}).get(cell, [])
    return median(one.cost for one in rounds) if rounds else None


def ratio(results: Results, name: str, cell: str) -> float | None:
    """The median of the rounds' ratios to the row beside it: what is measured in one round saw the same machine."""
    beside = results.get(BY_NAME[name].beside, {}).get(cell, [])
    rounds = zip(results.get(name, {}).get(cell, []), beside, strict=False)
    ratios = [figure.cost / other.cost for figure, other in rounds if other.cost]
    return median(ratios) if ratios else None


def _figure(results: Results, name: str, cell: Cell) -> str:
    figure = cost(results, name, cell.name)
    if figure is None:
        return "-"
    rounds = [one.cost for one in results[name][cell.name]]
    spread = (max(rounds) - min(rounds)) / figure / 2 if figure else 0.0
    times = ratio(results, name, cell.name)
    beside = f" ({times:.2f} x)" if times is not None and name != BY_NAME[name].beside else ""
    return f"{figure:.3g}{beside} ± {spread:.0%}"


def _delays(rounds: Sequence[Figures]) -> list[str]:
    if not rounds:
        return ["", "", ""]
    columns = [
        [one.first_byte for one in rounds],
        [one.chunk_p50 for one in rounds],
        [one.chunk_p99 for one in rounds],
    ]
    return [
        f"{median(values) * 1000:.2f}" if (values := [v for v in column if v is not None]) else "" for column in columns
    ]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
