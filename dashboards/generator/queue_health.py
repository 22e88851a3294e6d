"""Queue health: how full, how long, who waits, what was lost."""

from dashboards.generator.admission import admission
from dashboards.generator.frame import Json, Row, dashboard
from dashboards.generator.links import label, logs, traces
from dashboards.generator.metrics import buckets, events, greatest, in_range, mean, quantile, rate, total
from dashboards.generator.panels import ANY_IS_BAD, FILL, PanelBuilder, Query, bars, heat, latency, number, series
from telemetry.names import metrics as names

UID = "flowspan-queue-health"

_THIS = f'span.flowspan.queue.name = "{label("queue")}"'
_LOGS = logs("Logs of overflows", 'outcome="overflow"')
_TO_QUEUE = [traces("Traces through this queue", _THIS), _LOGS]
_TO_BLOCKED = [traces("Traces that waited for room", _THIS, "span.flowspan.queue.put_blocked_s > 0.1"), _LOGS]
_TO_OVERFLOWED = [traces("Traces that overflowed", _THIS, "span.flowspan.queue.overflows > 0"), _LOGS]
_TO_DISCARDED = [traces("Traces that discarded items", _THIS, "span.flowspan.queue.discarded > 0"), _LOGS]
_TO_ANY = [traces("Traces through a queue", 'name =~ "flowspan.queue.*"'), _LOGS]

_PEAK = f"{greatest(names.QUEUE_DEPTH_PEAK, 'queue')} / {greatest(names.QUEUE_CAPACITY, 'queue')}"
_MEAN_FILL = (
    # Depths are a second old, so that streams that have just ended would make more of it than all.
    f"clamp_max({total(names.QUEUE_DEPTH, 'queue')} / on(queue) ({greatest(names.QUEUE_CAPACITY, 'queue')} "
    f"* scalar(clamp_min({total(names.IN_FLIGHT)}, 1))), 1)"
)


def build() -> Json:
    return dashboard(
        UID,
        "Flowspan / Queue health",
        "The bounded queues between the stages: how full they are, how long items wait, who is held back, what is lost."
        " Each stream has queues of its own; the policy executor writes to policy_out, the client formatter to sse. "
        "Before them requests may wait for a deployment that has as much to do as it may.",
        _stats(),
        [
            Row("Saturation", _saturation()),
            Row("Waiting", _waiting()),
            Row("In and out", _flow()),
            Row("Loss", _loss()),
            Row("Waiting for deployments", admission()),
        ],
    )


def _stats() -> list[PanelBuilder]:
    return [
        number(
            "Fullest queue",
            "Peak depth over capacity of the fullest queue of any stream in the last minute.",
            "percentunit",
            Query(f"max({_PEAK})", ""),
            steps=FILL,
            links=_TO_ANY,
            width=6,
        ),
        number(
            "Writers held back",
            "Streams whose writer waits for room, on average: backpressure on the provider.",
            "short",
            Query(rate(names.QUEUE_PUT_BLOCKED), ""),
            links=_TO_ANY,
            width=6,
        ),
        number(
            "Overflows",
            "Streams that ended for want of room, in the time shown.",
            "short",
            Query(in_range(names.QUEUE_OVERFLOWS), ""),
            steps=ANY_IS_BAD,
            decimals=0,
            links=_TO_ANY,
            width=6,
        ),
        number(
            "Bytes held",
            "Bytes that wait in all queues of all streams.",
            "bytes",
            Query(total(names.QUEUE_BYTES), ""),
            links=_TO_ANY,
            width=6,
        ),
    ]


def _saturation() -> list[PanelBuilder]:
    return [
        series(
            "Peak depth over capacity",
            "The fullest queue of any stream in the last minute. At 100 % its writer waits, and with it the provider.",
            "percentunit",
            [Query(_PEAK, "{{queue}}")],
            width=10,
            top=1,
            steps=FILL,
            links=_TO_QUEUE,
        ),
        series(
            "Mean depth over capacity",
            "Over all open streams: low here and high on the left is one slow reader; high on both is a slow gateway.",
            "percentunit",
            [Query(_MEAN_FILL, "{{queue}}")],
            width=7,
            links=_TO_QUEUE,
        ),
        heat(
            "How full queues got",
            "The highest fill that each stream's queues ever had, told at the stream's end.",
            "percentunit",
            buckets(names.QUEUE_HIGH_WATER),
            width=7,
            links=_TO_ANY,
            exemplars=False,
        ),
    ]


def _waiting() -> list[PanelBuilder]:
    return latency(
        "Residence",
        "How long an item waits in a queue, from its writer to its reader; told at the end of its stream.",
        [
            Query(mean(names.QUEUE_RESIDENCE, "queue"), "{{queue}} mean"),
            Query(quantile(0.95, names.QUEUE_RESIDENCE, "queue"), "{{queue}} p95"),
        ],
        buckets(names.QUEUE_RESIDENCE),
        dot="a stream",
        links=_TO_QUEUE,
        all_links=_TO_ANY,
    )


def _flow() -> list[PanelBuilder]:
    grows = f"{rate(names.QUEUE_ENQUEUED, 'queue')} - {rate(names.QUEUE_DEQUEUED, 'queue')}"
    return [
        series(
            "In and out",
            "Items put into and taken out of each queue, a second.",
            "cps",
            [
                Query(rate(names.QUEUE_ENQUEUED, "queue"), "{{queue}} in"),
                Query(rate(names.QUEUE_DEQUEUED, "queue"), "{{queue}} out"),
            ],
            width=8,
            links=_TO_QUEUE,
        ),
        series(
            "In minus out",
            "Above zero a queue grows. What is discarded counts as taken out.",
            "cps",
            [Query(grows, "{{queue}}")],
            width=8,
            below_zero=True,
            links=_TO_QUEUE,
        ),
        series(
            "Time blocked",
            "How many writers wait for room, on average: seconds of waiting a second.",
            "short",
            [Query(rate(names.QUEUE_PUT_BLOCKED, "queue"), "{{queue}}")],
            width=8,
            links=_TO_BLOCKED,
        ),
    ]


def _loss() -> list[PanelBuilder]:
    return [
        series(
            "Overflows",
            "Streams that ended because their reader left no room for longer than put_timeout.",
            "short",
            [Query(events(names.QUEUE_OVERFLOWS, "queue"), "{{queue}}")],
            width=8,
            bars=True,
            links=_TO_OVERFLOWED,
        ),
        series(
            "Discarded items",
            "Items that nobody wanted any more, for their stream had ended.",
            "short",
            [Query(events(names.QUEUE_DISCARDED, "queue"), "{{queue}}")],
            width=8,
            bars=True,
            links=_TO_DISCARDED,
        ),
        bars(
            "Bytes held",
            "Bytes that wait now, in all streams.",
            "bytes",
            Query(total(names.QUEUE_BYTES, "queue"), "{{queue}}"),
            width=8,
            links=_TO_QUEUE,
        ),
    ]
