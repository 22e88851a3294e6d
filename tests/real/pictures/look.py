"""Colours, sizes and units, in the manner of Grafana's dark theme."""

import re
from typing import Any

BACKGROUND, PANEL, EDGE, TEXT, FAINT, GRID = "#111217", "#181b1f", "#2c3235", "#d8d9da", "#8e8e9c", "#2a2d33"
PALETTE = (
    "#73BF69",
    "#F2CC0C",
    "#8AB8FF",
    "#FF780A",
    "#F2495C",
    "#5794F2",
    "#B877D9",
    "#705DA0",
    "#37872D",
    "#FADE2A",
    "#447EBC",
    "#C15C17",
)
_YEAR = 365.25 * 86_400
_TIMES = (
    (_YEAR, 1 / _YEAR, "years"),
    (86_400.0, 1 / 86_400, "days"),
    (3600.0, 1 / 3600, "hours"),
    (1.0, 1.0, "s"),
    (1e-3, 1e3, "ms"),
    (1e-6, 1e6, "µs"),
)
_SIZES = ((1024**3, "GiB"), (1024**2, "MiB"), (1024, "KiB"), (1, "B"))
_RATES = {"reqps": " req/s", "cps": "/s", "Bps": "/s"}


def with_unit(value: float, unit: str) -> str:
    """A number as a reader wants it."""
    match unit:
        case "s":
            least, factor, name = next((each for each in _TIMES if abs(value) >= each[0]), _TIMES[-1])
            del least
            return "0 s" if value == 0 else f"{_short(value * factor)} {name}"
        case "percentunit":
            return f"{_short(value * 100)} %"
        case "bytes" | "Bps":
            size, name = next((each for each in _SIZES if abs(value) >= each[0]), _SIZES[-1])
            return f"{_short(value / size)} {name}{_RATES.get(unit, '')}"
        case "currencyUSD":
            return f"${value:.4f}" if abs(value) < 0.1 else f"${value:.2f}"
        case _:
            return f"{_short(value)}{_RATES.get(unit, '')}"


def colour_by(steps: list[dict[str, Any]], value: float) -> str:
    """The colour of the last step that the value has reached."""
    colour = TEXT
    for step in steps:
        if step["value"] is None or value >= step["value"]:
            colour = step["color"]
    return colour


def legend(form: str, labels: dict[str, str]) -> str:
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form).strip()


def overrides(panel: dict[str, Any]) -> dict[str, str]:
    """The colours that belong to series by their name."""
    found = {}
    for override in panel["fieldConfig"]["overrides"]:
        for each in override["properties"]:
            if each["id"] == "color" and "fixedColor" in each["value"]:
                found[override["matcher"]["options"]] = each["value"]["fixedColor"]
    return found


def _short(value: float) -> str:
    if value == 0:
        return "0"
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"
