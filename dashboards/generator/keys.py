"""Who sends and what it costs: panels by the names of callers' keys."""

from dashboards.generator.links import label, logs, traces
from dashboards.generator.metrics import PROMPT, events, greatest, in_range, of_types, rate
from dashboards.generator.panels import PanelBuilder, Query, bars, series
from dashboards.slo import BAD, UNDELIVERED
from telemetry.names import metrics as names

_TO_KEY = [
    traces("Traces of this key", "kind = server", f'span.flowspan.key.name = "{label("key")}"'),
    logs("Logs of this key", f'key="{label("key")}"'),
]
_TO_ANY = [traces("Traces", "kind = server"), logs("Logs", 'scope_name="flowspan.access"')]
_TO_REFUSED = [
    traces("Traces of refused requests", "kind = server", 'span.error.type = "authentication"'),
    logs("Logs of refused requests", 'error_type="authentication"'),
]


_TO_TEAM = [
    traces("Traces of this team", "kind = server", f'span.flowspan.key.team = "{label("team")}"'),
    logs("Logs of this team", f'team="{label("team")}"'),
]


def keys(chosen: str) -> list[PanelBuilder]:
    """`chosen` is a selector of keys."""
    failed = rate(names.KEY_REQUESTS, "key", where=f'{chosen},outcome=~"{BAD}"')
    asked = rate(names.KEY_REQUESTS, "key", where=chosen)
    broken = rate(names.KEY_STREAMS, "key", "result", where=f'{chosen},result=~"{UNDELIVERED}|unanswered"')
    return [
        series(
            "Requests by key",
            "Requests a second of the ten busiest keys, whatever the model; `none` has no key.",
            "reqps",
            [Query(f"topk(10, {asked})", "{{key}}")],
            width=8,
            stacked=True,
            links=_TO_KEY,
        ),
        series(
            "Tokens by key",
            "Tokens a second of the ten busiest keys, of all attempts; each token is counted once.",
            "cps",
            [Query(f"topk(10, {rate(names.KEY_TOKENS, 'key', where=chosen)})", "{{key}}")],
            width=8,
            stacked=True,
            links=_TO_KEY,
        ),
        bars(
            "Spent, by key",
            "US dollars in the time shown, for the ten dearest keys and models whose price is known.",
            "currencyUSD",
            Query(f"topk(10, {in_range(names.KEY_COST, 'key', where=chosen)} > 0)", "{{key}}"),
            width=8,
            links=_TO_KEY,
        ),
        series(
            "Failed, by key",
            "The share of a key's requests that broke the objective, for the ten worst.",
            "percentunit",
            [Query(f"topk(10, {failed} / {asked})", "{{key}}")],
            width=6,
            top=1,
            links=_TO_KEY,
        ),
        series(
            "Streams without a good end, by key",
            "Streams a second that failed, were cut, or left before anything came; for the ten worst keys.",
            "reqps",
            [Query(f"topk(10, {broken} > 0)", "{{key}} {{result}}")],
            width=6,
            links=_TO_KEY,
        ),
        series(
            "Tokens by kind",
            "Tokens of the chosen keys, a second: prompts apart from caches, read from and written into them, answers "
            "apart from their reasoning, and that.",
            "cps",
            [Query(rate(names.KEY_TOKENS, "token_type", where=chosen), "{{token_type}}")],
            width=6,
            stacked=True,
            links=_TO_ANY,
        ),
        series(
            "From a cache, by key",
            "The share of a key's prompt tokens that providers read from a cache, for the ten that ask most.",
            "percentunit",
            [Query(_cached(chosen), "{{key}}")],
            width=6,
            top=1,
            links=_TO_KEY,
        ),
    ]


def _cached(chosen: str) -> str:
    read = rate(names.KEY_TOKENS, "key", where=f'{chosen},token_type="cache_read"')
    prompt = rate(names.KEY_TOKENS, "key", where=f"{chosen},{of_types(*PROMPT)}")
    return f"{read} / topk(10, {prompt})"


def teams(chosen: str) -> list[PanelBuilder]:
    an_hour = f"topk(10, {rate(names.KEY_COST, 'team', where=chosen)} * 3600 > 0)"
    return [
        series(
            "Dollars an hour, by team",
            "What teams spend at their present rate, for the ten dearest; the name is empty for keys of no team.",
            "currencyUSD",
            [Query(an_hour, "{{team}}")],
            width=16,
            stacked=True,
            links=_TO_TEAM,
        ),
        bars(
            "Spent, by team",
            "US dollars in the time shown, for the ten dearest.",
            "currencyUSD",
            Query(f"topk(10, {in_range(names.KEY_COST, 'team', where=chosen)} > 0)", "{{team}}"),
            width=8,
            links=_TO_TEAM,
        ),
    ]


def others() -> list[PanelBuilder]:
    return [
        series(
            "Callers not let in",
            "Requests of callers who were not let in, by reason: no key, an unknown one, one that has expired or was "
            "revoked, or no request of this machine where there are no keys.",
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
        series(
            "Acts of operators",
            "What was asked for by the admin API, and what became of it: `denied` had no right to it, `refused` could "
            "not be performed as things were, `failed` was not performed in time.",
            "short",
            [Query(events(names.ADMIN_ACTS, "act", "result") + " > 0", "{{act}} {{result}}")],
            width=24,
            bars=True,
            links=[logs("Audit log", 'scope_name="flowspan.audit"')],
        ),
    ]
