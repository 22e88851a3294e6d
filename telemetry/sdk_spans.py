"""Our spans as the SDK's, for its exporters, and the SDK's as ours, for the collector."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status

from telemetry.otlp_encoding import EndedSpan
from telemetry.spans import RecordedSpan


class ForeignSpan(NamedTuple):
    """What the SDK's own tracers made, for the routes that are no transactions."""

    sdk: ReadableSpan
    name: str
    kind: SpanKind
    trace_id: int
    span_id: int
    trace_flags: int
    trace_state: TraceState | None
    parent_id: int
    remote_parent: bool
    start_time: int
    end_time: int
    attributes: Mapping[str, Any]
    events: Sequence[Event]
    dropped_events: int
    links: Sequence[Link]
    status: Status
    instrumentation_scope: InstrumentationScope | None


class ForeignSpans(SpanProcessor):
    """Hands on what the SDK's own tracers make."""

    def __init__(self, take: Callable[[EndedSpan], None]) -> None:
        self._take = take

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is not None and span.context.trace_flags.sampled:
            self._take(as_ended(span))


def as_ended(span: ReadableSpan) -> ForeignSpan:
    context, parent = span.context or _NOWHERE, span.parent
    return ForeignSpan(
        span,
        span.name,
        span.kind,
        context.trace_id,
        context.span_id,
        context.trace_flags,
        context.trace_state,
        parent.span_id if parent is not None else 0,
        parent is not None and parent.is_remote,
        span.start_time or 0,
        span.end_time or 0,
        span.attributes or {},
        span.events,
        span.dropped_events,
        span.links,
        span.status,
        span.instrumentation_scope,
    )


def as_readable(span: EndedSpan) -> ReadableSpan:
    match span:
        case ForeignSpan():
            return span.sdk
        case RecordedSpan():
            return _readable(span)
        case _:
            raise TypeError(f"{type(span).__name__} is no span of ours")


def _readable(span: RecordedSpan) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=_parent(span),
        resource=span.resource,
        attributes={key: value for key, value in span.attributes.items() if value is not None},
        events=[Event(event.name, event.attributes, event.timestamp) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=span.status,
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _parent(span: RecordedSpan) -> SpanContext | None:
    if span.caller is not None or not span.parent_id:
        return span.caller
    return SpanContext(span.trace_id, span.parent_id, False, TraceFlags(span.trace_flags), span.trace_state)


_NOWHERE = SpanContext(0, 0, False)
