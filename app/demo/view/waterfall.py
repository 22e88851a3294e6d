"""One transaction as a waterfall: its span tree on a common time axis, the queues' figures, its events, its ledger.

Pure: a trace and a width in, lines out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind
from rich.text import Text

from app.demo.gateway.traces import Trace, ended, ledger_of, number, seconds, span_id_of, started, text
from app.figures import duration
from app.live_view.ledger_bar import ledger_bar, legend
from telemetry.names.events import Event
from telemetry.names.spans import Attribute, Span

_LABEL = 28
_DURATION = 9
_NARROWEST_AXIS = 16
_COLOURS = {Span.POLICY: "magenta", Span.STAGE: "blue", Span.QUEUE: "yellow", Span.CHAT: "cyan"}


@dataclass(frozen=True)
class Axis:
    """From nanoseconds of the transaction to columns."""

    begin_ns: int
    length_ns: int
    width: int

    def column(self, at_ns: int) -> int:
        share = (at_ns - self.begin_ns) / max(1, self.length_ns)
        return min(self.width - 1, max(0, int(share * self.width)))

    def bar(self, span: ReadableSpan) -> str:
        first, last = self.column(started(span)), self.column(ended(span) - 1)
        return " " * first + "█" * max(1, last - first + 1)

    def mark(self, at_ns: int) -> str:
        return "·" * self.column(at_ns) + "◆"


def waterfall(trace: Trace, width: int) -> list[Text]:
    server = trace.server
    axis = Axis(started(server), ended(server) - started(server), max(_NARROWEST_AXIS, width - _LABEL - _DURATION - 1))
    return [
        *_title(trace),
        Text(),
        _scale(axis),
        *_tree(trace, axis, width),
        Text(),
        *(_event(event, axis) for event in server.events),
        Text(),
        *_ledger(trace, width),
    ]


def _title(trace: Trace) -> Iterator[Text]:
    server = trace.server
    policies = (server.attributes or {}).get(Attribute.POLICY, ())
    yield Text(trace.transaction_id, "bold")
    yield Text(
        f"model {text(server, Attribute.TRANSACTION_MODEL)} over {text(server, Attribute.API)}, policy "
        f"{', '.join(map(str, policies)) if isinstance(policies, tuple | list) else policies}, outcome {trace.outcome}"
    )
    yield Text(
        f"{number(server, Attribute.CHUNKS_IN):.0f} chunks in, {number(server, Attribute.CHUNKS_OUT):.0f} out, "
        f"first token after {duration(number(server, Attribute.TTFT))}"
    )


def _scale(axis: Axis) -> Text:
    end = duration(axis.length_ns / 1e9)
    return Text(" " * (_LABEL + _DURATION + 1) + "0" + end.rjust(axis.width - 1), "dim")


def _tree(trace: Trace, axis: Axis, width: int) -> Iterator[Text]:
    yield _row("", trace.server, axis)
    yield from _branches(trace, trace.server, "", axis, width)


def _branches(trace: Trace, parent: ReadableSpan, indent: str, axis: Axis, width: int) -> Iterator[Text]:
    span_id = span_id_of(parent)
    children = [span for span in trace.below if span.parent is not None and span.parent.span_id == span_id]
    for child in children:
        last = child is children[-1]
        yield _row(f"{indent}{'└' if last else '├'} ", child, axis)
        below = indent + ("  " if last else "│ ")
        if Attribute.QUEUE_NAME in (child.attributes or {}):
            yield from _queue_figures(child, below, width)
        yield from _branches(trace, child, below, axis, width)


def _row(indent: str, span: ReadableSpan, axis: Axis) -> Text:
    label = indent + span.name.removeprefix("flowspan.")
    if len(label) > _LABEL:
        label = label[: _LABEL - 1] + "…"
    style = next((colour for prefix, colour in _COLOURS.items() if span.name.startswith(prefix)), "default")
    failed = text(span, Attribute.ERROR_TYPE)
    return Text.assemble(
        label.ljust(_LABEL),
        (duration(seconds(span)).rjust(_DURATION) + " ", "dim"),
        (axis.bar(span), "red" if failed and span.kind is SpanKind.CLIENT else style),
    )


def _queue_figures(span: ReadableSpan, indent: str, width: int) -> Iterator[Text]:
    def of(key: str) -> float:
        return number(span, key)

    figures = [
        f"in {of(Attribute.QUEUE_ITEMS_IN):.0f}, out {of(Attribute.QUEUE_ITEMS_OUT):.0f}",
        f"deepest {of(Attribute.QUEUE_DEPTH_MAX):.0f} of {of(Attribute.QUEUE_CAPACITY):.0f}",
        f"waited p50 {duration(of(Attribute.QUEUE_RESIDENCE_P50))}, p99 {duration(of(Attribute.QUEUE_RESIDENCE_P99))}",
        f"writer held back {duration(of(Attribute.QUEUE_PUT_BLOCKED))}",
        f"reader waited {duration(of(Attribute.QUEUE_GET_WAIT))}",
    ]
    line = indent + "  "
    for figure in figures:
        if len(line) + len(figure) > width:
            yield Text(line.rstrip(" ;"), "dim")
            line = indent + "  "
        line += figure + "; "
    yield Text(line.rstrip(" ;"), "dim")


def _event(event: SpanEvent, axis: Axis) -> Text:
    label = f"◆ {event.name.removeprefix('queue.')}{_particulars(event)}"
    if len(label) > _LABEL:
        label = label[: _LABEL - 1] + "…"
    offset = duration((event.timestamp - axis.begin_ns) / 1e9)
    mark = axis.mark(event.timestamp)
    return Text.assemble(label.ljust(_LABEL), (f"{offset.rjust(_DURATION)} {mark}", "dim"))


def _particulars(event: SpanEvent) -> str:
    match event.name:
        case Event.QUEUE_HIGH_WATER:
            return f" {text(event, Attribute.QUEUE_NAME)} {number(event, Attribute.QUEUE_PERCENT):.0f}%"
        case Event.POLICY_DECISION:
            return f" {text(event, Attribute.DECISION)}"
        case Event.BREAKER_STATE_CHANGE:
            return f" {text(event, Attribute.TO_STATE)}"
        case _:
            return ""


def _ledger(trace: Trace, width: int) -> Iterator[Text]:
    parts = ledger_of(trace.server)
    yield Text("Where the time went", "bold")
    yield ledger_bar(parts, width)
    yield from legend(parts, width)
    amounts = " + ".join(f"{part * 1e3:.1f}" for part in parts.values())
    yield Text(f"{amounts} = {sum(parts.values()) * 1e3:.1f} ms; the span lasted {seconds(trace.server) * 1e3:.1f} ms")
