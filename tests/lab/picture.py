"""A soak as a picture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib as mpl
import matplotlib.pyplot as plt

if TYPE_CHECKING:
    from tests.lab.soak import Sample

Line = tuple[str, "Callable[[Sample], float]"]
_PANELS: Sequence[tuple[str, Sequence[Line]]] = (
    ("resident memory, MB", [("memory", lambda sample: sample.resident / (1 << 20))]),
    (
        "held between two rounds",
        [
            ("tasks", lambda sample: sample.held.tasks),
            ("timers", lambda sample: sample.held.timers),
            ("descriptors", lambda sample: sample.held.descriptors),
            ("threads, but those of pools", lambda sample: sample.held.threads),
        ],
    ),
    (
        "a small stream during the storm, ms",
        [("p50", lambda sample: sample.p50 * 1000), ("p99", lambda sample: sample.p99 * 1000)],
    ),
)


def draw(samples: Sequence[Sample], file: Path) -> None:
    mpl.use("Agg")
    figure, panels = plt.subplots(len(_PANELS), 1, sharex=True, figsize=(10, 8), layout="constrained")
    minutes = [sample.at / 60 for sample in samples]
    for panel, (title, lines) in zip(panels, _PANELS, strict=True):
        for name, value in lines:
            panel.plot(minutes, [value(sample) for sample in samples], label=name, linewidth=1)
        panel.set_title(title, loc="left", fontsize=10)
        panel.set_ylim(0, panel.get_ylim()[1] * 1.2)
        panel.grid(alpha=0.3)
        panel.legend(loc="upper left", fontsize=8, frameon=False, ncols=4)
    panels[-1].set_xlabel(f"minutes; {samples[-1].requests} requests in all")
    file.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(file, dpi=110)
