"""Our spans as the SDK's, for its exporters."""

from opentelemetry.sdk.trace import Event, ReadableSpan

from telemetry.spans import RecordedSpan


def as_readable(span: RecordedSpan) -> ReadableSpan:
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
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
