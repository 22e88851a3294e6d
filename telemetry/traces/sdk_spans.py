"""The SDK's spans as ours, to be encoded with them; and ours as the SDK's, for a `SpanExporter` that setup is given."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from opentelemetry.sdk.trace import Event, ReadableSpan, SpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status

from telemetry.traces.otlp_encoding import EndedSpan
from telemetry.traces.span_shapes import AttributeSet
from telemetry.traces.spans import RecordedSpan


class ForeignSpan(NamedTuple):
    """A span of the SDK's own tracers, of a route that is no transaction, as an `EndedSpan`."""

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
    varying: Mapping[str, Any]
    dropped_attributes: int
    events: Sequence[Event]
    dropped_events: int
    links: Sequence[Link]
    dropped_links: int
    status: Status
    instrumentation_scope: InstrumentationScope | None
    shared: Sequence[AttributeSet] = ()
    stamps: Sequence[tuple[str, int]] = ()
    has_details: bool = True


class ForeignSpans(SpanProcessor):
    """Hands the spans of the SDK's own tracers to `take`."""

    def __init__(self, take: Callable[[Sequence[EndedSpan]], None]) -> None:
        self._take = take

    def on_end(self, span: ReadableSpan) -> None:
        if span.context is not None and span.context.trace_flags.sampled:
            self._take((as_ended(span),))


def as_ended(span: ReadableSpan) -> ForeignSpan:
    context, parent = span.context or _NOWHERE, span.parent
    return ForeignSpan(
        name=span.name,
        kind=span.kind,
        trace_id=context.trace_id,
        span_id=context.span_id,
        trace_flags=context.trace_flags,
        trace_state=context.trace_state,
        parent_id=parent.span_id if parent is not None else 0,
        remote_parent=parent is not None and parent.is_remote,
        start_time=span.start_time or 0,
        end_time=span.end_time or 0,
        varying=span.attributes or {},
        dropped_attributes=span.dropped_attributes,
        events=span.events,
        dropped_events=span.dropped_events,
        links=span.links,
        dropped_links=span.dropped_links,
        status=span.status,
        instrumentation_scope=span.instrumentation_scope,
    )


def end_in(processor: SpanProcessor, spans: Sequence[RecordedSpan]) -> None:
    """Hand spans of ours to a processor of the SDK's."""
    for span in spans:
        processor.on_end(as_readable(span))


def as_readable(span: RecordedSpan) -> ReadableSpan:
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
