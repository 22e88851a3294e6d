"""Plays the incident on the real stack and draws each dashboard as it looked then."""

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import Any

from dashboards.queries import read_dashboards
from tests.real.incident import Run, configuration, play
from tests.real.pictures.charts import Window
from tests.real.pictures.page import Page
from tests.real.programs import ROOT
from tests.real.prometheus import Prometheus
from tests.real.searches import line_of
from tests.real.stack import Stack

IMAGES = ROOT / "docs" / "img"
_AFTER = {"flow-overview.json": -1.0}
"""Seconds after the trouble's end at which a dashboard is seen: the overview while it still stands in it, the others
when they show how it ended."""
_LATER = 22.0
_HEADS = {"flow-overview.json": "Requests"}
"""Where a picture of the first rows ends: before the row of this title."""
_TRIPS = "sum(increase(flowspan_breaker_trips_total[2s])) > 0"


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, Stack(Path(folder), configuration()) as stack:
        run = asyncio.run(play(stack, recovered=lambda: False, at_most=_LATER + 2))
        for name in read_dashboards():
            draw(name, stack, run)
    return 0


def draw(name: str, stack: Stack, run: Run) -> None:
    end = run.calm_at + _AFTER.get(name, _LATER)
    lines = [line_of(scope, record) for scope, record in stack.receiver.logs_by_scope()]
    dashboard = read_dashboards()[name]
    window = Window(stack.prometheus, run.began, end, marks(dashboard, stack.prometheus, run.began, end))
    page = Page(dashboard, window, stack.receiver.spans(), lines)
    page.save(IMAGES / f"{Path(name).stem}.png")
    if name in _HEADS:
        page.upto(_HEADS[name]).save(IMAGES / f"{Path(name).stem}-head.png")


def marks(dashboard: dict[str, Any], prometheus: Prometheus, start: float, end: float) -> list[tuple[float, str]]:
    """The dashboard's annotations: each series where it begins, or at the time that its value is."""
    found = []
    for annotation in dashboard["annotations"]["list"]:
        for series in prometheus.range(annotation["expr"], start, end):
            moments = [at for at, _ in series.points]
            begins = [at for before, at in zip([0.0, *moments], moments, strict=False) if at - before > 2]
            if annotation.get("useValueForTime"):
                begins = [value / 1000 for _, value in series.points[-1:]]
            found += [(at, annotation["iconColor"]) for at in begins if at > start]
    return found


if __name__ == "__main__":
    sys.exit(main())
