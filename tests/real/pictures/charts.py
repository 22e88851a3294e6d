"""Panels that Prometheus answers, drawn into their place. Times are seconds since the run began."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import FuncFormatter

from tests.real.pictures.look import EDGE, FAINT, GRID, PALETTE, PANEL, TEXT, colour_by, legend, overrides, with_unit
from tests.real.prometheus import STEP, Exemplar, Prometheus, Series

_HEAT = LinearSegmentedColormap.from_list("heat", ["#20150d", "#7a3d0c", "#d9741a", "#ffb357", "#fff0d0"])
_LEGEND_LINES = 2
_NO_COUNT = 1e-9
_NAME_SPACE, _LETTER = 0.22, 6.3
"""The part of a bar's panel that its name has, and the pixels of a letter in it, at nine points."""


@dataclass(frozen=True)
class Window:
    """What is asked: of whom, from when, until when. `marks` are the annotations: moments, each with its colour."""

    prometheus: Prometheus
    start: float
    end: float
    marks: Sequence[tuple[float, str]] = ()

    def ask(self, query: str) -> list[Series]:
        return [series for series in self.prometheus.range(query, self.start, self.end) if series.points]

    def exemplars(self, query: str) -> list[Exemplar]:
        return self.prometheus.exemplars(query, self.start, self.end)

    def last(self, query: str) -> float | None:
        found = self.ask(query)
        return found[0].points[-1][1] if found else None

    def since(self, at: float) -> float:
        return at - self.start


def unit_of(panel: dict[str, Any]) -> str:
    return str(panel["fieldConfig"]["defaults"]["unit"])


def steps_of(panel: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
    return found


def draw_number(axes: Axes, panel: dict[str, Any], window: Window) -> None:
    axes.axis("off")
    found = window.ask(panel["targets"][0]["expr"])
    if not found:
        axes.text(0.5, 0.45, "-", color=FAINT, fontsize=22, ha="center", va="center", transform=axes.transAxes)
        return
    points = found[0].points
    value = points[-1][1]
    colour = colour_by(steps_of(panel), value)
    times, values = _columns(points, window)
    top = max(values) or 1.0
    axes.fill_between(times, values, color=colour, alpha=0.18, linewidth=0)
    axes.plot(times, values, color=colour, linewidth=1, alpha=0.7)
    axes.set_ylim(0, top * 2.4)
    if panel["fieldConfig"]["defaults"].get("decimals") == 0:
        value = round(value)
    text = with_unit(value, unit_of(panel))
    axes.text(0.5, 0.62, text, color=colour, fontsize=21, ha="center", va="center", transform=axes.transAxes)


def draw_series(axes: Axes, panel: dict[str, Any], window: Window) -> None:
    found = [
        (legend(target["legendFormat"], one.labels), one)
        for target in panel["targets"]
        for one in window.ask(target["expr"])
    ]
    fixed, free = overrides(panel), cycle(PALETTE)
    colours = {name: fixed.get(name) or next(free) for name, _ in found}
    defaults = panel["fieldConfig"]["defaults"]
    custom = defaults["custom"]
    if not found:
        draw_nothing(axes)
        return
    _frame(axes, panel, window)
    if custom.get("stacking", {}).get("mode") == "normal":
        _stack(axes, found, colours, window, bars=custom.get("drawStyle") == "bars")
    else:
        for name, one in found:
            axes.plot(*_columns(_with_gaps(one.points), window), color=colours[name], linewidth=1.3, marker=".", ms=2)
    axes.set_ylim(defaults.get("min"), defaults.get("max"))
    _legend(axes, list(dict.fromkeys(colours.items())))


def draw_nothing(axes: Axes) -> None:
    axes.axis("off")
    axes.text(0.5, 0.5, "No data", color=FAINT, fontsize=11, ha="center", va="center", transform=axes.transAxes)


def draw_heatmap(axes: Axes, panel: dict[str, Any], window: Window) -> None:
    target = panel["targets"][0]
    found = sorted(window.ask(target["expr"]), key=lambda one: float(one.labels["le"]))
    if not found:
        draw_nothing(axes)
        return
    bounds = [float(one.labels["le"]) for one in found]
    times = sorted({at for one in found for at, _ in one.points})
    grid = np.zeros((len(found), len(times)))
    for row, one in enumerate(found):
        values = dict(one.points)
        grid[row] = [values.get(at, 0.0) for at in times]
    counts = np.clip(np.diff(grid, axis=0, prepend=0), 0, None)
    _frame(axes, panel, window)
    edges = [window.since(at) for at in times]
    # What a sum of floats leaves is no count; Grafana hides it at the same bound.
    masked = np.ma.masked_where(counts <= _NO_COUNT, counts**0.5)
    axes.pcolormesh(edges, range(len(bounds)), masked, cmap=_HEAT, shading="nearest")
    axes.set_ylim(-0.5, len(bounds) - 0.5)
    every = max(1, len(bounds) // 7)
    marks = list(range(0, len(bounds), every))
    unit = unit_of(panel)
    axes.set_yticks(marks, [with_unit(bounds[mark], unit) if np.isfinite(bounds[mark]) else "more" for mark in marks])
    if target.get("exemplar"):
        dots = window.exemplars(target["expr"])
        times_of, rows_of = [window.since(dot.at) for dot in dots], [_row(bounds, dot.value) for dot in dots]
        axes.scatter(times_of, rows_of, s=9, color="white", alpha=0.8, linewidths=0, zorder=4)


def draw_states(axes: Axes, panel: dict[str, Any], window: Window) -> None:
    target = panel["targets"][0]
    found = sorted(window.ask(target["expr"]), key=lambda one: one.labels["breaker"], reverse=True)
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    _frame(axes, panel, window)
    for row, one in enumerate(found):
        for at, value in one.points:
            colour = mapping["options"][str(int(value))]["color"]
            axes.barh(row, 1.02, left=window.since(at), height=0.72, color=colour, alpha=0.85, linewidth=0)
    axes.set_yticks(range(len(found)), [legend(target["legendFormat"], one.labels) for one in found])
    axes.yaxis.set_major_formatter(_fixed([legend(target["legendFormat"], one.labels) for one in found]))
    axes.set_ylim(-0.6, len(found) - 0.4)
    _legend(axes, [(each["text"], each["color"]) for each in mapping["options"].values()])


def draw_bars(axes: Axes, panel: dict[str, Any], window: Window) -> None:
    target = panel["targets"][0]
    found = [
        (legend(target["legendFormat"], one.labels), one.points[-1][1])
        for one in window.ask(target["expr"])
        # At the end of the window: what has gone has no bar.
        if one.points[-1][0] >= window.end - 1
    ]
    fixed = overrides(panel)
    highest = panel["fieldConfig"]["defaults"].get("max") or max((value for _, value in found), default=1) or 1
    axes.axis("off")
    axes.set_xlim(0, 1)
    axes.set_ylim(len(found) - 0.4, -0.6)
    longest = max((len(name) for name, _ in found), default=1)
    size = 9 * min(1.0, axes.get_window_extent().width * _NAME_SPACE / (longest * _LETTER))
    for row, (name, value) in enumerate(found):
        colour = fixed.get(name) or colour_by(steps_of(panel), value)
        axes.barh(row, 0.5, left=0.24, height=0.6, color=EDGE)
        axes.barh(row, 0.5 * min(1, value / highest), left=0.24, height=0.6, color=colour)
        axes.text(0.22, row, name, color=TEXT, fontsize=size, ha="right", va="center")
        axes.text(0.76, row, with_unit(value, unit_of(panel)), color=colour, fontsize=10, ha="left", va="center")


def _columns(points: Sequence[tuple[float, float]], window: Window) -> tuple[list[float], list[float]]:
    return [window.since(at) for at, _ in points], [value for _, value in points]


def _with_gaps(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The points, and one that is not drawn wherever the series was gone: a line through there would be invented."""
    found: list[tuple[float, float]] = []
    for at, value in points:
        if found and at - found[-1][0] > STEP * 1.5:
            found.append((found[-1][0] + STEP, float("nan")))
        found.append((at, value))
    return found


def _stack(axes: Axes, found: list[tuple[str, Series]], colours: dict[str, str], window: Window, *, bars: bool) -> None:
    moments = sorted({at for _, one in found for at, _ in one.points})
    times = [window.since(at) for at in moments]
    rows = [[dict(one.points).get(at, 0.0) for at in moments] for _, one in found]
    drawn = [colours[name] for name, _ in found]
    if rows and not bars:
        axes.stackplot(times, rows, colors=drawn, alpha=0.75, linewidth=0)
        return
    below = [0.0] * len(times)
    for row, colour in zip(rows, drawn, strict=True):
        axes.bar(times, row, bottom=below, width=0.9, color=colour, alpha=0.8)
        below = [under + value for under, value in zip(below, row, strict=True)]


def _frame(axes: Axes, panel: dict[str, Any], window: Window) -> None:
    unit = unit_of(panel)
    axes.set_facecolor(PANEL)
    axes.set_xlim(0, window.end - window.start)
    axes.grid(color=GRID, linewidth=0.6)
    axes.tick_params(colors=FAINT, labelsize=7.5, length=0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: f"{at:.0f} s"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: with_unit(value, unit)))
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.set_axisbelow(True)
    for at, colour in window.marks:
        axes.axvline(window.since(at), color=colour, linewidth=0.8, linestyle=(0, (3, 3)), alpha=0.7)


def _legend(axes: Axes, entries: Sequence[tuple[str, str]]) -> None:
    """Below the graph, in as many lines as it takes."""
    if not any(name for name, _ in entries):
        return
    longest = max(len(name) for name, _ in entries)
    columns = max(1, min(len(entries), int(axes.get_window_extent().width / (longest * 5.6 + 34))))
    room = columns * _LEGEND_LINES
    visible = list(entries)
    if len(visible) > room:
        visible = [*entries[: room - 1], (f"and {len(entries) - room + 1} more", FAINT)]
    handles = [axes.plot([], [], color=colour, linewidth=3)[0] for _, colour in visible]
    axes.legend(
        handles,
        [name for name, _ in visible],
        loc="upper left",
        bbox_to_anchor=(-0.01, -0.1),
        ncols=columns,
        fontsize=7.5,
        frameon=False,
        labelcolor=TEXT,
        handlelength=1.0,
        columnspacing=1.2,
        handletextpad=0.5,
        borderaxespad=0,
    )


def _row(bounds: Sequence[float], value: float) -> int:
    return next((row for row, bound in enumerate(bounds) if value <= bound), len(bounds) - 1)


def _fixed(names: Sequence[str]) -> FuncFormatter:
    return FuncFormatter(lambda value, _: names[round(value)] if 0 <= round(value) < len(names) else "")


Draw = Callable[[Axes, dict[str, Any], Window], None]
DRAWN: dict[str, Draw] = {
    "stat": draw_number,
    "timeseries": draw_series,
    "heatmap": draw_heatmap,
    "state-timeline": draw_states,
    "bargauge": draw_bars,
}
