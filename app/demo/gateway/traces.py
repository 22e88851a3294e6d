"""The spans that the gateway exports, kept in memory: the newest ones, grouped into the traces of transactions."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import SpanKind

from telemetry.names import Where
from telemetry.names.spans import TIME, Attribute

_LIMIT = 20_000


class SpanCollector(SpanExporter):
    """Called by the gateway's thread at the end of each span. `pass_on` gets each of them, too: an operator's own
    collector, where one is configured."""

    def __init__(self, limit: int = _LIMIT) -> None:
        self._spans: deque[ReadableSpan] = deque(maxlen=limit)
        self.pass_on: Callable[[ReadableSpan], None] | None = None

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self._spans.extend(spans)
        if self.pass_on is not None:
            for span in spans:
                self.pass_on(span)
        return SpanExportResult.SUCCESS

    def spans(self) -> tuple[ReadableSpan, ...]:
        return tuple(self._spans)


@dataclass(frozen=True)
class Trace:
    """One transaction: its SERVER span and all spans below it, in the order in which they began."""

    server: ReadableSpan
    below: tuple[ReadableSpan, ...]

    @property
    def transaction_id(self) -> str:
        return text(self.server, Attribute.TRANSACTION_ID)

    @property
    def outcome(self) -> str:
        return text(self.server, Attribute.OUTCOME)

    @property
    def attempts(self) -> tuple[ReadableSpan, ...]:
        return tuple(span for span in self.below if span.kind is SpanKind.CLIENT)

    def named(self, name: str) -> ReadableSpan | None:
        return next((span for span in self.below if span.name == name), None)


def traces_of(spans: Iterable[ReadableSpan]) -> dict[str, Trace]:
    """Traces by transaction id. A trace without its SERVER span, or with two, is not among them."""
    by_trace: dict[int, list[ReadableSpan]] = {}
    for span in spans:
        by_trace.setdefault(trace_id_of(span), []).append(span)
    traces = [trace for group in by_trace.values() if (trace := _trace(group)) is not None]
    return {trace.transaction_id: trace for trace in traces}


def _trace(group: list[ReadableSpan]) -> Trace | None:
    servers = [span for span in group if span.kind is SpanKind.SERVER and Attribute.OUTCOME in (span.attributes or {})]
    if len(servers) != 1:
        return None
    below = sorted((span for span in group if span is not servers[0]), key=started)
    return Trace(servers[0], tuple(below))


def trace_id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    return context.trace_id if context is not None else 0


def span_id_of(span: ReadableSpan) -> int:
    context = span.get_span_context()
    return context.span_id if context is not None else 0


def started(span: ReadableSpan) -> int:
    return span.start_time or 0


def ended(span: ReadableSpan) -> int:
    return span.end_time or 0


def seconds(span: ReadableSpan) -> float:
    return (ended(span) - started(span)) / 1e9


def number(span: ReadableSpan | Event, key: str) -> float:
    value = (span.attributes or {}).get(key)
    return float(value) if isinstance(value, int | float) else 0.0


def text(span: ReadableSpan | Event, key: str) -> str:
    value = (span.attributes or {}).get(key)
    return value if isinstance(value, str) else ""


def ledger_of(server: ReadableSpan) -> dict[Where, float]:
    """The parts of a transaction's time ledger, in seconds, by owner."""
    return {where: number(server, attribute) for where, attribute in TIME.items()}
