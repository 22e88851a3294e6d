"""Policies: what they looked at, what they decided, what they cost, where they failed."""

from dashboards.generator.frame import Json, Row, dashboard
from dashboards.generator.links import label, logs, traces
from dashboards.generator.metrics import buckets, events, in_range, quantile, rate
from dashboards.generator.panels import ANY_IS_BAD, PanelBuilder, Query, latency, number, series
from telemetry.names import metrics as names

UID = "flowspan-policies"

_LOGS = logs("Logs of this policy", f'policy="{label("policy")}"')
_TO_POLICY = [traces("Traces with this policy", "kind = server", f'span.flowspan.policy = "{label("policy")}"'), _LOGS]
_TO_HELD = [_TO_POLICY[0], logs("Logs of requests", 'scope_name="flowspan.access"')]
_TO_HOOK = [traces("Calls of this hook", f'span.flowspan.hook = "{label("hook")}"'), _LOGS]
_TO_DECISION = [traces("Traces with this decision", f'event.flowspan.decision = "{label("decision")}"'), _LOGS]
_ENDED = traces("Traces that a policy ended", 'span.error.type =~ "policy_.*"')
_STEPPED_ASIDE = traces(
    "Traces in which it stepped aside",
    f'event.flowspan.policy = "{label("policy")}"',
    'event.flowspan.decision = "failed_open"',
)
_TO_TIMEOUTS = [_ENDED, _STEPPED_ASIDE, _LOGS]
_TO_ERRORS = [_ENDED, logs("Logs of requests that a policy ended", 'error_type=~"policy_.*"')]
_ALL_LOGS = logs("Logs of policies", 'policy!=""')
_TO_ANY = [traces("Calls of hooks", 'name =~ "flowspan.policy.*"'), _ALL_LOGS]
_TO_ANY_FAILED = [
    _ENDED,
    traces("Traces in which one stepped aside", 'event.flowspan.decision = "failed_open"'),
    _ALL_LOGS,
]


def build() -> Json:
    return dashboard(
        UID,
        "Flowspan / Policies",
        "What policies looked at and decided, how long they took and held back, and where one did not look.",
        _stats(),
        [Row("Decisions", _decisions()), Row("Cost", _cost()), Row("Failures", _failures())],
    )


def _stats() -> list[PanelBuilder]:
    share = f"{rate(names.STREAM_SECONDS, where=_POLICY)} / {rate(names.STREAM_SECONDS)}"
    return [
        number(
            "Looked at",
            "Blocks of content, thinking and tool calls that policies looked at, a second.",
            "cps",
            Query(rate(names.POLICY_EVALUATED), ""),
            links=_TO_ANY,
            width=6,
        ),
        number(
            "Not looked at",
            "What a policy should have looked at and did not, in the time shown: it had failed open.",
            "short",
            Query(in_range(names.POLICY_SKIPPED), ""),
            steps=ANY_IS_BAD,
            decimals=0,
            links=_TO_ANY_FAILED,
            width=6,
        ),
        number(
            "Timeouts",
            "Hooks that were cut off at policy_timeout, in the time shown.",
            "short",
            Query(in_range(names.POLICY_TIMEOUTS), ""),
            steps=ANY_IS_BAD,
            decimals=0,
            links=_TO_ANY_FAILED,
            width=6,
        ),
        number(
            "Share of stream time",
            "How much of all stream time goes to policies.",
            "percentunit",
            Query(share, ""),
            links=_TO_ANY,
            width=6,
        ),
    ]


_POLICY = 'where="policy"'


def _decisions() -> list[PanelBuilder]:
    return [
        series(
            "Decisions",
            "What policies said they did, a second.",
            "cps",
            [Query(rate(names.POLICY_DECISIONS, "policy", "decision"), "{{policy}} {{decision}}")],
            stacked=True,
            links=_TO_DECISION,
        ),
        series(
            "Looked at and not looked at",
            "Blocks by what became of them. Anything not looked at has passed a guard that did not run.",
            "cps",
            [
                Query(rate(names.POLICY_EVALUATED, "policy", "kind") + " > 0", "{{policy}} {{kind}}"),
                Query(rate(names.POLICY_SKIPPED, "policy", "kind") + " > 0", "{{policy}} {{kind}} NOT LOOKED AT"),
            ],
            links=_TO_POLICY,
        ),
    ]


def _cost() -> list[PanelBuilder]:
    return [
        *latency(
            "Calls of hooks, p95",
            "One call of a hook.",
            [Query(quantile(0.95, names.POLICY_HOOK_SECONDS, "policy", "hook"), "{{policy}} {{hook}}")],
            buckets(names.POLICY_HOOK_SECONDS),
            dot="a call of on_request or on_response",
            links=_TO_HOOK,
            all_links=_TO_ANY,
            more="The slowest twentieth.",
        ),
        *latency(
            "Held back, p95",
            "How long a policy kept back what it later released: its readers wait so long.",
            [Query(quantile(0.95, names.POLICY_HOLD, "policy", "kind"), "{{policy}} {{kind}}")],
            buckets(names.POLICY_HOLD),
            dot="a stream",
            links=_TO_HELD,
            all_links=_TO_ANY,
            more="The slowest twentieth.",
        ),
    ]


def _failures() -> list[PanelBuilder]:
    return [
        series(
            "Timeouts",
            "Hooks that were cut off.",
            "short",
            [Query(events(names.POLICY_TIMEOUTS, "policy", "hook") + " > 0", "{{policy}} {{hook}}")],
            width=8,
            bars=True,
            links=_TO_TIMEOUTS,
        ),
        series(
            "Errors",
            "Hooks that raised, or returned what is no answer.",
            "short",
            [Query(events(names.POLICY_FAILURES, "policy", "hook") + " > 0", "{{policy}} {{hook}}")],
            width=8,
            bars=True,
            links=_TO_ERRORS,
        ),
        series(
            "Calls",
            "Calls of hooks, a second: what the failures are to be measured by.",
            "cps",
            [Query(rate(names.POLICY_HOOK_SECONDS, "policy", part="_count"), "{{policy}}")],
            width=8,
            links=_TO_POLICY,
        ),
    ]
