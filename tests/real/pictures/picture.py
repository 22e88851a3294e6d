"""The pipeline's boxes, from the elements that Grafana is given: placements are percents of the panel."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from tests.real.pictures.charts import Window
from tests.real.pictures.look import FAINT, TEXT, colour_by, with_unit

_SMALLER = 0.85
"""A point of Grafana's is larger than one here."""


def draw_pipeline(axes: Axes, panel: dict[str, Any], window: Window) -> None:
    axes.axis("off")
    axes.set_xlim(0, 100)
    axes.set_ylim(100, 0)
    elements = panel["options"]["root"]["elements"]
    readings = {target["legendFormat"]: window.last(target["expr"]) for target in panel["targets"]}
    settings = {each["matcher"]["options"]: _by_id(each["properties"]) for each in panel["fieldConfig"]["overrides"]}
    placements = {element["name"]: element["placement"] for element in elements}
    for element in elements:
        if element["type"] == "rectangle":
            _draw_box(axes, element, readings, settings)
            for connection in element["connections"]:
                _draw_arrow(axes, element["placement"], placements[connection["targetName"]])
        else:
            _draw_text(axes, element, readings, settings)


def _by_id(properties: list[dict[str, Any]]) -> dict[str, Any]:
    return {each["id"]: each["value"] for each in properties}


def _draw_box(
    axes: Axes, element: dict[str, Any], readings: dict[str, float | None], settings: dict[str, dict[str, Any]]
) -> None:
    at, border = element["placement"], element["border"]
    field, colour = border["color"].get("field"), border["color"]["fixed"]
    if field and readings.get(field) is not None:
        colour = colour_by(settings[field]["thresholds"]["steps"], readings[field] or 0.0)
    box = FancyBboxPatch(
        (at["left"], at["top"]),
        100 - at["left"] - at["right"],
        100 - at["top"] - at["bottom"],
        boxstyle="round,pad=0,rounding_size=1.2",
        facecolor="#20242b",
        edgecolor=colour,
        linewidth=border["width"],
        mutation_aspect=4,
    )
    axes.add_patch(box)


def _draw_arrow(axes: Axes, source: dict[str, Any], target: dict[str, Any]) -> None:
    start, end = (100 - source["right"], 50), (target["left"], 50)
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=14, color=FAINT, linewidth=2))


def _draw_text(
    axes: Axes, element: dict[str, Any], readings: dict[str, float | None], settings: dict[str, dict[str, Any]]
) -> None:
    at, config = element["placement"], element["config"]
    x = (at["left"] + 100 - at["right"]) / 2
    y = (at["top"] + 100 - at["bottom"]) / 2
    text, colour = config["text"]["fixed"], FAINT if config["size"] < 14 else TEXT
    if config["text"]["mode"] == "field":
        field = config["text"]["field"]
        value = readings[field]
        text = "-" if value is None else with_unit(value, settings[field]["unit"])
        if value is not None and "thresholds" in settings[field]:
            colour = colour_by(settings[field]["thresholds"]["steps"], value)
    axes.text(x, y, text, color=colour, fontsize=config["size"] * _SMALLER, ha="center", va="center")
