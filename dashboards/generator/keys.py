"""Who sends and what it costs: panels by the names of callers' keys."""

from dashboards.generator.links import label, logs, traces
from dashboards.generator.metrics import events, greatest, in_range, rate
from dashboards.generator.panels import PanelBuilder, Query, bars, series
from telemetry.names import metrics as names

_TO_KEY = [
    traces("Traces of this key", "kind = server", f'span.flowspan.key.name = "{label("key")}"'),
    logs("Logs of this key", f'key="{label("key")}"'),
]
_TO_REFUSED = [
    traces("Traces of refused requests", "kind = server", 'span.error.type = "authentication"'),
    logs("Logs of refused requests", 'error_type="authentication"'),
]


def keys() -> list[PanelBuilder]:
    return [
        series(
            "Requests by key",
            "Requests a second of the ten busiest keys, whatever the model; `none` has no key.",
            "reqps",
            [Query(f"topk(10, {rate(names.KEY_REQUESTS, 'key')})", "{{key}}")],
            width=8,
            stacked=True,
            links=_TO_KEY,
        ),
        series(
            "Tokens by key",
            "Tokens a second of the ten busiest keys, of all attempts; each token is counted once.",
            "cps",
            [Query(f"topk(10, {rate(names.KEY_TOKENS, 'key')})", "{{key}}")],
            width=8,
            stacked=True,
            links=_TO_KEY,
        ),
        bars(
            "Spent, by key",
            "US dollars in the time shown, for the ten dearest keys and models whose price is configured.",
            "currencyUSD",
            Query(f"topk(10, {in_range(names.KEY_COST, 'key')} > 0)", "{{key}}"),
            width=8,
            links=_TO_KEY,
        ),
        series(
            "Callers not let in",
            "Requests of callers who were not let in, by reason: no key, an unknown one, an expired one, or no request "
            "of this machine where there are no keys.",
            "short",
            [Query(events(names.AUTH_FAILURES, "reason"), "{{reason}}")],
            width=16,
            bars=True,
            links=_TO_REFUSED,
        ),
        bars(
            "Time until a key expires",
            "For callers whose keys all expire. One below a week is warned of at the start, too.",
            "s",
            Query(f"bottomk(10, {greatest(names.KEY_EXPIRY, 'key')} - time())", "{{key}}"),
            width=8,
            links=_TO_KEY,
        ),
    ]
