"""`docs/telemetry.md`: every metric, span, attribute and event, and which panels and alerts live on each metric."""

from collections.abc import Iterable, Sequence

from dashboards.checks import families
from dashboards.queries import Kind, Query, users
from telemetry.names.metrics import METRICS, PROCESS, MetricSpec
from telemetry.names.spans import ATTRIBUTES, EVENTS, SPANS

_UNITS = {"seconds": "s", "bytes": "bytes", "usd": "USD", "items": "items", "ratio": "0..1", "usage": "tokens"}
_USERS: tuple[tuple[str, Kind], ...] = (
    ("panels", "panel"),
    ("annotations", "annotation"),
    ("rules", "record"),
    ("alerts", "alert"),
)
_INTRODUCTION = """# Telemetry reference

What the gateway emits, and who lives on it. Written by `python -m dashboards` from `telemetry/names`, the dashboards
and the rules; a test holds it to them. Labels are bounded: models, providers and policies are configured ones or
`other`, keys are shown by the names that the configuration gives them, everything else is of a fixed set. Ids and keys
themselves are never labels. Prometheus adds `instance` and `job`.

## Metrics

Histograms with exemplars lead to traces where a trace is sampled and the scraper asks for OpenMetrics.
"""
_SPANS = """
## Spans

Sampled, and sent where `OTEL_EXPORTER_OTLP_ENDPOINT` says. One trace is one transaction, or several of a caller that
began the trace.
"""
_ATTRIBUTES = """
## Attributes

Texts are scrubbed of keys and bounded. They stand on the spans that are named, or on an event or a link of a span.
"""
_EVENTS = """
## Events

The boundaries of a transaction, as events of its span, as log records (`boundary_events: log`), or as both.
"""


def document(queries: Sequence[Query]) -> str:
    """The whole page, as Markdown."""
    by_metric = _by_metric(queries)
    parts = [_INTRODUCTION]
    parts += [_metric(spec, by_metric.get(spec.name, [])) for spec in (*METRICS, *PROCESS)]
    parts.append(_SPANS + "\n" + _table(("name", "kind", "what"), ((f"`{n}`", *rest) for n, rest in SPANS.items())))
    rows = ((f"`{name}`", it.kind, it.unit, it.on, it.text) for name, it in sorted(ATTRIBUTES.items()))
    parts.append(_ATTRIBUTES + "\n" + _table(("name", "type", "unit", "on", "what"), rows))
    parts.append(_EVENTS + "\n" + _table(("name", "what"), ((f"`{name}`", text) for name, text in EVENTS.items())))
    return "\n".join(parts)


def unit_of(spec: MetricSpec) -> str:
    """The unit in a metric's name; empty for what is counted in ones."""
    words = spec.name.removesuffix("_total").split("_")
    return next((unit for word, unit in _UNITS.items() if word in words), "")


def _by_metric(queries: Sequence[Query]) -> dict[str, list[Query]]:
    found: dict[str, list[Query]] = {}
    for query, metrics in families(queries).items():
        for metric in metrics:
            found.setdefault(metric, []).append(query)
    return found


def _metric(spec: MetricSpec, used: Sequence[Query]) -> str:
    lines = [f"### `{spec.name}`", "", spec.help, ""]
    labels = ", ".join(f"`{label}`" for label in spec.labels) or "none"
    unit = f", in {unit_of(spec)}" if unit_of(spec) else ""
    lines.append(f"- {spec.kind}{unit}; labels: {labels}")
    if spec.buckets:
        lines.append(f"- buckets: {' '.join(f'{bound:g}' for bound in spec.buckets)}")
    lines += [f"- {title}: {'; '.join(found)}" for title, kind in _USERS if (found := users(used, kind))]
    return "\n".join(lines) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) + "\n"
