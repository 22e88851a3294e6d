"""Whether queries name what is there: the places that a renamed metric or label would break, by name."""

from collections.abc import Iterable, Sequence

from dashboards.promql import Known, family, known_series, labels_of, problems, selectors
from dashboards.queries import Query
from telemetry.names.metrics import METRICS, PROCESS, MetricSpec


def families(queries: Sequence[Query]) -> dict[Query, set[str]]:
    """The metrics that each query of Prometheus lives on; through a recorded series on those it was made of."""
    asked = [query for query in queries if query.source == "prometheus"]
    direct = {query: {family(one.metric) for one in selectors(query.text)} for query in asked}
    recorded = {query.where: metrics for query, metrics in direct.items() if query.kind == "record"}
    return {query: metrics.union(*(recorded.get(each, ()) for each in metrics)) for query, metrics in direct.items()}


def broken(queries: Sequence[Query], specs: Iterable[MetricSpec] = (*METRICS, *PROCESS)) -> list[str]:
    """One line for each query that names a metric or label which does not exist, or rests on such a query."""
    known = _with_recorded(known_series(specs), queries)
    wrong = {
        query: found for query in queries if query.source == "prometheus" and (found := problems(query.text, known))
    }
    records = {query.where for query in wrong if query.kind == "record"}
    lines = [f"{query.kind} {query.where}: {problem}" for query, found in wrong.items() for problem in found]
    return lines + [line for query in queries for line in _resting(query, records, known)]


def _with_recorded(known: dict[str, frozenset[str]], queries: Sequence[Query]) -> Known:
    """The recorded series, too, in the order of their rules: one may be made of those before it."""
    for query in queries:
        if query.kind == "record":
            known[query.where] = known.get(query.where, frozenset()) | labels_of(query.text, known) | query.labels
    return known


def _resting(query: Query, records: set[str], known: Known) -> list[str]:
    if query.source != "prometheus" or problems(query.text, known):
        return []
    found = {one.metric for one in selectors(query.text)} & records
    return [f"{query.kind} {query.where}: rests on {record}" for record in sorted(found)]
