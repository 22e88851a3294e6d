"""PromQL from metrics: what is given is a spec of `telemetry.names`, so no query can name a metric that is not there.

`by` are the labels that stay; `where` is more of a selector, as in `outcome="ok"`. Counters are never shown as they
are: after a restart they would be wrong.
"""

from telemetry.names.metrics import MetricSpec

INSTANCE = 'instance=~"$instance"'


def selected(spec: MetricSpec, where: str = "", part: str = "") -> str:
    """A selector of a metric. `part` is `_bucket`, `_sum` or `_count` of a histogram."""
    matchers = ",".join(text for text in (INSTANCE, where) if text)
    return f"{spec.name}{part}{{{matchers}}}"


def rate(spec: MetricSpec, *by: str, where: str = "", part: str = "") -> str:
    """The increase per second."""
    return f"sum{_by(by)} (rate({selected(spec, where, part)}[$__rate_interval]))"


def increase(spec: MetricSpec, *by: str, where: str = "", part: str = "") -> str:
    """The increase since the last point of the graph."""
    return f"sum{_by(by)} (increase({selected(spec, where, part)}[$__rate_interval]))"


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
    return increase(spec, "le", where=where, part="_bucket")


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
