"""What clients got, and what is left of the objectives: a row of the flow overview."""

from dashboards.generator.links import label, logs, traces
from dashboards.generator.metrics import rate, recorded
from dashboards.generator.panels import BLUE, GREEN, GREY, ORANGE, PURPLE, RED, PanelBuilder, Query, series
from dashboards.slo import BUDGET, CLIENT_ERRORS, DELIVERY_LEFT, LEFT
from telemetry.names import metrics as names

_RESULTS = {"complete": GREEN, "failed": ORANGE, "cut": RED, "left": GREY, "unanswered": PURPLE}
_MISTAKES = f'error_type=~"{"|".join(CLIENT_ERRORS)}"'
_OF_MODEL = [
    traces("Traces of this model", "kind = server", f'span.flowspan.model = "{label("model")}"'),
    logs("Logs of this model", f'model="{label("model")}"'),
]


def delivery() -> list[PanelBuilder]:
    by_result = rate(names.STREAMS_DELIVERED, "result")
    broken = f"{rate(names.STREAMS_DELIVERED, 'model', where=_UNDELIVERED)} > 0"
    errors = rate(names.SERVER_DURATION, "error_type", where=_MISTAKES, part="_count")
    return [
        series(
            "Streams by what clients got",
            "All of it (complete); a beginning and an error event (failed) or the connection's end (cut); "
            "a beginning, for they left by themselves (left); nothing before they left (unanswered).",
            "reqps",
            [Query(by_result, "{{result}}")],
            width=9,
            stacked=True,
            colours=_RESULTS,
            links=[
                traces("Traces of streams that failed", "kind = server", "status = error"),
                logs("Logs of clients that left", 'outcome="client_disconnect"'),
            ],
        ),
        series(
            "Streams without a good end, by model",
            "Failed, cut or unanswered, a second, for the ten worst.",
            "reqps",
            [Query(f"topk(10, {broken})", "{{model}}")],
            width=5,
            links=_OF_MODEL,
        ),
        series(
            "Mistaken requests by kind",
            "Requests that are their client's fault, a second: no failure of the gateway, but somebody's trouble.",
            "reqps",
            [Query(f"{errors} > 0", "{{error_type}}")],
            width=5,
            links=[
                traces("Traces of this kind", "kind = server", f'span.error.type = "{label("error_type")}"'),
                logs("Logs of mistaken requests", 'outcome="client_error"'),
            ],
        ),
        series(
            "Error budget",
            f"What is left of the {BUDGET * 100:g} % of requests that may fail in 30 days, and of as many streams that "
            "may break off: 100 % is all of it, below zero the objective is missed. Recorded every five minutes.",
            "percentunit",
            [
                Query(f"min({recorded(LEFT)})", "requests"),
                Query(f"min({recorded(DELIVERY_LEFT)})", "streams of the worst model"),
            ],
            width=5,
            below_zero=True,
            steps=((None, RED), (0, ORANGE), (0.25, GREEN)),
            colours={"requests": BLUE, "streams of the worst model": PURPLE},
            links=[
                traces("Traces that failed", "kind = server", "status = error"),
                logs("Logs of failures", 'severity_text=~"WARNING|ERROR"'),
            ],
        ),
    ]


_UNDELIVERED = 'result=~"failed|cut|unanswered"'
