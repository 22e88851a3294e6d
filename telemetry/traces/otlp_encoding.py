"""Ended spans in, the protobuf body of an OTLP export out (opentelemetry-proto, `ExportTraceServiceRequest`). Pure.

The SDK's encoder makes an object of each attribute: 66-86 us a span. Here a span is written by the template of its
shape (`span_shapes`), with bytes that were made before for whatever returns. Field numbers are those of trace.proto,
common.proto and resource.proto.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from struct import Struct
from typing import Any, Protocol

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.trace.status import Status, StatusCode

from telemetry.traces.otlp_attributes import (
    BYTE,
    MASK64,
    Heads,
    attribute,
    attributes,
    delimited,
    encoded,
    text,
    varint,
)
from telemetry.traces.span_shapes import ATTRIBUTE, EVENT, AttributeSet, Shapes

_FIXED64 = Struct("<Q").pack
_FIXED32 = Struct("<I").pack
_IDS = Struct(">2sQQ2sQ").pack
"""The ids of a trace, in two halves, and of a span, each behind its tag and length."""
_KIND_FIELDS = {id(kind): b"\x30" + BYTE[kind.value + 1] for kind in SpanKind}
"""By the identity of a kind: a member of an enumeration is hashed, and gives its value, by functions in Python."""
UNSET = Status(StatusCode.UNSET)
"""The status of a span that nobody gave one."""
_NO_STATUS = b"\x7a\x00"
_HAS_REMOTE, _IS_REMOTE = 0x100, 0x200
"""Bits of a span's flags: whether it is known where its parent is, and whether in another process."""
_ENCODED: Callable[[AttributeSet], bytes] = attrgetter("encoded")
_SHAPES = Shapes()
_SPAN_HEADS = Heads(b"\x12")
_NO_STAMPS: tuple[tuple[str, ...], tuple[int, ...]] = ((), ())


class SpanEvent(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def attributes(self) -> Mapping[str, Any] | None: ...
    @property
    def dropped_attributes(self) -> int: ...


class EndedSpan(Protocol):
    """A span to be encoded. Times are Unix nanoseconds; `parent_id` is 0 for a root."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> SpanKind: ...
    @property
    def trace_id(self) -> int: ...
    @property
    def span_id(self) -> int: ...
    @property
    def trace_flags(self) -> int: ...
    @property
    def trace_state(self) -> TraceState | None: ...
    @property
    def parent_id(self) -> int: ...
    @property
    def remote_parent(self) -> bool: ...
    @property
    def start_time(self) -> int: ...
    @property
    def end_time(self) -> int: ...
    @property
    def shared(self) -> Sequence[AttributeSet]:
        """Attributes that other spans have, too."""

    @property
    def varying(self) -> Mapping[str, Any]:
        """All other attributes; those that are None are left out. They count more than those of the same name in a
        set, and a later set more than one before it."""

    @property
    def dropped_attributes(self) -> int: ...
    @property
    def stamps(self) -> Sequence[tuple[str, int]]:
        """The names and times of the events."""

    @property
    def has_details(self) -> bool:
        """Whether there is more to the events than `stamps`; if not, `events` need not be asked."""

    @property
    def events(self) -> Sequence[SpanEvent]: ...
    @property
    def dropped_events(self) -> int: ...
    @property
    def links(self) -> Sequence[Link]: ...
    @property
    def dropped_links(self) -> int: ...
    @property
    def status(self) -> Status: ...
    @property
    def instrumentation_scope(self) -> InstrumentationScope | None: ...


EncodedSpan = tuple[InstrumentationScope | None, int, bytes]
"""The scope that a span belongs to, its size in bytes, and the span as it stands in an export."""


def encode_export(spans: Iterable[EncodedSpan], resource: Resource) -> bytes:
    """Encode an `ExportTraceServiceRequest` of one resource."""
    # By identity: a scope is hashed by a function in Python.
    scopes: dict[int, InstrumentationScope | None] = {}
    by_scope: dict[int, list[bytes]] = {}
    for scope, _, span in spans:
        number = id(scope)
        if number not in scopes:
            scopes[number], by_scope[number] = scope, []
        by_scope[number].append(span)
    parts = [delimited(b"\x0a", attributes(b"\x0a", resource.attributes))]
    for number, scope in scopes.items():
        parts.append(delimited(b"\x12", _scope(scope) + b"".join(by_scope[number]) + _schema(scope)))
    parts.append(text(b"\x1a", resource.schema_url) if resource.schema_url else b"")
    return delimited(b"\x0a", b"".join(parts))


def encode(span: EndedSpan) -> EncodedSpan:
    """Encode a span that has ended."""
    shared, varying, stamps = span.shared, span.varying, span.stamps
    events, times = zip(*stamps) if stamps and not span.has_details else _NO_STAMPS  # noqa: B905
    values = (*varying.values(),)
    shape = _SHAPES[(*varying,), (*map(type, values),), events]
    if shared and not shape.are_apart[(*shared,)]:
        shared, varying = (), merged(shared, varying)
        values = (*varying.values(),)
        shape = _SHAPES[(*varying,), (*map(type, values),), events]
    flags = span.trace_flags | _HAS_REMOTE | (_IS_REMOTE if span.remote_parent else 0)
    fields = [*shape.frame]
    fields[1::2] = (span.start_time, span.end_time, flags, *shape.floats(values), *times)
    parts = [
        _IDS(b"\x0a\x10", span.trace_id >> 64, span.trace_id & MASK64, b"\x12\x08", span.span_id),
        text(b"\x2a", span.name),
        _KIND_FIELDS[id(span.kind)],
        shape.pack(*fields),
        *map(_ENCODED, shared),
        _NO_STATUS if span.status is UNSET else delimited(b"\x7a", _status(span.status)),
    ]
    for at, kept in shape.kept:
        parts.append(kept[values[at]])
    for at, heads in shape.texts:
        data = values[at].encode("utf-8", "replace")
        parts += (heads[len(data)], data)
    if span.parent_id:
        parts.append(b"\x22\x08" + span.parent_id.to_bytes(8, "big"))
    for at, key in shape.others:
        parts.append(ATTRIBUTE + attribute(key, values[at]))
    if (
        span.has_details
        or span.links
        or span.trace_state
        or span.dropped_attributes
        or span.dropped_events
        or span.dropped_links
    ):
        parts += _seldom_fields(span)
    payload = b"".join(parts)
    size = len(payload)
    return span.instrumentation_scope, size, _SPAN_HEADS[size] + payload


def _seldom_fields(span: EndedSpan) -> list[bytes]:
    """What most spans have none of."""
    parts = [delimited(EVENT, _event(event)) for event in span.events] if span.has_details else []
    parts += [delimited(b"\x6a", _link(link)) for link in span.links]
    if span.trace_state:
        parts.append(delimited(b"\x1a", encoded(span.trace_state.to_header())))
    dropped = ((b"\x50", span.dropped_attributes), (b"\x60", span.dropped_events), (b"\x70", span.dropped_links))
    return parts + [tag + varint(count) for tag, count in dropped]


def merged(shared: Iterable[AttributeSet], varying: Mapping[str, Any]) -> dict[str, Any]:
    """All attributes of a span, each name once."""
    found: dict[str, Any] = {}
    for one in shared:
        found.update(one.attributes)
    found.update(varying)
    return found


def _scope(scope: InstrumentationScope | None) -> bytes:
    if scope is None:
        return b""
    version = text(b"\x12", scope.version) if scope.version else b""
    return delimited(b"\x0a", text(b"\x0a", scope.name) + version)


def _schema(scope: InstrumentationScope | None) -> bytes:
    """The field `schema_url` of spans that belong to the same scope."""
    return text(b"\x1a", scope.schema_url) if scope is not None and scope.schema_url else b""


def _event(event: SpanEvent) -> bytes:
    about = attributes(b"\x1a", event.attributes) if event.attributes else b""
    if event.dropped_attributes:
        about += b"\x20" + varint(event.dropped_attributes)
    return b"\x09" + _FIXED64(event.timestamp) + text(b"\x12", event.name) + about


def _link(link: Link) -> bytes:
    context, state = link.context, link.context.trace_state
    flags = context.trace_flags | _HAS_REMOTE | (_IS_REMOTE if context.is_remote else 0)
    ids = _IDS(b"\x0a\x10", context.trace_id >> 64, context.trace_id & MASK64, b"\x12\x08", context.span_id)
    about = delimited(b"\x1a", encoded(state.to_header())) if state else b""
    about += attributes(b"\x22", link.attributes or {})
    if dropped := link.dropped_attributes:
        about += b"\x28" + varint(dropped)
    return ids + about + b"\x35" + _FIXED32(flags)


def _status(status: Status) -> bytes:
    message = delimited(b"\x12", encoded(status.description)) if status.description else b""
    return message + (b"\x18" + BYTE[status.status_code.value] if status.status_code.value else b"")
