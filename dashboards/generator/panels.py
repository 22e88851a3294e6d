"""One function for each kind of panel. Each takes what the rules ask of every panel: a title, a description, a unit.

A panel's width is counted in columns, of which a row has 24, and its height in rows of about 30 pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import bargauge, heatmap, logs, stat, statetimeline, table, timeseries
from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import dashboard as dashboard_builders
from grafana_foundation_sdk.builders.loki import Dataquery as LokiQuery
from grafana_foundation_sdk.builders.prometheus import Dataquery as PrometheusQuery
from grafana_foundation_sdk.builders.tempo import Dataquery as TempoQuery
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import (
    BarGaugeDisplayMode,
    BigValueColorMode,
    BigValueGraphMode,
    DataSourceRef,
    GraphDrawStyle,
    LegendDisplayMode,
    LegendPlacement,
    LogsSortOrder,
    SortOrder,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
    VizOrientation,
)
from grafana_foundation_sdk.models.dashboard import (
    DashboardSpecialValueMapOptions,
    DynamicConfigValue,
    Panel,
    SpecialValueMap,
    SpecialValueMatch,
    Threshold,
    ThresholdsMode,
    ValueMap,
    ValueMapping,
    ValueMappingResult,
)
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.tempo import SearchTableType

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${datasource}")
TEMPO = DataSourceRef(type_val="tempo", uid="${tempo}")
LOKI = DataSourceRef(type_val="loki", uid="${loki}")

GREEN, ORANGE, RED, BLUE, PURPLE, GREY = "#73BF69", "#FF9830", "#F2495C", "#5794F2", "#B877D9", "#8E8E9C"
PARTS = {"upstream": BLUE, "admission": RED, "policy": PURPLE, "queue": ORANGE, "format": "#FADE2A", "client": GREEN}
"""The colour of each part of the time ledger, on every dashboard."""
STATES = (("closed", GREEN), ("half-open", ORANGE), ("open", RED))
"""Text and colour of a breaker's states, which are 0, 1 and 2."""

NO_TRAFFIC = "no traffic"
"""What a number says where there is none."""

PanelBuilder = Builder[Panel]
Links = Sequence[dashboard_builders.DashboardLink]
Steps = Sequence[tuple[float | None, str]]
FILL: Steps = ((None, GREEN), (0.5, ORANGE), (0.8, RED))
"""Thresholds of a queue's fill: half full is a warning, and from 0.8 on there is an alert."""
ANY_IS_BAD: Steps = ((None, GREEN), (1e-9, RED))


@dataclass(frozen=True)
class Query:
    """A target of Prometheus. `legend` names the series, with labels as in `{{queue}}`."""

    expr: str
    legend: str


def series(
    title: str,
    description: str,
    unit: str,
    queries: Sequence[Query],
    *,
    width: int = 12,
    links: Links = (),
    stacked: bool = False,
    bars: bool = False,
    below_zero: bool = False,
    top: float | None = None,
    steps: Steps = (),
    colours: dict[str, str] | None = None,
) -> timeseries.Panel:
    """A graph over time. `top` fixes the axis; `steps` are lines to measure by; `colours` belong to names of series."""
    panel = timeseries.Panel().title(title).description(description).unit(unit).span(width).height(8)
    if not below_zero:
        panel.min(0)
    panel.datasource(PROMETHEUS).data_links(list(links)).fill_opacity(55 if stacked or bars else 8).line_width(1)
    panel.show_points(VisibilityMode.NEVER).tooltip(
        common_builders.VizTooltipOptions().mode(TooltipDisplayMode.MULTI).sort(SortOrder.DESCENDING)
    )
    panel.legend(
        common_builders.VizLegendOptions()
        .display_mode(LegendDisplayMode.LIST)
        .placement(LegendPlacement.BOTTOM)
        .show_legend(True)
    )
    if stacked or bars:
        panel.stacking(common_builders.StackingConfig().mode(StackingMode.NORMAL).group("A"))
    if bars:
        panel.draw_style(GraphDrawStyle.BARS)
    if top is not None:
        panel.max(top)
    if steps:
        panel.thresholds(_thresholds(steps))
    for name, colour in (colours or {}).items():
        panel.override_by_name(name, [_fixed(colour)])
    for index, query in enumerate(queries):
        panel.with_target(_range(query, index))
    return panel


def number(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    steps: Steps = ((None, BLUE),),
    links: Links = (),
    width: int = 3,
    decimals: int | None = None,
) -> stat.Panel:
    """One number, with its course behind it. What is counted has no `decimals`, though Prometheus makes some.

    Where there is nothing to count it says so: the last point is shown, not the last number, and is never missing.
    """
    panel = stat.Panel().title(title).description(description).unit(unit).span(width).height(4)
    panel.datasource(PROMETHEUS).data_links(list(links)).thresholds(_thresholds(steps)).no_value(NO_TRAFFIC)
    panel.color_mode(BigValueColorMode.VALUE).graph_mode(BigValueGraphMode.AREA).mappings([_nothing()])
    panel.reduce_options(common_builders.ReduceDataOptions().calcs(["last"]))
    if decimals is not None:
        panel.decimals(decimals)
    return panel.with_target(_range(Query(f"{query.expr} or vector(NaN)", query.legend), 0))


def heat(
    title: str, description: str, unit: str, expr: str, *, width: int = 12, links: Links = (), exemplars: bool = True
) -> heatmap.Panel:
    """A histogram over time; its exemplars lead to traces."""
    panel = heatmap.Panel().title(title).description(description).unit(unit).span(width).height(8)
    panel.datasource(PROMETHEUS).data_links(list(links)).calculate(False).exemplars_color("rgba(255,255,255,0.8)")
    panel.color(_heatmap_colour()).y_axis(heatmap.YAxisConfig().unit(unit)).show_legend()
    query = PrometheusQuery().datasource(PROMETHEUS).expr(expr).legend_format("{{le}}").ref_id("A").range()
    return panel.with_target(query.format(PromQueryFormat.HEATMAP).exemplar(exemplars))


def latency(
    title: str,
    what: str,
    queries: Sequence[Query],
    buckets: str,
    *,
    dot: str,
    links: Links,
    all_links: Links,
    more: str = "",
) -> list[PanelBuilder]:
    """A graph of seconds with all of its histogram beside it: no percentile stands alone, and a dot, which is `dot`,
    leads to its trace. `more` is what is to be said of the graph only."""
    return [
        series(title, f"{what} {more}".rstrip(), "s", queries, links=links),
        heat(
            f"{title.removesuffix(', p95')}, all of it",
            f"{what} A dot is {dot} with its trace.",
            "s",
            buckets,
            links=all_links,
        ),
    ]


def states(title: str, description: str, query: Query, *, width: int = 24, links: Links = ()) -> statetimeline.Panel:
    """A timeline of states that are 0, 1 or 2: closed, half-open or open."""
    mapping = {
        str(value): ValueMappingResult(text=name, color=colour, index=value)
        for value, (name, colour) in enumerate(STATES)
    }
    panel = statetimeline.Panel().title(title).description(description).unit("none").span(width).height(8)
    panel.datasource(PROMETHEUS).data_links(list(links)).mappings([_mapping(mapping)]).merge_values(True)
    panel.show_value(VisibilityMode.NEVER).row_height(0.8).fill_opacity(80)
    panel.thresholds(_thresholds([(None, GREEN), (1, ORANGE), (2, RED)]))
    return panel.with_target(_range(query, 0))


def bars(
    title: str,
    description: str,
    unit: str,
    query: Query,
    *,
    width: int = 6,
    top: float | None = None,
    links: Links = (),
    colours: dict[str, str] | None = None,
) -> bargauge.Panel:
    """A bar for the last value of each series."""
    panel = bargauge.Panel().title(title).description(description).unit(unit).span(width).height(8).min(0)
    panel.datasource(PROMETHEUS).data_links(list(links)).thresholds(_thresholds([(None, BLUE)]))
    panel.orientation(VizOrientation.HORIZONTAL).display_mode(BarGaugeDisplayMode.BASIC)
    panel.reduce_options(common_builders.ReduceDataOptions().calcs(["last"]))
    if top is not None:
        panel.max(top)
    for name, colour in (colours or {}).items():
        panel.override_by_name(name, [_fixed(colour)])
    # At the end of the time shown: what has gone has no bar.
    return panel.with_target(_range(query, 0).instant())


def trace_table(title: str, description: str, query: str) -> table.Panel:
    """The newest traces of a TraceQL search; a click opens one."""
    panel = table.Panel().title(title).description(description).unit("ms").span(12).height(9).datasource(TEMPO)
    search = TempoQuery().datasource(TEMPO).ref_id("A").query_type("traceql").query(query).limit(20)
    return panel.with_target(search.table_type(SearchTableType.TRACES))


def log_lines(title: str, description: str, query: str) -> logs.Panel:
    panel = logs.Panel().title(title).description(description).unit("none").span(12).height(9).datasource(LOKI)
    panel.show_time(True).wrap_log_message(True).enable_log_details(True).sort_order(LogsSortOrder.DESCENDING)
    return panel.with_target(LokiQuery().datasource(LOKI).expr(query).ref_id("A").query_type("range").max_lines(100))


def _range(query: Query, index: int) -> PrometheusQuery:
    made = PrometheusQuery().datasource(PROMETHEUS).expr(query.expr).legend_format(query.legend).range()
    return made.ref_id(chr(ord("A") + index))


def _thresholds(steps: Steps) -> dashboard_builders.ThresholdsConfig:
    made = [Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard_builders.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(made)


def _fixed(colour: str) -> DynamicConfigValue:
    return DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})


def _nothing() -> ValueMapping:
    text = ValueMappingResult(text=NO_TRAFFIC, color=GREY, index=0)
    return SpecialValueMap(DashboardSpecialValueMapOptions(match=SpecialValueMatch.NULL_AND_NAN, result=text))


def _mapping(options: dict[str, ValueMappingResult]) -> ValueMapping:
    return ValueMap(options=options)


def _heatmap_colour() -> Any:
    colour = heatmap.HeatmapColorOptions().mode(HeatmapColorMode.SCHEME).scheme("Oranges").fill("dark-orange")
    return colour.exponent(0.5).steps(64).reverse(False)
