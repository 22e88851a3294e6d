"""Flow overview: how it is going, where streams are, who is slow, what failed last."""

from dashboards.generator.delivery import delivery
from dashboards.generator.frame import Json, Row, dashboard
from dashboards.generator.links import label, logql, logs, traceql, traces
from dashboards.generator.metrics import INSTANCE, buckets, greatest, in_range, quantile, rate, total
from dashboards.generator.panels import (
    ANY_IS_BAD,
    BLUE,
    FILL,
    GREEN,
    GREY,
    ORANGE,
    PARTS,
    PURPLE,
    RED,
    PanelBuilder,
    Query,
    bars,
    latency,
    log_lines,
    number,
    series,
    trace_table,
)
from dashboards.generator.pipeline_picture import pipeline_picture
from dashboards.generator.process import process, recordings, telemetry_itself
from dashboards.slo import BAD, BUDGET, BURNS_FAST, OBJECTIVE
from telemetry.names import metrics as names

UID = "flowspan-flow-overview"

_FAILED = f'outcome=~"{BAD}"'
_ERROR_RATIO = f"{rate(names.REQUESTS, where=_FAILED)} / {rate(names.REQUESTS)}"
_TO_ALL = [traces("Traces", "kind = server"), logs("Logs", 'scope_name="flowspan.access"')]
_TO_FAILED = [
    traces("Traces that failed", "kind = server", "status = error", 'span.flowspan.outcome != "client_disconnect"'),
    logs("Logs of failures", _FAILED),
]
_TO_OUTCOME = [
    traces("Traces with this outcome", "kind = server", f'span.flowspan.outcome = "{label("outcome")}"'),
    logs("Logs of this outcome", f'outcome="{label("outcome")}"'),
]
_TO_MODEL = [
    traces("Traces of this model", "kind = server", f'span.flowspan.model = "{label("model")}"'),
    logs("Logs of this model", f'model="{label("model")}"'),
]
_TO_QUEUE = [
    traces("Traces through this queue", f'span.flowspan.queue.name = "{label("queue")}"'),
    logs("Logs of overflows", 'outcome="overflow"'),
]
_TO_SLOW = [traces("Traces that took over 5 s", "kind = server", "duration > 5s"), _TO_ALL[1]]
_OUTCOMES = {
    "ok": GREEN,
    "client_error": "#C8C8D0",
    "client_disconnect": GREY,
    "policy_blocked": PURPLE,
    "rate_limited": "#E0B4F0",
    "upstream_error": RED,
    "timeout": "#FF7383",
    "overflow": ORANGE,
    "overloaded": "#C15C17",
    "breaker_open": "#FADE2A",
    "drained": BLUE,
    "internal_error": "#C4162A",
}


def build() -> Json:
    return dashboard(
        UID,
        "Flowspan / Flow overview",
        "How the gateway is doing, where its streams are, who is slow, and what failed last.",
        _stats(),
        [
            Row("The pipeline", [pipeline_picture(), *_pipeline()]),
            Row("Who is slow", _who_is_slow()),
            Row("Requests", _requests()),
            Row("What clients got", delivery()),
            Row("Latency", _latency()),
            Row("What failed last", _failures()),
            Row("The process", process()),
            Row("What is recorded", recordings()),
            Row("Telemetry itself", telemetry_itself()),
        ],
    )


def _stats() -> list[PanelBuilder]:
    open_breakers = f'sum(max by (breaker) ({names.BREAKER_STATE.name}{{{INSTANCE},state="open"}}))'
    return [
        number("Requests", "Transactions that ended, a second.", "reqps", _one(rate(names.REQUESTS)), links=_TO_ALL),
        number(
            "Failed",
            f"The share of requests that broke the objective ({OBJECTIVE * 100:g} % in 30 days): clients that left, "
            "mistaken requests and what policies blocked are not failures of the gateway.",
            "percentunit",
            _one(_ERROR_RATIO),
            steps=((None, GREEN), (BUDGET, ORANGE), (round(BURNS_FAST * BUDGET, 6), RED)),
            links=_TO_FAILED,
        ),
        number("Open now", "Transactions that are open now.", "short", _one(total(names.IN_FLIGHT)), links=_TO_ALL),
        number(
            "First token, p95",
            "From a request's head to the first piece of the answer sent, for the slowest twentieth of streams.",
            "s",
            _one(quantile(0.95, names.SERVER_TTFT)),
            steps=((None, GREEN), (2.5, ORANGE), (5, RED)),
            links=_TO_SLOW,
        ),
        number(
            "Own overhead, p95",
            "Time until the first piece that the gateway itself took: policies, queues, translation.",
            "s",
            _one(quantile(0.95, names.OVERHEAD, where='phase="first_chunk"')),
            steps=((None, GREEN), (0.025, ORANGE), (0.05, RED)),
            links=_TO_SLOW,
        ),
        number(
            "Open breakers",
            "Breakers that turn requests away now, of queues and of deployments.",
            "short",
            _one(open_breakers),
            steps=ANY_IS_BAD,
            links=[
                traces("Traces that a breaker turned away", 'span.flowspan.outcome = "breaker_open"'),
                logs("Logs of breakers", 'breaker!=""'),
            ],
        ),
        number(
            "Overflows",
            "Streams that ended for want of room in a queue, in the time shown.",
            "short",
            _one(in_range(names.QUEUE_OVERFLOWS)),
            steps=ANY_IS_BAD,
            decimals=0,
            links=[
                traces("Traces that overflowed", "span.flowspan.queue.overflows > 0"),
                logs("Logs of overflows", 'outcome="overflow"'),
            ],
        ),
        number(
            "Telemetry lost",
            "Spans, log records, lines and events that were dropped, in the time shown; content that was cut is not.",
            "short",
            _one(in_range(names.TELEMETRY_DROPPED, where='signal!="content"')),
            steps=ANY_IS_BAD,
            decimals=0,
            links=[logs("Logs of the exports", 'scope_name="telemetry.export"')],
        ),
    ]


def _pipeline() -> list[PanelBuilder]:
    fill = f"{greatest(names.QUEUE_DEPTH_PEAK, 'queue')} / {greatest(names.QUEUE_CAPACITY, 'queue')}"
    return [
        series(
            "Throughput by stage",
            "What each stage hands on, a second. Where one is below the one before it, there a queue grows or a policy "
            "holds back; a formatter puts several events into one piece.",
            "cps",
            [
                Query(rate(names.UPSTREAM_CHUNKS), "upstream"),
                Query(rate(names.QUEUE_ENQUEUED, where='queue="policy_out"'), "policy executor"),
                Query(rate(names.QUEUE_ENQUEUED, where='queue="sse"'), "client formatter"),
                Query(rate(names.QUEUE_DEQUEUED, where='queue="sse"'), "to the client"),
            ],
            colours={
                "upstream": PARTS["upstream"],
                "policy executor": PARTS["policy"],
                "client formatter": PARTS["format"],
                "to the client": PARTS["client"],
            },
            links=[
                traces("Traces, by stage", 'name =~ "flowspan.stage.*"'),
                logs("Logs", 'scope_name="flowspan.access"'),
            ],
        ),
        series(
            "Fill of the fullest queue",
            "Peak depth over capacity of the fullest queue of any stream in the last minute.",
            "percentunit",
            [Query(fill, "{{queue}}")],
            top=1,
            steps=FILL,
            links=_TO_QUEUE,
        ),
    ]


def _who_is_slow() -> list[PanelBuilder]:
    share = f"{rate(names.STREAM_SECONDS, 'where')} / on() group_left() {rate(names.STREAM_SECONDS)}"
    links = [
        traces("Traces that waited for this over 1 s", f"span.flowspan.time.{label('where')}_s > 1"),
        logs("Logs", 'scope_name="flowspan.access"'),
    ]
    return [
        series(
            "Whom open streams wait for",
            "The time ledger: each moment of each stream belongs to exactly one of these. The height is how many "
            "streams are open on average, the colours say whom they wait for.",
            "short",
            [Query(rate(names.STREAM_SECONDS, "where"), "{{where}}")],
            width=16,
            stacked=True,
            colours=dict(PARTS),
            links=links,
        ),
        bars(
            "Share of the time",
            "The same, as shares of all stream time. Upstream is the provider, client the reader of the answer; "
            "policy, queue and format are the gateway's own.",
            "percentunit",
            Query(share, "{{where}}"),
            width=8,
            top=1,
            colours=dict(PARTS),
            links=links,
        ),
    ]


def _requests() -> list[PanelBuilder]:
    by_model = f"{rate(names.REQUESTS, 'model', where=_FAILED)} / {rate(names.REQUESTS, 'model')}"
    return [
        series(
            "Requests by outcome",
            "Each transaction ends with exactly one outcome.",
            "reqps",
            [Query(rate(names.REQUESTS, "outcome"), "{{outcome}}")],
            stacked=True,
            width=9,
            colours=_OUTCOMES,
            links=_TO_OUTCOME,
        ),
        series(
            "Failed, by model",
            "The share of a model's requests that broke the objective, for the ten worst models.",
            "percentunit",
            [Query(f"topk(10, {by_model})", "{{model}}")],
            width=5,
            top=1,
            links=_TO_MODEL,
        ),
        series(
            "Open, by API",
            "Transactions that are open now.",
            "short",
            [Query(total(names.IN_FLIGHT, "api"), "{{api}}")],
            width=5,
            links=[traces("Traces of this API", f'span.flowspan.api = "{label("api")}"'), _TO_ALL[1]],
        ),
        series(
            "Clients that left",
            "Clients that closed their connection before the answer had ended, a second.",
            "reqps",
            [Query(rate(names.DISCONNECTS, "phase"), "{{phase}}")],
            width=5,
            links=[
                traces("Traces whose client left", "span.flowspan.client_disconnected = true"),
                logs("Logs of the same", 'outcome="client_disconnect"'),
            ],
        ),
    ]


def _latency() -> list[PanelBuilder]:
    return [
        *_pair("Request duration", "From a request's head to the last byte sent.", names.SERVER_DURATION),
        *_pair("Time to first token", "From a request's head to the first piece of the answer.", names.SERVER_TTFT),
        *_pair(
            "The gateway's own time before the first piece",
            "Policies, queues and translation, until the first piece was sent.",
            names.OVERHEAD,
            where='phase="first_chunk"',
        ),
    ]


def _pair(title: str, what: str, spec: names.MetricSpec, where: str = "") -> list[PanelBuilder]:
    shares = (0.5, 0.95, 0.99)
    queries = [Query(quantile(share, spec, where=where), f"p{share * 100:g}") for share in shares]
    all_of_it = buckets(spec, where)
    return latency(title, what, queries, all_of_it, dot="a request", links=_TO_SLOW, all_links=_TO_SLOW)


def _failures() -> list[PanelBuilder]:
    found = traceql("kind = server", "status = error", 'span.flowspan.outcome != "client_disconnect"')
    columns = "select(span.flowspan.outcome, span.flowspan.model, span.flowspan.detail)"
    return [
        trace_table(
            "Traces that failed", "The newest transactions that failed; a click opens one.", f"{found} | {columns}"
        ),
        log_lines("Logs of failures", "The access lines of the same.", logql(_FAILED)),
    ]


def _one(expr: str) -> Query:
    return Query(expr, "")
