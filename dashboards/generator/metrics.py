"""PromQL from metrics: what is given is a spec of `telemetry.names`, so no query can name a metric that is not there.

`by` are the labels that stay; `where` is more of a selector, as in `outcome="ok"`. Counters are never shown as they
are: after a restart they would be wrong.
"""

from telemetry.names.metrics import MetricSpec

GATEWAY = 'job=~"$job",cluster=~"$cluster",namespace=~"$namespace"'
"""Which gateway, of all that a Prometheus scrapes."""
INSTANCE = f'{GATEWAY},instance=~"$instance"'


def selected(spec: MetricSpec, where: str = "", part: str = "") -> str:
    """A selector of a metric. `part` is `_bucket`, `_sum` or `_count` of a histogram."""
    matchers = ",".join(text for text in (INSTANCE, where) if text)
    return f"{spec.name}{part}{{{matchers}}}"


def rate(spec: MetricSpec, *by: str, where: str = "", part: str = "") -> str:
    """The increase per second."""
    return f"sum{_by(by)} (rate({selected(spec, where, part)}[$__rate_interval]))"


def events(spec: MetricSpec, *by: str, where: str = "") -> str:
    """The increase since the last point of the graph, as a whole number: one event is in one point.

    `increase` over the rate interval, which is four scrapes long, would show it four times, and a third too large.
    """
    counter = selected(spec, where)
    return f"sum{_by(by)} (clamp_min({counter} - {counter} offset $__interval, 0))"


def in_range(spec: MetricSpec, *by: str, where: str = "") -> str:
    """The increase in all of the time that the dashboard shows."""
    return f"sum{_by(by)} (increase({selected(spec, where)}[$__range]))"


def total(spec: MetricSpec, *by: str, where: str = "") -> str:
    return f"sum{_by(by)} ({selected(spec, where)})"


def greatest(spec: MetricSpec, *by: str, where: str = "") -> str:
    return f"max{_by(by)} ({selected(spec, where)})"


def quantile(share: float, spec: MetricSpec, *by: str, where: str = "") -> str:
    return f"histogram_quantile({share}, {rate(spec, *by, 'le', where=where, part='_bucket')})"


def mean(spec: MetricSpec, *by: str, where: str = "") -> str:
    return f"{rate(spec, *by, where=where, part='_sum')} / {rate(spec, *by, where=where, part='_count')}"


def buckets(spec: MetricSpec, where: str = "") -> str:
    """The buckets of a histogram, for a heatmap."""
    return f"sum by (le) (increase({selected(spec, where, '_bucket')}[$__rate_interval]))"


def recorded(name: str, where: str = "") -> str:
    """A selector of a series that a recording rule makes, which is of a gateway rather than of an instance."""
    return f"{name}{{{','.join(text for text in (GATEWAY, where) if text)}}}"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
