"""Where the time went: the ledger's parts as one stacked bar and its legend, readable with and without colour."""

from collections.abc import Mapping

from rich.text import Text

from telemetry.names import WHERE, Where

COLOURS: dict[Where, str] = {
    "upstream": "cyan",
    "admission": "red",
    "policy": "magenta",
    "queue": "yellow",
    "format": "blue",
    "client": "green",
}
_GLYPHS: dict[Where, str] = {
    "upstream": "█",
    "admission": "◧",
    "policy": "▓",
    "queue": "▒",
    "format": "░",
    "client": "▞",
}


def ledger_bar(parts: Mapping[Where, float], width: int) -> Text:
    """Every part that has any time gets a cell at least; empty where nobody has had any."""
    bar = Text()
    for where, cells in _cells(parts, width).items():
        bar.append(_GLYPHS[where] * cells, COLOURS[where])
    return bar


def legend(parts: Mapping[Where, float], width: int) -> list[Text]:
    """The parts with their percentages, as many to a line as fit."""
    whole = sum(parts.values()) or 1.0
    lines = [Text()]
    for where in WHERE:
        entry = Text.assemble((f"{_GLYPHS[where]} ", COLOURS[where]), f"{where} {100 * parts[where] / whole:.1f}%")
        if lines[-1] and len(lines[-1]) + 2 + len(entry) > width:
            lines.append(Text())
        lines[-1].append_text(Text("  ") if lines[-1] else Text()).append_text(entry)
    return lines


def _cells(parts: Mapping[Where, float], width: int) -> dict[Where, int]:
    whole = sum(parts.values())
    if whole <= 0:
        return {}
    cells = {where: max(1, round(width * parts[where] / whole)) for where in WHERE if parts[where] > 0}
    # What rounding left over, or took too much, is the largest part's.
    largest = max(cells, key=lambda where: parts[where])
    cells[largest] = max(1, cells[largest] + width - sum(cells.values()))
    return cells
