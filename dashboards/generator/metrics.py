"""PromQL from metrics: what is given is a spec of `telemetry.names`, so no query can name a metric that is not there.

`by` are the labels that stay; `where` is more of a selector, as in `outcome="ok"`. Counters are never shown as they
are: after a restart they would be wrong.
"""

from telemetry.names.metrics import SUCCESSORS, MetricSpec

GATEWAY = 'job=~"$job",cluster=~"$cluster",namespace=~"$namespace"'
"""Which gateway, of all that a Prometheus scrapes."""
INSTANCE = f'{GATEWAY},instance=~"$instance"'
PROMPT, ANSWER = ("input", "cache_read", "cache_write"), ("output", "reasoning")
"""The types of tokens that prompts have, and answers."""


def of_types(*types: str) -> str:
    """A selector of tokens of these types."""
    return f'token_type=~"{"|".join(types)}"'


def selected(spec: MetricSpec, where: str = "", part: str = "") -> str:
    """A selector of a metric. `part` is `_bucket`, `_sum` or `_count` of a histogram."""
    matchers = ",".join(text for text in (INSTANCE, where) if text)
    return f"{spec.name}{part}{{{matchers}}}"


def over(function: str, spec: MetricSpec, window: str, where: str = "", part: str = "") -> str:
    """`rate` or `increase` of a counter in a window of time, under whichever of its names the gateway shows it.

    Where it has both names, the labels are the same and `or` takes the first: nothing is counted twice.
    """
    names = (spec, *SUCCESSORS.get(spec.name, ()))
    taken = [f"{function}({selected(each, where, part)}[{window}])" for each in names]
    return " or ".join(taken)


def rate(spec: MetricSpec, *by: str, where: str = "", part: str = "") -> str:
    """The increase per second."""
    return f"sum{_by(by)} ({over('rate', spec, '$__rate_interval', where, part)})"


def events(spec: MetricSpec, *by: str, where: str = "") -> str:
    """The increase since the last point of the graph, as a whole number: one event is in one point.

    `increase` over the rate interval, which is four scrapes long, would show it four times, and a third too large. A
    scrape that is missed hides nothing: the last value before it is looked for.
    """
    counter = selected(spec, where)
    return f"sum{_by(by)} (clamp_min({counter} - last_over_time({counter}[5m] offset $__interval), 0))"


def in_range(spec: MetricSpec, *by: str, where: str = "") -> str:
    """The increase in all of the time that the dashboard shows."""
    return f"sum{_by(by)} ({over('increase', spec, '$__range', where)})"


def total(spec: MetricSpec, *by: str, where: str = "") -> str:
    return f"sum{_by(by)} ({selected(spec, where)})"


def greatest(spec: MetricSpec, *by: str, where: str = "") -> str:
    return f"max{_by(by)} ({selected(spec, where)})"


def time_left(spec: MetricSpec, *by: str) -> str:
    """The seconds until the moments that a metric shows, for the ten that come first; below zero they have passed."""
    return f"bottomk(10, min{_by(by)} ({selected(spec)}) - time())"


def quantile(share: float, spec: MetricSpec, *by: str, where: str = "") -> str:
    return f"histogram_quantile({share}, {rate(spec, *by, 'le', where=where, part='_bucket')})"


def mean(spec: MetricSpec, *by: str, where: str = "") -> str:
    return f"{rate(spec, *by, where=where, part='_sum')} / {rate(spec, *by, where=where, part='_count')}"


def buckets(spec: MetricSpec, where: str = "") -> str:
    """The buckets of a histogram, for a heatmap."""
    return f"sum by (le) ({over('increase', spec, '$__rate_interval', where, '_bucket')})"


def recorded(name: str, where: str = "") -> str:
    """A selector of a series that a recording rule makes, which is of a gateway rather than of an instance."""
    return f"{name}{{{','.join(text for text in (GATEWAY, where) if text)}}}"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""
