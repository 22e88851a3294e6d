"""What a PromQL query names: metrics, and labels to select and group by; held against `telemetry.names`."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from promql_parser import AggregateExpr, BinaryExpr, Call, Expr, StringLiteral, VectorSelector, parse, walk

from telemetry.names.metrics import METRICS, PROCESS, MetricSpec

Known = Mapping[str, frozenset[str]]
"""The labels that each series may have, by its name."""

_SCRAPED = frozenset({"instance", "job", "cluster", "namespace"})
"""Labels that Prometheus, or who configures it, adds to all that it scrapes."""
_GRAFANA = {"$__rate_interval": "1m", "$__range": "1h", "$__interval": "1m"}


@dataclass(frozen=True)
class Selector:
    metric: str
    labels: frozenset[str]


def known_series(specs: Iterable[MetricSpec] = (*METRICS, *PROCESS)) -> dict[str, frozenset[str]]:
    """The series in Prometheus, where a histogram is three."""
    known = {"up": _SCRAPED, "ALERTS": _SCRAPED | {"alertname", "alertstate"}}
    for spec in specs:
        labels = _SCRAPED | set(spec.labels)
        if spec.kind == "histogram":
            known |= {f"{spec.name}_bucket": labels | {"le"}, f"{spec.name}_sum": labels, f"{spec.name}_count": labels}
        else:
            known[spec.name] = labels
    return known


def family(series: str) -> str:
    """The metric that a series belongs to, as `x` for `x_bucket`."""
    histograms = {spec.name for spec in METRICS if spec.kind == "histogram"}
    without = re.sub(r"_(bucket|sum|count)$", "", series)
    return without if without in histograms else series


def selectors(query: str) -> list[Selector]:
    return list(_selectors(_parsed(query)))


def groupings(query: str) -> list[list[str]]:
    """The labels that each aggregation keeps, none where it keeps none, and those that each pair of operands is matched
    on."""
    aggregations = [node for node in _nodes(_parsed(query)) if isinstance(node, AggregateExpr)]
    bare: list[list[str]] = [[] for node in aggregations if node.modifier is None]
    return bare + [labels for _, labels in _groupings(_parsed(query))]


def problems(query: str, known: Known) -> list[str]:
    """One line for each metric and label of the query that does not exist."""
    try:
        tree = _parsed(query)
    except ValueError as error:
        return [f"cannot be read: {error}"]
    found = list(_unknown(tree, known))
    for node, grouping in _groupings(tree):
        having = labels_of(node, known)
        found += [f"groups by {label}, which nothing in it has" for label in grouping if having and label not in having]
    return found


def labels_of(query: str | Expr, known: Known) -> set[str]:
    """The labels that a result may have: those of the series in it, and those that `label_replace` adds."""
    tree = _parsed(query) if isinstance(query, str) else query
    calls = [node for node in _nodes(tree) if isinstance(node, Call) and node.func.name == "label_replace"]
    added = {node.args[1].val for node in calls if isinstance(node.args[1], StringLiteral)}
    return added | {label for one in _selectors(tree) for label in known.get(one.metric, ())}


def _parsed(query: str) -> Expr:
    for variable, value in _GRAFANA.items():
        query = query.replace(variable, value)
    parsed: Expr = parse(query)
    return parsed


def _unknown(tree: Expr, known: Known) -> Iterator[str]:
    for one in _selectors(tree):
        if one.metric not in known:
            yield f"{one.metric} is no metric"
            continue
        for label in sorted(one.labels - known[one.metric]):
            yield f"{one.metric} has no label {label}"


def _selectors(tree: Expr) -> Iterator[Selector]:
    for node in _nodes(tree):
        if isinstance(node, VectorSelector):
            matchers = [*node.matchers.matchers, *(each for group in node.matchers.or_matchers for each in group)]
            yield Selector(node.name or "", frozenset(each.name for each in matchers))


def _groupings(tree: Expr) -> Iterator[tuple[Expr, list[str]]]:
    for node in _nodes(tree):
        if isinstance(node, AggregateExpr) and node.modifier is not None:
            yield node, node.modifier.labels
        if isinstance(node, BinaryExpr) and node.modifier is not None and node.modifier.matching is not None:
            yield node, node.modifier.matching.labels


def _nodes(tree: Expr) -> list[Expr]:
    nodes: list[Expr] = []
    walk(tree, nodes.append)
    return nodes
