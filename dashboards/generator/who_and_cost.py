"""Who and what it costs: requests, tokens and money by key and team, and who is not let in."""

from dashboards.generator.frame import Json, Row, choice, dashboard
from dashboards.generator.keys import keys, others, teams
from dashboards.generator.links import logql, logs, traceql, traces
from dashboards.generator.metrics import ANSWER, PROMPT, in_range, of_types, rate
from dashboards.generator.panels import ANY_IS_BAD, PanelBuilder, Query, log_lines, number, trace_table
from dashboards.generator.quotas import quotas
from dashboards.slo import BAD
from telemetry.names import metrics as names

UID = "flowspan-who-and-cost"

_CHOSEN = 'key=~"$key",team=~"$team"'
_ACCESS = logs("Logs", 'scope_name="flowspan.access"')
_TO_ALL = [traces("Requests", "kind = server"), _ACCESS]
_TO_COST = [traces("Requests that cost something", "kind = server", "span.flowspan.cost_usd > 0"), _ACCESS]
_TO_REFUSED = [traces("Requests that were refused", "kind = server", 'span.error.type = "authentication"'), _ACCESS]


def build() -> Json:
    return dashboard(
        UID,
        "Flowspan / Who and what it costs",
        "Requests, tokens and money by the names of callers' keys and their teams, and who was not let in.",
        _stats(),
        [
            Row("Keys", keys(_CHOSEN)),
            Row("Teams", teams(_CHOSEN)),
            Row("Limits and budgets", quotas(_CHOSEN)),
            Row("Who is not let in", others()),
            Row("Conversations", _conversations()),
        ],
        variables=[
            choice("team", "Team", names.KEY_REQUESTS, "team"),
            choice("key", "Key", names.KEY_REQUESTS, "key", where='{team=~"$team"}'),
        ],
    )


def _stats() -> list[PanelBuilder]:
    failed = f'{_CHOSEN},outcome=~"{BAD}"'
    output = f"{_CHOSEN},{of_types(*ANSWER)}"
    cached = f'{_CHOSEN},token_type="cache_read"'
    prompt = f"{_CHOSEN},{of_types(*PROMPT)}"
    return [
        number(
            "Requests",
            "Transactions that ended, a second.",
            "reqps",
            Query(rate(names.KEY_REQUESTS, where=_CHOSEN), ""),
            links=_TO_ALL,
            width=4,
        ),
        number(
            "Failed",
            "The share of requests that broke the objective.",
            "percentunit",
            Query(f"{rate(names.KEY_REQUESTS, where=failed)} / {rate(names.KEY_REQUESTS, where=_CHOSEN)}", ""),
            links=_TO_ALL,
            width=4,
        ),
        number(
            "Spent",
            "US dollars in the time shown, for models whose price is known.",
            "currencyUSD",
            Query(in_range(names.KEY_COST, where=_CHOSEN), ""),
            links=_TO_COST,
            width=4,
        ),
        number(
            "Output",
            "Tokens of answers and their reasoning, a second.",
            "cps",
            Query(rate(names.KEY_TOKENS, where=output), ""),
            links=_TO_ALL,
            width=4,
        ),
        number(
            "From a cache",
            "The share of prompt tokens that providers read from a cache.",
            "percentunit",
            Query(f"{rate(names.KEY_TOKENS, where=cached)} / {rate(names.KEY_TOKENS, where=prompt)}", ""),
            links=_TO_ALL,
            width=4,
        ),
        number(
            "Not let in",
            "Requests of callers who were not let in, in the time shown.",
            "short",
            Query(in_range(names.AUTH_FAILURES), ""),
            steps=ANY_IS_BAD,
            decimals=0,
            links=_TO_REFUSED,
            width=4,
        ),
    ]


def _conversations() -> list[PanelBuilder]:
    columns = "select(span.gen_ai.conversation.id, span.flowspan.key.name, span.flowspan.model)"
    found = traceql("kind = server", 'span.gen_ai.conversation.id != ""')
    return [
        trace_table(
            "Conversations",
            "The newest requests with their conversation, key and model. A search for one conversation's id finds all "
            "of its requests, those of subagents too.",
            f"{found} | {columns}",
        ),
        log_lines(
            "Requests",
            "The access lines of the same: key, conversation, tokens and cost.",
            logql('scope_name="flowspan.access"'),
        ),
    ]
