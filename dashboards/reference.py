"""`docs/telemetry.md`: every metric, span, attribute and event, and which panels and alerts live on each metric."""

from collections.abc import Iterable, Sequence

from dashboards.checks import families
from dashboards.queries import Kind, Query, users
from telemetry.names.events import EVENTS
from telemetry.names.metrics import METRICS, PROCESS, GaugeMode, MetricSpec
from telemetry.names.spans import ATTRIBUTES, SPANS
from telemetry.names.variables import SIGNAL_NAMES, VARIABLES

_UNITS = {"seconds": "s", "bytes": "bytes", "usd": "USD", "items": "items", "ratio": "0..1", "usage": "tokens"}
_USERS: tuple[tuple[str, Kind], ...] = (
    ("panels", "panel"),
    ("annotations", "annotation"),
    ("rules", "record"),
    ("alerts", "alert"),
)
_OVER_WORKERS: dict[GaugeMode, str] = {
    "livesum": "the sum",
    "livemax": "the greatest",
    "livemin": "the least",
    "livemostrecent": "the last that was set",
}
_INTRODUCTION = """# Telemetry reference

This page is for whoever writes a query, a panel or an alert. It lists every metric, span, attribute and event, and
which dashboards and alerts use it. It is written by `python -m dashboards`, and a test compares it with the code.

The labels of metrics have few values. Models, providers and policies are those of the configuration, or `other`. Keys
are shown by their names. Everything else is of a fixed set. Ids, and keys themselves, are never labels. Prometheus adds
`instance` and `job`.

## Metrics

[Prompt caches](prompt-caches.md) has queries for what was read from a cache of prompts, and for what should have been.
Histograms with exemplars lead to traces where a trace is sampled and the scraper asks for OpenMetrics.

The labels of `gen_ai_*` metrics are the attributes of OpenTelemetry's GenAI conventions as Prometheus writes them.
Which release of the conventions names the metrics of attempts is for `telemetry.semconv` to say; where a metric below
belongs to one release alone, it says so. `both` shows every attempt under both names, while dashboards are moved:

```yaml
gateway:
  telemetry: {semconv: both}      # "1.41", the default, or "0.1", or both
```

Queries take either name with `or`, which counts nothing twice, for the labels are the same:
`sum by (gen_ai_request_model) (rate(gen_ai_client_operation_duration_seconds_count[5m])
or rate(gen_ai_client_inference_duration_seconds_count[5m]))`.
"""
_PROCESSES = """
## Several processes

A gateway of several workers (`flowspan serve --workers`) has one port for metrics, that of the supervisor, and one
truth on it:

- Counters and histograms are sums over all workers there have been. A worker keeps its numbers in a file in memory, in
  which each count is as soon as it happened. So one that is killed loses nothing of what it had counted, and no counter
  falls before the supervisor itself begins anew.
- Gauges are those of the workers that live. Most are sums (streams in flight, bytes that are held); capacities, states
  and times are the greatest, and what a provider tells of its rate limits is what came last. Below each gauge stands
  which it is.
- An exemplar is the newest one of all workers. Those of a worker that has ended stay until there is a newer one.
- `process_*` adds up supervisor and workers: CPU time, with that of all workers which have ended, memory, descriptors
  and their limits. `process_start_time_seconds` is that of the supervisor.
- `flowspan_workers` is how many workers take requests, and `flowspan_worker_restarts_total` how many were replaced.
- What is one for all of them is counted once: a reload, whatever the number of workers, a breaker that opens, an act of
  an operator.
- For the second until the others have seen it, a breaker may be in two states.
- In the middle of a request a histogram's `_count` may be one ahead of its `_sum`.
- While workers of a new release run under a supervisor of the old one, metrics that only the new one knows are not
  there; a line in the log names each. They come with the next start of the supervisor.

By OTLP each worker exports its own metrics, as a resource of its own: its `service.instance.id` ends in the worker's
index (`gateway-1-0`). A sum over all resources of a gateway is what its `/metrics` says, but for workers that were
killed, and for what the supervisor counts, which exports nothing: reloads (`flowspan_config_reloads_total` and
`flowspan_config_last_reload_*`), acts of operators, and workers.
"""
_SPANS = """
## Spans

Sampled, and sent where `OTEL_EXPORTER_OTLP_ENDPOINT` says. One trace is one transaction, or several of a caller that
began the trace. `telemetry.spans` asks for fewer: `attempts` leaves out hooks, stages and queues, `transaction` all but
the first; events of those that are left out stand on the transaction's span, and without attempts their tokens do, too,
added up.
"""
_ATTRIBUTES = """
## Attributes

Texts are scrubbed of keys and bounded. They stand on the spans that are named, or on an event or a link of a span.
"""
_EVENTS = """
## Events

The boundaries of a transaction, as events of its span, as log records (`boundary_events: log`), or as both.
"""

_EXPORTS = """
## Exports

Spans, log records and metrics go to a collector by OTLP: as protobuf or JSON over HTTP, or by gRPC. For example, spans,
log lines and metrics by gRPC, every tenth trace:

```
pip install 'flowspan[grpc]'
export OTEL_EXPORTER_OTLP_ENDPOINT=http://collector:4317 OTEL_EXPORTER_OTLP_PROTOCOL=grpc
export OTEL_LOGS_EXPORTER=otlp OTEL_METRICS_EXPORTER=otlp
export OTEL_TRACES_SAMPLER=parentbased_traceidratio OTEL_TRACES_SAMPLER_ARG=0.1
flowspan serve flowspan.yaml
```

- A variable that cannot be obeyed stops the start by its name; `flowspan check` finds all of them at once, those of
  `environment_variables` too. A name that nothing reads is warned of where it is close to one that is read.
- Metrics have the same names and labels by OTLP as on `/metrics`, and are cumulative.
- What is not taken is tried again as long as `OTEL_EXPORTER_OTLP_TIMEOUT` allows, then it is lost, and counted in
  `flowspan_telemetry_items_dropped_total`, as is what a collector says it rejected of a batch.
- Why a collector does not take a signal is one line in the log: the status of HTTP or gRPC, a certificate that is not
  accepted, a name without an address, a refused connection, a port that speaks another protocol. It is repeated after
  five minutes, and another line says that it is over.
- Providers get the trace of an attempt where `telemetry.propagate_traceparent` allows it: by default those of the
  operator's network alone, whose `api_base` is a private, loopback or link-local address, a name of one word, or one
  that ends in `.local`, `.internal` or `.localhost`.
- The resource has `service.name`, `service.version`, `service.instance.id` and what `OTEL_RESOURCE_ATTRIBUTES` adds. It
  and the scope name the schema of the conventions.

## Standard variables

Each setting of `OTEL_EXPORTER_OTLP_` may be given for one signal alone, as in `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`,
`OTEL_EXPORTER_OTLP_METRICS_ENDPOINT` or `OTEL_EXPORTER_OTLP_LOGS_ENDPOINT`, which then counts before the general one.
What is refused stops the start where it is set; what has no meaning here is warned of.
"""


def document(queries: Sequence[Query]) -> str:
    """The whole page, as Markdown."""
    by_metric = _by_metric(queries)
    parts = [_INTRODUCTION]
    parts += [_metric(spec, by_metric.get(spec.name, [])) for spec in (*METRICS, *PROCESS)]
    parts.append(_PROCESSES)
    parts.append(_SPANS + "\n" + _table(("name", "kind", "what"), ((f"`{n}`", *rest) for n, rest in SPANS.items())))
    rows = ((f"`{name}`", it.kind, it.unit, it.on, it.text) for name, it in sorted(ATTRIBUTES.items()))
    parts.append(_ATTRIBUTES + "\n" + _table(("name", "type", "unit", "on", "what"), rows))
    parts.append(_EVENTS + "\n" + _table(("name", "what"), ((f"`{name}`", text) for name, text in EVENTS.items())))
    parts.append(_EXPORTS + "\n" + _table(("variable", "is", "what"), _variables()))
    return "\n".join(parts)


def _variables() -> Iterable[Sequence[str]]:
    """A row for each standard variable; those of one signal alone are told before the table."""
    for name, spec in sorted(VARIABLES.items()):
        shorter = {name.replace(f"_{signal}_", "_", 1) for signal in SIGNAL_NAMES} - {name}
        if shorter.isdisjoint(VARIABLES):
            yield f"`{name}`", spec.standing, f"{spec.text[0].upper()}{spec.text[1:].removesuffix('.')}."


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
    if spec.kind == "gauge" and spec not in PROCESS:
        lines.append(f"- of several workers: {_OVER_WORKERS[spec.mode]}")
    if spec.semconv != "both":
        lines.append(f"- with the names of {spec.semconv}")
    if spec.buckets:
        lines.append(f"- buckets: {' '.join(f'{bound:g}' for bound in spec.buckets)}")
    lines += [f"- {title}: {'; '.join(found)}" for title, kind in _USERS if (found := users(used, kind))]
    return "\n".join(lines) + "\n"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join('---' for _ in heads)} |"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) + "\n"
