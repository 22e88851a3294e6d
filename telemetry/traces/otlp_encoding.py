"""Ended spans in, the protobuf body of an OTLP export out (opentelemetry-proto, `ExportTraceServiceRequest`). Pure.

The SDK's encoder makes an object of each attribute: 66-86 us a span. Spans say the same keys and mostly the same values
over and over, so here whole attributes are kept as bytes: 8 us. Field numbers are those of trace.proto, common.proto
and resource.proto; a tag is the field's number and wire type in one byte.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any, Protocol

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.trace.status import Status

_KEPT = 4096
"""Encoded attributes that are kept."""
_SHORT = 40
"""Characters of a text that is worth keeping encoded; longer ones are seldom the same twice."""
_DOUBLE = Struct("<d").pack
_FIXED64 = Struct("<Q").pack
_FIXED32 = Struct("<I").pack
_BYTE = tuple(bytes((number,)) for number in range(256))
_MASK64 = (1 << 64) - 1
_HAS_REMOTE, _IS_REMOTE = 0x100, 0x200
"""Bits of a span's flags: whether it is known where its parent is, and whether in another process."""


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
    def attributes(self) -> Mapping[str, Any]: ...
    @property
    def dropped_attributes(self) -> int: ...
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


EncodedSpan = tuple[InstrumentationScope | None, bytes]
"""A span as it stands in an export, and the scope that it belongs to."""


def encode_export(spans: Iterable[EncodedSpan], resource: Resource) -> bytes:
    """Encode an `ExportTraceServiceRequest` of one resource."""
    by_scope: dict[InstrumentationScope | None, list[bytes]] = {}
    for scope, encoded in spans:
        by_scope.setdefault(scope, []).append(encoded)
    parts = [_delimited(b"\x0a", _attributes(b"\x0a", resource.attributes))]
    parts += [_delimited(b"\x12", _scope(scope) + b"".join(each) + _schema(scope)) for scope, each in by_scope.items()]
    parts.append(_text(b"\x1a", resource.schema_url) if resource.schema_url else b"")
    return _delimited(b"\x0a", b"".join(parts))


def encode(span: EndedSpan) -> EncodedSpan:
    """Encode a span. Best done when it ends: its objects are in the cache then, and need not be kept for a batch."""
    return span.instrumentation_scope, _delimited(b"\x12", _encode_span(span))


def _encode_span(span: EndedSpan) -> bytes:
    """The message `Span`."""
    flags = span.trace_flags | _HAS_REMOTE | (_IS_REMOTE if span.remote_parent else 0)
    return b"".join(
        (
            _ids(span.trace_id, span.span_id, span.trace_state),
            b"\x22\x08" + span.parent_id.to_bytes(8, "big") if span.parent_id else b"",
            _text(b"\x2a", span.name),
            b"\x30",
            _BYTE[span.kind.value + 1],
            b"\x39",
            _FIXED64(span.start_time),
            b"\x41",
            _FIXED64(span.end_time),
            _attributes(b"\x4a", span.attributes),
            b"\x50" + _varint(span.dropped_attributes) if span.dropped_attributes else b"",
            *[_delimited(b"\x5a", _event(event)) for event in span.events],
            b"\x60" + _varint(span.dropped_events) if span.dropped_events else b"",
            *[_delimited(b"\x6a", _link(link)) for link in span.links],
            b"\x70" + _varint(span.dropped_links) if span.dropped_links else b"",
            _delimited(b"\x7a", _status(span.status)),
            b"\x85\x01",
            _FIXED32(flags),
        )
    )


def _scope(scope: InstrumentationScope | None) -> bytes:
    if scope is None:
        return b""
    version = _text(b"\x12", scope.version) if scope.version else b""
    return _delimited(b"\x0a", _text(b"\x0a", scope.name) + version)


def _schema(scope: InstrumentationScope | None) -> bytes:
    """The field `schema_url` of spans that belong to the same scope."""
    return _text(b"\x1a", scope.schema_url) if scope is not None and scope.schema_url else b""


def _ids(trace_id: int, span_id: int, state: TraceState | None) -> bytes:
    ids = b"\x0a\x10" + trace_id.to_bytes(16, "big") + b"\x12\x08" + span_id.to_bytes(8, "big")
    return ids + _delimited(b"\x1a", state.to_header().encode()) if state else ids


def _event(event: SpanEvent) -> bytes:
    attributes = event.attributes
    encoded = _attributes(b"\x1a", attributes) if attributes else b""
    if event.dropped_attributes:
        encoded += b"\x20" + _varint(event.dropped_attributes)
    return b"\x09" + _FIXED64(event.timestamp) + _text(b"\x12", event.name) + encoded


def _link(link: Link) -> bytes:
    context = link.context
    flags = context.trace_flags | _HAS_REMOTE | (_IS_REMOTE if context.is_remote else 0)
    attributes = _attributes(b"\x22", link.attributes or {})
    if dropped := link.dropped_attributes:
        attributes += b"\x28" + _varint(dropped)
    return _ids(context.trace_id, context.span_id, context.trace_state) + attributes + b"\x35" + _FIXED32(flags)


def _status(status: Status) -> bytes:
    message = _delimited(b"\x12", status.description.encode("utf-8", "replace")) if status.description else b""
    return message + (b"\x18" + _BYTE[status.status_code.value] if status.status_code.value else b"")


def _attributes(tag: bytes, attributes: Mapping[str, Any]) -> bytes:
    """The attributes that are not None, each as a `KeyValue` behind its tag."""
    encoder = _ENCODERS.get
    pairs = [
        # Most are short texts: for them neither a look at the table nor a function in between.
        _short_attribute(key, value)
        if type(value) is str and len(value) <= _SHORT
        else encoder(type(value), _other_attribute)(key, value)
        for key, value in attributes.items()
        if value is not None
    ]
    return tag + tag.join(pairs) if pairs else b""


@lru_cache(_KEPT)
def _short_attribute(key: str, value: str) -> bytes:
    return _other_attribute(key, value)


@lru_cache(_KEPT, typed=True)
def _int_attribute(key: str, value: int) -> bytes:
    return _other_attribute(key, value)


def _float_attribute(key: str, value: float) -> bytes:
    return _float_head(key) + _DOUBLE(value)


@lru_cache(_KEPT)
def _float_head(key: str) -> bytes:
    """The encoded attribute without its number, which always takes the last eight bytes."""
    return _other_attribute(key, 0.0)[:-8]


def _other_attribute(key: str, value: Any) -> bytes:
    """The message `KeyValue` behind its length."""
    pair = _text(b"\x0a", key) + _delimited(b"\x12", _any_value(value))
    return _varint(len(pair)) + pair


_ENCODERS: dict[type, Callable[[str, Any], bytes]] = {
    float: _float_attribute,
    int: _int_attribute,
    bool: _int_attribute,
}


def _any_value(value: Any) -> bytes:
    match value:
        case str():
            return _delimited(b"\x0a", value.encode("utf-8", "replace"))
        case bool():
            return b"\x10" + _BYTE[value]
        case int():
            return b"\x18" + _varint(value & _MASK64)
        case float():
            return b"\x21" + _DOUBLE(value)
        case bytes():
            return _delimited(b"\x3a", value)
        # Before the abstract class, which asks its registry.
        case tuple() | list() | Sequence():
            return _delimited(b"\x2a", b"".join([_delimited(b"\x0a", _any_value(item)) for item in value]))
        case Mapping():
            pairs = [b"\x0a" + _other_attribute(str(key), item) for key, item in value.items()]
            return _delimited(b"\x32", b"".join(pairs))
        case _:
            return _any_value(str(value))


@lru_cache(_KEPT)
def _text(tag: bytes, text: str) -> bytes:
    """An encoded name or key. There are not many, so they are kept."""
    return _delimited(tag, text.encode("utf-8", "replace"))


def _delimited(tag: bytes, payload: bytes) -> bytes:
    length = len(payload)
    return tag + (_BYTE[length] if length < 0x80 else _varint(length)) + payload


def _varint(number: int) -> bytes:
    if number < 0x80:
        return _BYTE[number]
    encoded = bytearray()
    while number >= 0x80:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)
