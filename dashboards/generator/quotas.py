"""Limits and budgets of keys and teams: what is used of them, and who was turned away by one."""

from dashboards.generator.links import logs, traces
from dashboards.generator.metrics import events, greatest
from dashboards.generator.panels import PanelBuilder, Query, bars, series
from telemetry.names import metrics as names

_TO_LIMITED = [
    traces("Traces of requests that a limit turned away", "kind = server", 'span.flowspan.limit != ""'),
    logs("Logs of requests that a limit turned away", 'limit!=""'),
]
_HOLDER = ("scope", "holder", "limit", "mode")
_BUDGET = "{{scope}} {{holder}}, {{limit}} ({{mode}})"
_RATES = 'limit!~"budget_.*"'


def quotas(chosen: str) -> list[PanelBuilder]:
    """What is used of limits is known where the gateway counts it; a Redis that several share is shown by each.
    `chosen` is a selector of keys, for those who are turned away."""
    spent, reserved, most, warned = (
        greatest(spec, *_HOLDER)
        for spec in (names.BUDGET_USED, names.BUDGET_RESERVED, names.BUDGET_LIMIT, names.BUDGET_WARNING)
    )
    fullest = f"topk(10, {spent} / {most})"
    return [
        bars(
            "Budgets, how much is spent",
            "The share of each budget that is spent in its time, for the ten that are nearest to their end. A `warn` "
            "budget is only told of.",
            "percentunit",
            Query(fullest, _BUDGET),
            width=8,
            links=_TO_LIMITED,
        ),
        series(
            "Dollars of budgets",
            "US dollars spent in the time of a budget, for the ten that are nearest to their end; reserved is what "
            "open requests may cost at most.",
            "currencyUSD",
            [
                Query(f"{spent} and {fullest}", f"{_BUDGET} spent"),
                Query(f"{reserved} and {fullest}", f"{_BUDGET} reserved"),
            ],
            width=8,
            links=_TO_LIMITED,
        ),
        series(
            "Left of budgets before they are warned of",
            "US dollars; below zero the warning was given, for the ten that are nearest.",
            "currencyUSD",
            [Query(f"bottomk(10, {warned} - {spent})", _BUDGET)],
            width=8,
            links=_TO_LIMITED,
        ),
        series(
            "Limits, how much is used",
            "What is used and reserved of requests, tokens and streams, over what may be, for the ten fullest.",
            "percentunit",
            [
                Query(
                    f"topk(10, {greatest(names.QUOTA_RATIO, *_HOLDER, where=_RATES)})",
                    "{{scope}} {{holder}}, {{limit}}",
                )
            ],
            width=8,
            links=_TO_LIMITED,
        ),
        series(
            "Turned away by limits",
            "Requests of keys that a limit or a budget turned away, of the key itself or of its team.",
            "short",
            [
                Query(
                    f"topk(10, {events(names.QUOTA_REJECTIONS, 'key', 'scope', 'limit', where=chosen)} > 0)",
                    "{{key}}: {{limit}} of the {{scope}}",
                )
            ],
            width=8,
            bars=True,
            links=_TO_LIMITED,
        ),
        series(
            "What is used, as it is kept",
            "How long ago all that is used was last known to be in the store; nothing where it is kept in memory. 1 "
            "where an instance counts by itself, because the store cannot be reached, or began at zero.",
            "s",
            [
                Query(greatest(names.QUOTA_STATE_AGE, "instance"), "age at {{instance}}"),
                Query(greatest(names.QUOTA_STATE_LOCAL, "instance"), "{{instance}} counts by itself"),
                Query(events(names.QUOTA_STATE_LOSSES, "instance"), "{{instance}} began at zero"),
            ],
            width=8,
            links=_TO_LIMITED,
        ),
    ]
