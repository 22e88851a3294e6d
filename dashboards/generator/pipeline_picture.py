"""The pipeline as a picture, left to right: upstream, executor, policy_out, formatter, sse, client.

Six boxes in a row, joined by arrows; in each the rate at which it works, how full it is where it is a queue, and the
time it takes. A box shows the newest value of the series of that name.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import canvas
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.models.canvas import (
    BackgroundConfig,
    CanvasConnection,
    CanvasElementOptions,
    CanvasOptionsRoot,
    ConnectionCoordinates,
    Constraint,
    HorizontalConstraint,
    LineConfig,
    Placement,
    VerticalConstraint,
)
from grafana_foundation_sdk.models.common import ColorDimensionConfig, ScaleDimensionConfig
from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from dashboards.generator.links import traces
from dashboards.generator.metrics import greatest, rate, total
from dashboards.generator.panels import FILL, GREY, PARTS, PROMETHEUS
from telemetry.names import Where
from telemetry.names import metrics as names

_LEFT, _WIDTH, _GAP = 1.0, 13.5, 3.4
"""Positions and sizes, in percent of the panel."""


@dataclass(frozen=True)
class Reading:
    """A number in a box. `name` is that of its series; `label` stands in front of the value."""

    name: str
    label: str
    unit: str
    expr: str


@dataclass(frozen=True)
class Box:
    title: str
    colour: str
    readings: Sequence[Reading]
    queue: bool = False


def pipeline_picture() -> canvas.Panel:
    panel = canvas.Panel().title("The pipeline, now").span(24).height(9).datasource(PROMETHEUS).unit("none")
    panel.description(
        "Each box is a part of the way of a stream, from the provider to the client: what passes it a second, how full "
        "the fullest queue of any stream was in the last minute, how long an item waits there, and the share of all "
        "stream time that is spent waiting for this part."
    )
    panel.inline_editing(False).show_advanced_types(True).pan_zoom(False).infinite_pan(False)
    panel.data_links(
        [
            traces("Traces with a full queue", "span.flowspan.queue.overflows > 0"),
            traces("Slow traces", "kind = server", "duration > 5s"),
        ]
    )
    boxes = _boxes()
    panel.root(_Root(_elements(boxes)))
    for index, reading in enumerate(reading for box in boxes for reading in box.readings):
        query = Dataquery().datasource(PROMETHEUS).expr(reading.expr).legend_format(reading.name).instant()
        panel.with_target(query.ref_id(f"A{index}"))
        panel.override_by_name(reading.name, _field(reading))
    return panel


class _Root(canvas.CanvasOptionsRoot):
    """Options of the canvas as JSON: the SDK has no builder for elements with connections."""

    def __init__(self, elements: list[CanvasElementOptions]) -> None:
        super().__init__()
        self._options = CanvasOptionsRoot(name="pipeline", elements=elements)

    def build(self) -> CanvasOptionsRoot:
        return self._options


def _boxes() -> list[Box]:
    return [
        Box(
            "upstream",
            PARTS["upstream"],
            (_rate("upstream rate", "cps", rate(names.UPSTREAM_CHUNKS)), _share("upstream")),
        ),
        Box(
            "policy executor",
            PARTS["policy"],
            (_rate("executor rate", "cps", rate(names.QUEUE_ENQUEUED, where='queue="policy_out"')), _share("policy")),
        ),
        _queue("policy_out"),
        Box(
            "client formatter",
            PARTS["format"],
            (_rate("formatter rate", "cps", rate(names.QUEUE_ENQUEUED, where='queue="sse"')), _share("format")),
        ),
        _queue("sse"),
        Box(
            "client",
            PARTS["client"],
            (_rate("client rate", "Bps", rate(names.CLIENT_BYTES)), _share("client")),
        ),
    ]


def _queue(name: str) -> Box:
    where = f'queue="{name}"'
    # Little's law: how long an item waits, from those that wait now. Residence itself is told at a stream's end only.
    wait = f"{total(names.QUEUE_DEPTH, where=where)} / {rate(names.QUEUE_DEQUEUED, where=where)}"
    fill = f"{greatest(names.QUEUE_DEPTH_PEAK, where=where)} / {greatest(names.QUEUE_CAPACITY, where=where)}"
    return Box(
        f"▒ {name} ▒",
        PARTS["queue"],
        (
            _rate(f"{name} rate", "cps", rate(names.QUEUE_DEQUEUED, where=where)),
            Reading(f"{name} fill", "full", "percentunit", fill),
            Reading(f"{name} wait", "wait", "s", wait),
        ),
        queue=True,
    )


def _rate(name: str, unit: str, expr: str) -> Reading:
    return Reading(name, "", unit, expr)


def _share(where: Where) -> Reading:
    part = rate(names.STREAM_SECONDS, where=f'where="{where}"')
    return Reading(f"{where} time", "time", "percentunit", f"{part} / {rate(names.STREAM_SECONDS)}")


def _field(reading: Reading) -> list[DynamicConfigValue]:
    values = [DynamicConfigValue(id_val="unit", value=reading.unit), DynamicConfigValue(id_val="decimals", value=1)]
    if reading.name.endswith(" fill"):
        steps = [{"value": value, "color": colour} for value, colour in FILL]
        values.append(DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": steps}))
        values.append(DynamicConfigValue(id_val="color", value={"mode": "thresholds"}))
    return values


def _elements(boxes: Sequence[Box]) -> list[CanvasElementOptions]:
    made: list[CanvasElementOptions] = []
    for index, box in enumerate(boxes):
        left = _LEFT + index * (_WIDTH + _GAP)
        follower = boxes[index + 1].title if index + 1 < len(boxes) else None
        made.append(_frame(box, left, follower))
        made.append(_text(f"{box.title} title", box.title, "fixed", 16, left, 12, 16))
        height = 60 / max(len(reading.name) and len(box.readings) for reading in box.readings)
        for row, reading in enumerate(box.readings):
            made.extend(_reading(reading, left, 30 + row * height, height))
    return made


def _frame(box: Box, left: float, follower: str | None) -> CanvasElementOptions:
    fill = next((reading.name for reading in box.readings if reading.name.endswith(" fill")), None)
    return CanvasElementOptions(
        name=box.title,
        type_val="rectangle",
        config={"align": "center", "valign": "top", "text": {"mode": "fixed", "fixed": ""}},
        constraint=_scaled(),
        placement=_placement(left, 8, _WIDTH, 84),
        background=BackgroundConfig(color=ColorDimensionConfig(fixed="rgba(128,128,128,0.10)")),
        border=LineConfig(
            color=ColorDimensionConfig(field=fill, fixed=box.colour), width=4 if box.queue else 2, radius=8
        ),
        connections=[_arrow(follower)] if follower else [],
    )


def _arrow(to: str) -> CanvasConnection:
    return CanvasConnection(
        source=ConnectionCoordinates(x=1, y=0),
        target=ConnectionCoordinates(x=-1, y=0),
        target_name=to,
        color=ColorDimensionConfig(fixed=GREY),
        size=ScaleDimensionConfig(fixed=3, min_val=1, max_val=10),
    )


def _reading(reading: Reading, left: float, top: float, height: float) -> list[CanvasElementOptions]:
    value = _text(f"{reading.name} value", reading.name, "field", 20, left, top, height * 0.6)
    if not reading.label:
        return [value]
    return [value, _text(f"{reading.name} says", reading.label, "fixed", 11, left, top + height * 0.55, height * 0.3)]


def _text(name: str, text: str, mode: str, size: int, left: float, top: float, height: float) -> CanvasElementOptions:
    content = {"mode": mode, "fixed": text if mode == "fixed" else "", "field": text if mode == "field" else ""}
    return CanvasElementOptions(
        name=name,
        type_val="metric-value" if mode == "field" else "text",
        config={"align": "center", "valign": "middle", "size": size, "text": content, "color": {"fixed": "text"}},
        constraint=_scaled(),
        placement=_placement(left, top, _WIDTH, height),
        background=BackgroundConfig(color=ColorDimensionConfig(fixed="transparent")),
        border=LineConfig(color=ColorDimensionConfig(fixed="transparent"), width=0),
        connections=[],
    )


def _scaled() -> Constraint:
    return Constraint(horizontal=HorizontalConstraint.SCALE, vertical=VerticalConstraint.SCALE)


def _placement(left: float, top: float, width: float, height: float) -> Placement:
    return Placement(
        left=round(left, 2), top=round(top, 2), right=round(100 - left - width, 2), bottom=round(100 - top - height, 2)
    )
