"""What all dashboards share: fixed UID, variables, annotations, links to each other, one crosshair, rows of panels."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import dashboard as builders
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    VariableHide,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from dashboards.generator.metrics import events, selected
from dashboards.generator.panels import BLUE, PROMETHEUS, PURPLE, RED, PanelBuilder
from telemetry.names import metrics as names

TAG = "flowspan"
_CHANGES = 'act!~"(get|list)_.+",result="done"'
"""Selects the acts that change something."""
Json = dict[str, Any]


@dataclass(frozen=True)
class Row:
    title: str
    panels: Sequence[PanelBuilder]


def dashboard(
    uid: str,
    title: str,
    description: str,
    stats: Sequence[PanelBuilder],
    rows: Sequence[Row],
    variables: Sequence[builders.QueryVariable] = (),
) -> Json:
    """Build a dashboard: the stats come first, then the rows, in the order of the pipeline."""
    made = builders.Dashboard(title).uid(uid).description(description).tags([TAG]).editable().refresh("10s")
    made.time("now-30m", "now").timezone("browser").tooltip(DashboardCursorSync.CROSSHAIR)
    made.variables([*_datasources(), *_gateways(), *variables]).annotations(
        [_trips(), _acts(), _policies_loaded(), _configured()]
    )
    made.link(_others())
    for panel in stats:
        made.with_panel(panel)
    for row in rows:
        made.with_row(builders.Row(row.title))
        for panel in row.panels:
            made.with_panel(panel)
    built = made.build()
    for number, each in enumerate(built.panels or (), 1):
        each.id_val = number
    encoded: Json = json.loads(json.dumps(built, cls=JSONEncoder), object_hook=_in_sight)
    return encoded


def _in_sight(made: Json) -> Json:
    """Show links and annotations on top of the dashboard; the SDK puts them into a menu."""
    return {key: value for key, value in made.items() if (key, value) != ("placement", "inControlsMenu")}


def choice(
    name: str, label: str, spec: names.MetricSpec, of: str, part: str = "", where: str = ""
) -> builders.QueryVariable:
    """A variable that selects any number of a label's values; `where` is a selector of those to choose from."""
    query = f"label_values({spec.name}{part}{where}, {of})"
    made = builders.QueryVariable(name).label(label).datasource(PROMETHEUS).query({"query": query, "refId": name})
    made.definition(query).refresh(VariableRefresh.ON_TIME_RANGE_CHANGED).sort(VariableSort.ALPHABETICAL_ASC)
    made.multi(True).include_all(True).all_value(".*")
    return made.current(VariableOption(selected=True, text="All", value="$__all"))


def _datasources() -> list[builders.DatasourceVariable]:
    kinds = (("datasource", "Metrics", "prometheus"), ("tempo", "Traces", "tempo"), ("loki", "Logs", "loki"))
    made = [builders.DatasourceVariable(name).label(label).type(kind) for name, label, kind in kinds]
    return [variable.hide(VariableHide.DONT_HIDE) for variable in made]


def _gateways() -> list[builders.QueryVariable]:
    """Which gateways are shown. A label that a Prometheus does not have leaves its choice at all of them."""
    labels = (("job", "Job"), ("cluster", "Cluster"), ("namespace", "Namespace"), ("instance", "Instance"))
    made, chosen = [], ""
    for name, title in labels:
        made.append(choice(name, title, names.IN_FLIGHT, name, where=f"{{{chosen}}}" if chosen else ""))
        chosen = ",".join(text for text in (chosen, f'{name}=~"${name}"') if text)
    return made


def _others() -> builders.DashboardLink:
    made = builders.DashboardLink("Flowspan").type(DashboardLinkType.DASHBOARDS).tags([TAG])
    return made.as_dropdown(False).include_vars(True).keep_time(True)


def _trips() -> builders.AnnotationQuery:
    """Mark where a closed breaker opened. A probe that fails is no mark: they would fill the graph with lines."""
    where = 'reason!="probe_failed"'
    expr = f"{events(names.BREAKER_TRIPS, 'breaker', 'reason', where=where)} > 0"
    made = _annotation("Breaker trips", RED, expr)
    return made.title_format("{{breaker}} opened").text_format("{{reason}}").tag_keys("breaker,reason")


def _acts() -> builders.AnnotationQuery:
    """Mark where an operator changed something in a running gateway."""
    expr = f"{events(names.ADMIN_ACTS, 'act', where=_CHANGES)} > 0"
    made = _annotation("Acts of operators", PURPLE, expr)
    return made.title_format("{{act}} by an operator").tag_keys("act")


def _policies_loaded() -> builders.AnnotationQuery:
    """An annotation at the time that is the metric's value, whenever it was scraped."""
    made = _annotation("Policy reloads", BLUE, f"{selected(names.POLICY_LOADED)} * 1000")
    made.use_value_for_time(True)
    return made.title_format("{{policy}} loaded").text_format("{{instance}}").tag_keys("policy")


def _configured() -> builders.AnnotationQuery:
    """Mark since when a configuration is in use that was read while the gateway ran; the first one is its start."""
    changed, generation = selected(names.CONFIG_CHANGED_TIME), selected(names.CONFIG_GENERATION)
    made = _annotation("Configuration changes", PURPLE, f"({changed} and {generation} > 1) * 1000")
    made.use_value_for_time(True)
    return made.title_format("configuration changed").text_format("{{instance}}").tag_keys("instance")


def _annotation(name: str, colour: str, expr: str) -> builders.AnnotationQuery:
    source = DataSourceRef(type_val="prometheus", uid="${datasource}")
    return builders.AnnotationQuery().name(name).datasource(source).enable(True).icon_color(colour).expr(expr)
