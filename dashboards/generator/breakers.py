"""Breakers and upstreams: who is shut, why, what it cost, and how providers do."""

from dashboards.generator.deployments import deployments
from dashboards.generator.frame import Json, Row, dashboard
from dashboards.generator.links import label, logql, logs, traceql, traces
from dashboards.generator.metrics import INSTANCE, buckets, events, in_range, quantile, rate
from dashboards.generator.panels import (
    ANY_IS_BAD,
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    PanelBuilder,
    Query,
    latency,
    log_lines,
    number,
    series,
    states,
    trace_table,
)
from telemetry.names import metrics as names

UID = "flowspan-breakers"

_STATE = names.BREAKER_STATE.name
_MODEL = (names.GEN_AI_PROVIDER, names.GEN_AI_MODEL)
_PROVIDER = label(names.GEN_AI_PROVIDER)
_COURSE = f'max by (breaker) ({_STATE}{{{INSTANCE},state="open"}} * 2 or {_STATE}{{{INSTANCE},state="half_open"}})'
_LOGS = logs("Logs of this breaker", f'breaker="{label("breaker")}"')
_TO_BREAKER = [traces("Traces of this deployment", f'span.flowspan.deployment = "{label("breaker")}"'), _LOGS]
_TO_REJECTED = [traces("Traces that a breaker turned away", 'span.flowspan.outcome = "breaker_open"'), _LOGS]
_TO_DEPLOYMENT = [
    traces("Traces of this deployment", f'span.flowspan.deployment = "{label("deployment")}"'),
    logs("Logs of its breaker", f'breaker="{label("deployment")}"'),
]
_FAILED = traces(
    "Attempts that failed like this",
    "kind = client",
    f'span.gen_ai.provider.name = "{_PROVIDER}"',
    f'span.error.type = "{label("error_type")}"',
)
_TO_PROVIDER = [
    traces("Attempts at this provider", "kind = client", f'span.gen_ai.provider.name = "{_PROVIDER}"'),
    logs("Logs of this provider", f'provider="{_PROVIDER}"'),
]
_TO_CLIENT_SPANS = [traces("Attempts", "kind = client"), logs("Logs of breakers", 'breaker!=""')]
_REASONS = {"first": BLUE, "retry": ORANGE, "fallback": PURPLE, "hedge": GREEN, "probe": GREY}


def build() -> Json:
    return dashboard(
        UID,
        "Flowspan / Breakers and upstreams",
        "The circuit breakers of queues and deployments, what they turned away, and how the providers behind them do. "
        "Closed lets traffic through, open turns it away, half-open lets a probe through.",
        _stats(),
        [
            Row("Breakers", _breakers()),
            Row("What they cost", _cost()),
            Row("What was spared", _spared()),
            Row("Providers", _providers()),
            Row("Deployments", deployments()),
            Row("What happened last", _last()),
        ],
    )


def _stats() -> list[PanelBuilder]:
    shut = f'sum(max by (breaker) ({_STATE}{{{INSTANCE},state="open"}}))'
    ratio = f"{rate(names.CLIENT_DURATION, where=_ERROR, part='_count')} / {rate(names.CLIENT_DURATION, part='_count')}"
    retries = f"{rate(names.ATTEMPTS, where=_AGAIN)} / {rate(names.ATTEMPTS)}"
    return [
        number(
            "Open breakers",
            "Breakers that turn traffic away now.",
            "short",
            Query(shut, ""),
            steps=ANY_IS_BAD,
            links=_TO_CLIENT_SPANS,
            width=6,
        ),
        number(
            "Trips",
            "Changes to open, in the time shown.",
            "short",
            Query(in_range(names.BREAKER_TRIPS), ""),
            steps=ANY_IS_BAD,
            decimals=0,
            links=_TO_CLIENT_SPANS,
            width=6,
        ),
        number(
            "Failed attempts",
            "The share of attempts at providers that came to nothing; retries and fallbacks hide most from clients.",
            "percentunit",
            Query(ratio, ""),
            links=_TO_CLIENT_SPANS,
            width=6,
        ),
        number(
            "Retries and fallbacks",
            "The share of attempts that were not the first of their request.",
            "percentunit",
            Query(retries, ""),
            links=_TO_CLIENT_SPANS,
            width=6,
        ),
    ]


# An attempt that was cancelled, for its client had left, is no failure of a provider.
_ERROR = 'error_type=~"upstream_.+"'
_AGAIN = 'reason!="first"'


def _breakers() -> list[PanelBuilder]:
    return [
        states(
            "State of each breaker",
            "Green is closed: traffic flows. Orange is half-open: a probe is under way, or the next request is one. "
            "Red is open: no traffic.",
            Query(_COURSE, "{{breaker}}"),
            links=_TO_BREAKER,
        ),
        series(
            "Transitions",
            "Changes of state, by what they led to.",
            "short",
            [
                Query(
                    events(names.BREAKER_TRANSITIONS_TOTAL, "breaker", "to_state") + " > 0",
                    "{{breaker}} {{to_state}}",
                )
            ],
            bars=True,
            links=_TO_BREAKER,
        ),
        series(
            "Trips by reason",
            "Changes to open. A trip out of half-open (probe_failed) says that it is still not well.",
            "short",
            [Query(events(names.BREAKER_TRIPS, "breaker", "reason") + " > 0", "{{breaker}} {{reason}}")],
            bars=True,
            links=_TO_BREAKER,
        ),
    ]


def _cost() -> list[PanelBuilder]:
    return [
        series(
            "Turned away",
            "Requests and attempts that a breaker turned away, a second.",
            "reqps",
            [Query(rate(names.BREAKER_REJECTIONS, "breaker", "reason") + " > 0", "{{breaker}} {{reason}}")],
            width=8,
            links=_TO_REJECTED,
        ),
        series(
            "Attempts by why they were made",
            "The first of a request, a retry for the same model, or a fallback to another one.",
            "reqps",
            [Query(rate(names.ATTEMPTS, "reason"), "{{reason}}")],
            width=8,
            stacked=True,
            colours=_REASONS,
            links=_TO_CLIENT_SPANS,
        ),
        series(
            "Retries and fallbacks by deployment",
            "Who is asked in place of others, for the ten that are asked most.",
            "reqps",
            [
                Query(
                    f"topk(10, {rate(names.ATTEMPTS, 'deployment', 'reason', where=_AGAIN)} > 0)",
                    "{{deployment}} {{reason}}",
                )
            ],
            width=8,
            links=_TO_DEPLOYMENT,
        ),
    ]


def _spared() -> list[PanelBuilder]:
    return [
        series(
            "Callers shut out alone",
            "Callers whose own requests failed, by the breaker behind theirs, for the ten that trip most. Nobody else "
            "noticed.",
            "short",
            [
                Query(
                    f"topk(10, {events(names.BREAKER_CALLER_TRIPS, 'breaker', 'reason')} > 0)", "{{breaker}} {{reason}}"
                )
            ],
            width=8,
            bars=True,
            links=_TO_BREAKER,
        ),
        series(
            "Retries denied",
            "Retries that a model's budget did not allow, a second: the error went to the caller at once.",
            "reqps",
            [Query(rate(names.RETRIES_DENIED, "model"), "{{model}}")],
            width=8,
            links=_TO_CLIENT_SPANS,
        ),
        series(
            "The gateway's own failures",
            "Attempts that failed for want of connections, descriptors, memory, names, network or time on this machine "
            "itself, a second. They count against no provider.",
            "reqps",
            [Query(rate(names.LOCAL_FAILURES, "kind"), "{{kind}}")],
            width=8,
            links=_TO_CLIENT_SPANS,
        ),
    ]


def _providers() -> list[PanelBuilder]:
    errors = rate(names.CLIENT_DURATION, *_MODEL, "error_type", where=_ERROR, part="_count")
    return [
        series(
            "Failed attempts by model and kind",
            "Attempts that came to nothing, a second.",
            "reqps",
            [Query(errors, "{{gen_ai_request_model}} ({{gen_ai_provider_name}}) {{error_type}}")],
            width=24,
            links=[_FAILED, _TO_PROVIDER[1]],
        ),
        *_pair("Duration of attempts", "One attempt at a provider, from its start to its end.", names.CLIENT_DURATION),
        *_pair(
            "Time to the first chunk", "From the start of an attempt to the provider's first chunk.", names.CLIENT_TTFC
        ),
    ]


def _pair(title: str, what: str, spec: names.MetricSpec) -> list[PanelBuilder]:
    return latency(
        f"{title}, p95",
        what,
        [Query(quantile(0.95, spec, *_MODEL), "{{gen_ai_request_model}} ({{gen_ai_provider_name}})")],
        buckets(spec),
        dot="an attempt",
        links=_TO_PROVIDER,
        all_links=_TO_CLIENT_SPANS,
        more="The slowest twentieth, by model.",
    )


def _last() -> list[PanelBuilder]:
    columns = "select(span.flowspan.deployment, span.error.type, span.flowspan.detail)"
    failed = traceql("kind = client", 'span.error.type =~ "upstream_.+"')
    return [
        log_lines(
            "Trip log", "Every change of a breaker's state, with its reason and its trace.", logql('breaker!=""')
        ),
        trace_table("Attempts that failed", "The newest attempts that came to nothing.", f"{failed} | {columns}"),
    ]
