"""Panels that Tempo and Loki would answer, from the spans and log records that arrived behind the collector."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.real.pictures.look import FAINT, TEXT
from tests.real.searches import Line, search_lines, search_traces
from tests.receivers import attributes

_ROWS = 11
_LETTER = 5.8
"""Pixels that a letter takes at most, on average."""
_LEVELS = {"INFO": "#73BF69", "WARNING": "#FF9830", "ERROR": "#F2495C"}


def draw_traces(axes: Axes, panel: dict[str, Any], spans: Sequence[Span], until: float) -> None:
    """The newest ones, with what the query selects."""
    query = panel["targets"][0]["query"]
    selected = query.partition("select(")[2].rstrip(")").split(", ")
    found = [span for span in search_traces(query, spans) if span.end_time_unix_nano / 1e9 <= until]
    found.sort(key=lambda span: span.start_time_unix_nano, reverse=True)
    heads = ["trace", "name", "duration", *(name.rpartition(".")[2] for name in selected)]
    rows = [_row(span, selected) for span in found[:_ROWS]]
    _table(axes, heads, rows, (0.0, 0.12, 0.36, 0.45, 0.61, 0.78))


def draw_lines(axes: Axes, panel: dict[str, Any], lines: Sequence[Line]) -> None:
    axes.axis("off")
    found = search_lines(panel["targets"][0]["expr"], lines)[-_ROWS:]
    for row, line in enumerate(reversed(found)):
        y = 0.95 - row * 0.088
        level = line.fields["severity_text"]
        axes.text(0.0, y, "▌", color=_LEVELS.get(level, FAINT), fontsize=9, va="center", transform=axes.transAxes)
        axes.text(
            0.02, y, _text_of(line), color=TEXT, fontsize=7.5, family="monospace", va="center", transform=axes.transAxes
        )


def _row(span: Span, selected: Sequence[str]) -> list[str]:
    values_of = attributes(span.attributes)
    seconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9
    values = [str(values_of.get(name.removeprefix("span."), "")) for name in selected]
    return [span.trace_id.hex()[:10], span.name, f"{seconds:.2f} s", *values]


def _table(axes: Axes, heads: Sequence[str], rows: Sequence[Sequence[str]], positions: Sequence[float]) -> None:
    axes.axis("off")
    for number, row in enumerate((heads, *rows)):
        y = 0.96 - number * 0.082
        for x, text in zip(positions, row, strict=False):
            colour = FAINT if number == 0 else "#6E9FFF" if x == 0 else TEXT
            axes.text(
                x,
                y,
                text[: _letters(axes, x, positions)],
                color=colour,
                fontsize=7.5,
                va="center",
                transform=axes.transAxes,
                clip_on=True,
            )


def _letters(axes: Axes, x: float, positions: Sequence[float]) -> int:
    """How many letters there is room for before the next column."""
    after = min((each for each in positions if each > x), default=1.0)
    return int((after - x) * axes.get_window_extent().width / _LETTER)


def _text_of(line: Line) -> str:
    reason = line.fields.get("reason") or line.fields.get("error_type", "")
    text = f"{line.body}  {reason}".strip()
    trace = line.fields.get("trace_id", "")[:10]
    return f"{text[:78]:80}{trace}"
