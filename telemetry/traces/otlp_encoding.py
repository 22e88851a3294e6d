"""Ended spans in, the protobuf body of an OTLP export out (opentelemetry-proto, `ExportTraceServiceRequest`). Pure.

The SDK's encoder makes an object of each attribute: 66-86 us a span. Spans say the same keys and mostly the same values
over and over, so here whole attributes are kept as bytes: 8 us. Field numbers are those of trace.proto, common.proto
and resource.proto; a tag is the field's number and wire type in one byte.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from operator import attrgetter
from struct import Struct
from typing import Any, Protocol

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanKind, TraceState
from opentelemetry.trace.status import Status, StatusCode

from telemetry.names.ids import LOG_FIELDS
from telemetry.names.spans import Attribute, Value

_KEPT = 4096
"""Encoded attributes that are kept."""
_SHORT = 40
"""Characters of a text that is worth keeping encoded; longer ones are seldom the same twice."""
_DOUBLE = Struct("<d").pack
_FIXED64 = Struct("<Q").pack
_FIXED32 = Struct("<I").pack
_BYTE = tuple(bytes((number,)) for number in range(256))
_MASK64 = (1 << 64) - 1
_IDS = Struct(">2sQQ2sQ").pack
"""The ids of a trace, in two halves, and of a span, each behind its tag and length."""
_TIMES = Struct("<BQBQ").pack
"""Beginning and end, each behind its tag."""
_KIND_FIELDS = {id(kind): b"\x30" + _BYTE[kind.value + 1] for kind in SpanKind}
"""By the identity of a kind: a member of an enumeration is hashed, and gives its value, by functions in Python."""
UNSET = Status(StatusCode.UNSET)
"""The status of a span that nobody gave one."""
_NO_STATUS = b"\x7a\x00"
_IDS_OF_REQUESTS = frozenset(
    {Attribute.TRANSACTION_ID, Attribute.REQUEST_ID, Attribute.RESPONSE_ID, Attribute.UPSTREAM_REQUEST_ID, *LOG_FIELDS}
)
"""Attributes that have another value in each request, or nearly: kept, they would drive out those that return."""
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


class AttributeSet:
    """Attributes that many spans have together, encoded once. Those that are None are left out."""

    __slots__ = ("attributes", "encoded")

    def __init__(self, attributes: Mapping[str, Value | None]) -> None:
        self.attributes = {key: value for key, value in attributes.items() if value is not None}
        self.encoded = _attributes(b"\x4a", self.attributes)
        """The fields of a span's message."""


_ENCODED: Callable[[AttributeSet], bytes] = attrgetter("encoded")


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
        """Attributes that other spans have, too. None of their names is among the others."""

    @property
    def varying(self) -> Mapping[str, Any]:
        """All other attributes; those that are None are left out."""

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
    flags = span.trace_flags | _HAS_REMOTE | (_IS_REMOTE if span.remote_parent else 0)
    parts = [_IDS(b"\x0a\x10", span.trace_id >> 64, span.trace_id & _MASK64, b"\x12\x08", span.span_id)]
    if span.trace_state:
        parts.append(_delimited(b"\x1a", span.trace_state.to_header().encode()))
    if span.parent_id:
        parts.append(b"\x22\x08" + span.parent_id.to_bytes(8, "big"))
    parts += (
        _text(b"\x2a", span.name),
        _KIND_FIELDS[id(span.kind)],
        _TIMES(0x39, span.start_time, 0x41, span.end_time),
        *map(_ENCODED, span.shared),
        _attributes(b"\x4a", span.varying),
    )
    if span.dropped_attributes:
        parts.append(b"\x50" + _varint(span.dropped_attributes))
    for event in span.events:
        if event.attributes or event.dropped_attributes:
            parts.append(_delimited(b"\x5a", _event(event)))
        else:
            # Nearly all: nothing but a name that many have, and a time.
            before, after = _event_frame(event.name)
            parts.append(before + _FIXED64(event.timestamp) + after)
    if span.dropped_events:
        parts.append(b"\x60" + _varint(span.dropped_events))
    for link in span.links:
        parts.append(_delimited(b"\x6a", _link(link)))
    if span.dropped_links:
        parts.append(b"\x70" + _varint(span.dropped_links))
    parts.append(_NO_STATUS if span.status is UNSET else _delimited(b"\x7a", _status(span.status)))
    parts.append(b"\x85\x01" + _FIXED32(flags))
    payload = b"".join(parts)
    return span.instrumentation_scope, b"\x12" + _varint(len(payload)) + payload


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


@lru_cache(_KEPT)
def _event_frame(name: str) -> tuple[bytes, bytes]:
    """What stands before and after the time of an event without attributes."""
    after = _text(b"\x12", name)
    return b"\x5a" + _varint(9 + len(after)) + b"\x09", after


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
    # Begins with nothing, so that a tag stands before the first one, too.
    pairs = [b""]
    for key, value in attributes.items():
        kind = type(value)
        if kind is str and len(value) <= _SHORT:
            pairs.append(_id_attribute(key, value) if key in _IDS_OF_REQUESTS else _short_attribute(key, value))
        elif kind is float:
            pairs.append(_float_head(key) + _DOUBLE(value))
        elif kind is int or kind is bool:
            pairs.append(_int_attribute(key, value))
        elif kind is tuple and len(value) == 1 and type(value[0]) is str and len(value[0]) <= _SHORT:
            pairs.append(_short_attribute(key, value))
        elif value is not None:
            pairs.append(_other_attribute(key, value))
    return tag.join(pairs)


@lru_cache(_KEPT)
def _short_attribute(key: str, value: str | tuple[str]) -> bytes:
    return _other_attribute(key, value)


@lru_cache(_KEPT, typed=True)
def _int_attribute(key: str, value: int) -> bytes:
    return _other_attribute(key, value)


@lru_cache(_KEPT)
def _float_head(key: str) -> bytes:
    """The encoded attribute without its number, which always takes the last eight bytes."""
    return _other_attribute(key, 0.0)[:-8]


def _id_attribute(key: str, id: str) -> bytes:
    """As `_other_attribute`, of a text that is never the same twice and not worth keeping."""
    if not id.isascii():
        return _other_attribute(key, id)
    text = id.encode()
    pair = b"%b\x12%b\x0a%b%b" % (_text(b"\x0a", key), _BYTE[len(text) + 2], _BYTE[len(text)], text)
    length = len(pair)
    return (_BYTE[length] if length < 0x80 else _varint(length)) + pair


def _other_attribute(key: str, value: Any) -> bytes:
    """The message `KeyValue` behind its length."""
    pair = _text(b"\x0a", key) + _delimited(b"\x12", _any_value(value))
    return _varint(len(pair)) + pair


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
