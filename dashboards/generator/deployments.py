"""The row about deployments: what each one's provider answers, how full its limits and connections are."""

from dashboards.generator.links import label, logs, traces
from dashboards.generator.metrics import buckets, events, greatest, quantile, rate, selected, time_left, total
from dashboards.generator.panels import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    RED,
    PanelBuilder,
    Query,
    bars,
    latency,
    series,
)
from telemetry.names import metrics as names

_TO_DEPLOYMENT = [
    traces("Attempts at this deployment", f'span.flowspan.deployment = "{label("deployment")}"'),
    logs("Logs of its breaker", f'breaker="{label("deployment")}"'),
]
_ACCESS = logs("Logs", 'scope_name="flowspan.access"')
_TO_ATTEMPTS = [traces("Attempts", "kind = client"), _ACCESS]
_TO_OUTCOME = [traces("Attempts that failed", "kind = client", "status = error"), _ACCESS]
_OUTCOMES = {
    "ok": GREEN,
    "error": RED,
    "timeout": "#FF7383",
    "rate_limited": ORANGE,
    "unauthorized": "#C4162A",
    "refused": "#C8C8D0",
    "local": PURPLE,
    "cancelled": GREY,
    "outpaced": BLUE,
}
_STATES = {"active": BLUE, "idle": GREY, "waiting": RED}


def deployments() -> list[PanelBuilder]:
    failing = rate(names.ATTEMPT_OUTCOMES, "deployment", where='outcome=~"error|timeout|rate_limited|unauthorized"')
    share = f"{failing} / {rate(names.ATTEMPT_OUTCOMES, 'deployment')}"
    statuses = rate(names.UPSTREAM_RESPONSES, "deployment", "status_class", where='status_class!="2xx"')
    left = f"{greatest(names.UPSTREAM_LIMIT_REMAINING, 'deployment', 'limit')} / {_limit()}"
    return [
        series(
            "Attempts by outcome",
            "How attempts at all deployments end. Refused is the request's own fault, cancelled means that nobody "
            "wanted the rest, outpaced that another one for the same request was faster, local is the gateway's own "
            "machine.",
            "reqps",
            [Query(rate(names.ATTEMPT_OUTCOMES, "outcome"), "{{outcome}}")],
            width=8,
            stacked=True,
            colours=_OUTCOMES,
            links=_TO_OUTCOME,
        ),
        series(
            "Failing attempts, by deployment",
            "The share of a deployment's attempts that its provider failed, for the ten worst.",
            "percentunit",
            [Query(f"topk(10, {share} > 0)", "{{deployment}}")],
            width=8,
            top=1,
            links=_TO_DEPLOYMENT,
        ),
        series(
            "Statuses of providers",
            "What is no 2xx, a second, by deployment and class of the HTTP status; none is an attempt without a "
            "response. The twenty most frequent.",
            "reqps",
            [Query(f"topk(20, {statuses} > 0)", "{{deployment}} {{status_class}}")],
            width=8,
            links=_TO_DEPLOYMENT,
        ),
        series(
            "Failovers that clients did not see",
            "Attempts that failed before anything of an answer had gone to the client, so that another one followed; "
            "by how far they had come.",
            "short",
            [Query(events(names.FAILOVERS, "deployment", "phase") + " > 0", "{{deployment}} {{phase}}")],
            width=24,
            bars=True,
            links=_TO_DEPLOYMENT,
        ),
        series(
            "Attempts in flight, by deployment",
            "Attempts that are open now, for the twenty busiest deployments.",
            "short",
            [Query(f"topk(20, {total(names.ATTEMPTS_IN_FLIGHT, 'deployment')} > 0)", "{{deployment}}")],
            width=8,
            links=_TO_DEPLOYMENT,
        ),
        series(
            "Left of providers' limits",
            "What providers say is left of their rate limits, for the ten that are nearest to theirs.",
            "percentunit",
            [Query(f"bottomk(10, {left})", "{{deployment}} {{limit}}")],
            width=8,
            top=1,
            links=_TO_DEPLOYMENT,
        ),
        series(
            "Connections to providers",
            "Connections in use and kept for later, and requests that wait for one.",
            "short",
            [Query(total(names.UPSTREAM_CONNECTIONS, "state"), "{{state}}")],
            width=8,
            colours=_STATES,
            links=_TO_ATTEMPTS,
        ),
        *latency(
            "Time to connect, p95",
            "Look-up of the name, connection and TLS, where no kept connection could be used.",
            [Query(quantile(0.95, names.UPSTREAM_CONNECT, "origin"), "{{origin}}")],
            buckets(names.UPSTREAM_CONNECT),
            dot="a connection",
            links=_TO_ATTEMPTS,
            all_links=_TO_ATTEMPTS,
            more="The slowest twentieth, by origin.",
        ),
        series(
            "Requests sent once more",
            "Requests whose kept connection the provider had closed, and that went out once more over a new one. "
            "Nobody waits long for that; many say that the provider keeps connections for a shorter time than 30 s.",
            "reqps",
            [Query(rate(names.UPSTREAM_RESENT, "origin"), "{{origin}}")],
            width=12,
            links=_TO_ATTEMPTS,
        ),
        bars(
            "Time until a client certificate expires",
            "Of the certificates that providers are shown, by deployment; none where none is shown. A renewed one is "
            "taken by a reload.",
            "s",
            Query(time_left(names.UPSTREAM_CERTIFICATE_EXPIRY, "deployment"), "{{deployment}}"),
            width=12,
            links=_TO_DEPLOYMENT,
        ),
    ]


def _limit() -> str:
    """Limits that are above zero, for what is left is divided by them."""
    return f"max by (deployment, limit) ({selected(names.UPSTREAM_LIMIT)} > 0)"
