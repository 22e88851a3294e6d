"""Limits and budgets of keys and teams: what is used of them, and who was turned away by one."""

from dashboards.generator.links import label, logs, traces
from dashboards.generator.metrics import events, greatest
from dashboards.generator.panels import PanelBuilder, Query, series
from telemetry.names import metrics as names

_TO_REFUSED = [
    traces("Requests beyond a limit", "kind = server", 'span.error.type = "rate_limited"'),
    logs("Logs of requests beyond a limit", 'outcome="rate_limited"'),
]
_TO_KEY = [
    traces("Requests of this key beyond a limit", "kind = server", f'span.flowspan.key.name = "{label("key")}"'),
    logs("Logs of this key", f'key="{label("key")}"'),
]
_HOLDER = ("scope", "holder", "limit")
_NAMES = "{{scope}} {{holder}} {{limit}}"


def quotas() -> list[PanelBuilder]:
    """What is used of limits is known where the gateway counts it; a Redis that several share is shown by each."""
    spent, reserved, most, warned = (
        greatest(spec, *_HOLDER)
        for spec in (names.BUDGET_USED, names.BUDGET_RESERVED, names.BUDGET_LIMIT, names.BUDGET_WARNING)
    )
    return [
        series(
            "Used of limits and budgets",
            "What is used and reserved over what is allowed, for the ten that are fullest; 100 % turns requests away.",
            "percentunit",
            [Query(f"topk(10, {greatest(names.QUOTA_RATIO, *_HOLDER)})", _NAMES)],
            width=12,
            links=_TO_REFUSED,
        ),
        series(
            "Requests turned away by limits",
            "By key and limit: its own, or its team's.",
            "short",
            [Query(events(names.QUOTA_REJECTIONS, "key", "scope", "limit") + " > 0", "{{key}} {{scope}} {{limit}}")],
            width=12,
            bars=True,
            links=_TO_KEY,
        ),
        series(
            "Budgets",
            "US dollars spent in the time of a budget, for the ten that have the least left; reserved is what open "
            "requests may cost at most.",
            "currencyUSD",
            [
                Query(f"{spent} and topk(10, {spent} / {most})", f"{_NAMES} spent"),
                Query(f"{reserved} and topk(10, {spent} / {most})", f"{_NAMES} reserved"),
            ],
            width=8,
            links=_TO_REFUSED,
        ),
        series(
            "Left of budgets before they are warned of",
            "US dollars; below zero the warning was given, for the ten that are nearest.",
            "currencyUSD",
            [Query(f"bottomk(10, {warned} - {spent})", _NAMES)],
            width=8,
            links=_TO_REFUSED,
        ),
        series(
            "State of limits",
            "Seconds since what is used was last known to be where a restart finds it; how often it was lost; and 1 "
            "while a store that others share cannot be reached.",
            "short",
            [
                Query(greatest(names.QUOTA_STATE_AGE, "instance"), "{{instance}} age"),
                Query(events(names.QUOTA_STATE_LOSSES, "instance") + " > 0", "{{instance}} lost"),
                Query(greatest(names.QUOTA_STATE_LOCAL, "instance") + " > 0", "{{instance}} by itself"),
            ],
            width=8,
            links=[logs("Logs", 'scope_name="flowspan"')],
        ),
    ]
