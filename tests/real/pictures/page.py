"""A dashboard as one picture: every panel in its place on the grid of 24 columns."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from tests.real.pictures.charts import DRAWN, Window
from tests.real.pictures.lists import draw_lines, draw_traces
from tests.real.pictures.look import BACKGROUND, EDGE, PANEL, TEXT
from tests.real.pictures.picture import draw_pipeline
from tests.real.searches import Line

_COLUMN, _ROW, _GAP, _HEAD = 66, 36, 4, 44
"""Pixels."""
_DPI = 100
_COLUMNS = 24


class Page:
    """`spans` and `lines` are what arrived; `until` is the moment up to which lists are shown."""

    def __init__(self, dashboard: dict[str, Any], window: Window, spans: Any, lines: list[Line]) -> None:
        self._dashboard = dashboard
        self._window = window
        self._spans = spans
        self._lines = lines
        self._panels = dashboard["panels"]
        rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in self._panels)
        self._width = _COLUMNS * _COLUMN
        self._height: int = rows * _ROW + _HEAD

    def upto(self, title: str) -> "Page":
        """What stands before the row of this title."""
        heads = ((number, panel["title"]) for number, panel in enumerate(self._panels) if panel["type"] == "row")
        end = next(number for number, head in heads if head == title)
        return Page({**self._dashboard, "panels": self._panels[:end]}, self._window, self._spans, self._lines)

    def save(self, path: Path) -> None:
        with mpl.rc_context({"font.family": "DejaVu Sans"}):
            figure = Figure((self._width / _DPI, self._height / _DPI), dpi=_DPI, facecolor=BACKGROUND)
            FigureCanvasAgg(figure)
            figure.text(0.008, 1 - 14 / self._height, self._dashboard["title"], color=TEXT, fontsize=15, va="top")
            for panel in self._panels:
                self._draw(figure, panel)
            figure.savefig(path, facecolor=BACKGROUND)

    def _draw(self, figure: Figure, panel: dict[str, Any]) -> None:
        at = panel["gridPos"]
        left, top = at["x"] * _COLUMN + _GAP, at["y"] * _ROW + _HEAD + _GAP
        width, height = at["w"] * _COLUMN - 2 * _GAP, at["h"] * _ROW - 2 * _GAP
        if panel["type"] == "row":
            self._write(figure, left, top + 14, f"▾  {panel['title']}", 11)
            return
        corner = (left / self._width, self._up(top + height))
        frame = Rectangle(corner, width / self._width, height / self._height, facecolor=PANEL, edgecolor=EDGE)
        frame.set(transform=figure.transFigure, zorder=-1)
        figure.add_artist(frame)
        self._write(figure, left + 8, top + 14, panel["title"], 9.5)
        self._fill(self._axes(figure, panel, left, top, width, height), panel)

    def _write(self, figure: Figure, x: int, y: int, text: str, size: float) -> None:
        figure.text(x / self._width, self._up(y), text, color=TEXT, fontsize=size, va="center")

    def _axes(self, figure: Figure, panel: dict[str, Any], left: int, top: int, width: int, height: int) -> Axes:
        graph = panel["type"] in ("timeseries", "heatmap", "state-timeline")
        before = 92 if panel["type"] == "state-timeline" else 62 if graph else 14
        below = 62 if panel["type"] in ("timeseries", "state-timeline") else 30 if graph else 8
        inner = (left + before, top + 28, width - before - 14, height - 28 - below)
        x, y, wide, high = inner
        return figure.add_axes((x / self._width, self._up(y + high), wide / self._width, high / self._height))

    def _fill(self, axes: Axes, panel: dict[str, Any]) -> None:
        match panel["type"]:
            case "canvas":
                draw_pipeline(axes, panel, self._window)
            case "table":
                draw_traces(axes, panel, self._spans, self._window.end)
            case "logs":
                draw_lines(axes, panel, self._lines)
            case kind:
                DRAWN[kind](axes, panel, self._window)

    def _up(self, pixels: float) -> float:
        """From pixels below the top to the share of the height above the bottom."""
        return 1 - pixels / self._height
