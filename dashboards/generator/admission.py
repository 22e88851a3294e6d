"""The row about admission: who waits for a deployment with room, for how long, and who was refused."""

from dashboards.generator.links import label, logs, traces
from dashboards.generator.metrics import buckets, events, mean, quantile, rate, selected, total
from dashboards.generator.panels import FILL, PanelBuilder, Query, latency, series
from telemetry.names import metrics as names

_LOGS = logs("Logs of refusals", 'outcome="overloaded"')
_THIS = f'span.flowspan.admission.deployment = "{label("deployment")}"'
_TO_WAITING = [traces("Traces that waited for it", _THIS), _LOGS]
_TO_REFUSED = [traces("Traces that were refused", _THIS, 'span.flowspan.admission.result = "refused"'), _LOGS]
_TO_ANY = [traces("Traces that waited for a deployment", 'name =~ "flowspan.admission.*"'), _LOGS]


def admission() -> list[PanelBuilder]:
    capacity = f"max by (deployment) ({selected(names.ADMISSION_CAPACITY)} > 0)"
    used = f"{total(names.ATTEMPTS_IN_FLIGHT, 'deployment')} / ({capacity})"
    enqueued, dequeued = rate(names.ADMISSION_ENQUEUED, "deployment"), rate(names.ADMISSION_DEQUEUED, "deployment")
    return [
        series(
            "Waiting for a deployment",
            "Requests that wait now, for the ten deployments with the most.",
            "short",
            [Query(f"topk(10, {total(names.ADMISSION_WAITING, 'deployment')} > 0)", "{{deployment}}")],
            width=8,
            links=_TO_WAITING,
        ),
        series(
            "Slots in use",
            "Attempts under way over max_parallel. At 100 % further requests wait.",
            "percentunit",
            [Query(f"topk(10, {used})", "{{deployment}}")],
            width=8,
            top=1,
            steps=FILL,
            links=_TO_WAITING,
        ),
        series(
            "Refused admission",
            "Requests that a deployment had no room for: its queue was full, they waited too long, or they could not "
            "have been served in time. Another deployment may have served them.",
            "short",
            [Query(events(names.ADMISSION_REFUSED, "deployment", "reason"), "{{deployment}} {{reason}}")],
            width=8,
            bars=True,
            links=_TO_REFUSED,
        ),
        *latency(
            "Wait for a deployment",
            "How long requests waited for a deployment with room; none for those that need not wait.",
            [
                Query(mean(names.ADMISSION_WAIT, "deployment"), "{{deployment}} mean"),
                Query(quantile(0.95, names.ADMISSION_WAIT, "deployment"), "{{deployment}} p95"),
            ],
            buckets(names.ADMISSION_WAIT),
            dot="a request",
            links=_TO_WAITING,
            all_links=_TO_ANY,
        ),
        series(
            "Ends of waits",
            "How waits ended, a second: admitted, refused, or the client left.",
            "reqps",
            [Query(rate(names.ADMISSION_DEQUEUED, "result"), "{{result}}")],
            width=12,
            stacked=True,
            links=_TO_ANY,
        ),
        series(
            "Waits begun minus ended",
            "Above zero more requests come than are served: the queue grows.",
            "reqps",
            [Query(f"topk(10, {enqueued} - {dequeued})", "{{deployment}}")],
            width=12,
            below_zero=True,
            links=_TO_WAITING,
        ),
    ]
