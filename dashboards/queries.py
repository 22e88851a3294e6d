"""Every query of the committed dashboards and rules, and where it stands: for lint, live run and reference."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

import yaml

HERE = Path(__file__).parent
GRAFANA = HERE / "grafana"
ALERTS = HERE / "alerts"
RULE_FILES = tuple(ALERTS / f"{name}.rules.yaml" for name in ("objectives", "recording", "alerts"))

Source = Literal["prometheus", "tempo", "loki"]
Kind = Literal["panel", "annotation", "variable", "link", "alert", "record"]


@dataclass(frozen=True)
class Query:
    """One query. `where` names the dashboard and the panel, or the rule."""

    kind: Kind
    where: str
    text: str
    source: Source = "prometheus"
    exemplar: bool = False
    instant: bool = False
    labels: frozenset[str] = frozenset()
    """Labels that a rule adds to what its query returns."""


def read_dashboards() -> dict[str, dict[str, Any]]:
    """The committed dashboards, by the name of their file."""
    return {path.name: json.loads(path.read_text()) for path in sorted(GRAFANA.glob("*.json"))}


def read_rules() -> list[dict[str, Any]]:
    """The queries of all files, in order."""
    groups = [group for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def read_queries() -> list[Query]:
    found = [query for dashboard in read_dashboards().values() for query in queries_of(dashboard)]
    return found + [_of_rule(rule) for rule in read_rules()]


def queries_of(dashboard: dict[str, Any]) -> list[Query]:
    title = str(dashboard["title"]).removeprefix("Flowspan / ")
    found = [query for panel in panels_of(dashboard) for query in _of_panel(panel, f"{title}: {panel['title']}")]
    annotations = dashboard["annotations"]["list"]
    found += [Query("annotation", f"{title}: {each['name']}", each["expr"]) for each in annotations]
    variables = (each for each in dashboard["templating"]["list"] if each["type"] == "query")
    return found + [Query("variable", f"{title}: ${each['name']}", _values(each), instant=True) for each in variables]


def _values(variable: dict[str, Any]) -> str:
    """A query of Prometheus for what Grafana's `label_values(metric, label)` returns."""
    asked = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["definition"])
    return f"count by ({asked[2]}) ({asked[1]})" if asked else variable["definition"]


def panels_of(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """The panels of a dashboard, without the rows that head them."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def links_of(panel: dict[str, Any]) -> list[dict[str, Any]]:
    links: list[dict[str, Any]] = panel["fieldConfig"]["defaults"].get("links", [])
    return links


def _of_panel(panel: dict[str, Any], where: str) -> Iterator[Query]:
    for target in panel["targets"]:
        source: Source = target["datasource"]["type"]
        yield Query(
            "panel",
            where,
            target["query"] if source == "tempo" else target["expr"],
            source,
            bool(target.get("exemplar")),
            bool(target.get("instant")),
        )
    for link in links_of(panel):
        yield from _of_link(link, f"{where} -> {link['title']}")


def _of_link(link: dict[str, Any], where: str) -> Iterator[Query]:
    panes = json.loads(unquote(link["url"].partition("&panes=")[2]))
    for query in panes["flowspan"]["queries"]:
        source: Source = query["datasource"]["type"]
        yield Query("link", where, query["query"] if source == "tempo" else query["expr"], source)


def _of_rule(rule: dict[str, Any]) -> Query:
    if "alert" in rule:
        return Query("alert", rule["alert"], rule["expr"], instant=True)
    return Query("record", rule["record"], rule["expr"], instant=True, labels=frozenset(rule.get("labels", ())))


def users(queries: Sequence[Query], kind: Kind) -> list[str]:
    """Where queries of one kind stand, each place once."""
    return list(dict.fromkeys(query.where for query in queries if query.kind == kind))
