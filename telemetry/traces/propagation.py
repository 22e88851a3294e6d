"""A trace from process to process: the caller's out of a request's headers, ours into those for a provider.

W3C Trace Context takes a way of its own, without the SDK's contexts and carriers: it goes with each request. The other
formats are the SDK's propagators, imported where OTEL_PROPAGATORS names them. Headers are a stranger's: what is
malformed, and whatever a propagator makes of it, is no trace. A `tracestate` or `baggage` that is long or looks as if
it held a key is left out.
"""

from collections.abc import Iterable, Mapping
from typing import Protocol

from opentelemetry import baggage
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter, TextMapPropagator
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceState, get_current_span, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from telemetry.names.propagators import DEFAULT_PROPAGATORS
from telemetry.redact import scrub

_TRACESTATE_LIMIT = 512
"""Characters of `tracestate` that W3C Trace Context asks everybody to pass on."""
_HEADER_LIMIT = 8192
"""Characters of any other header that is read; W3C Baggage asks for as many."""
_TRACE_CONTEXT = TraceContextTextMapPropagator()
_BAGGAGE = W3CBaggagePropagator()


class _Headers(Getter[Mapping[str, str]]):
    """Reads headers with lower-case names, whatever case a propagator looks for."""

    def get(self, carrier: Mapping[str, str], key: str) -> list[str] | None:
        value = carrier.get(key.lower())
        return None if value is None or len(value) > _HEADER_LIMIT else [value]

    def keys(self, carrier: Mapping[str, str]) -> list[str]:
        return list(carrier)


_HEADERS = _Headers()


class SentSpan(Protocol):
    """A span whose ids go to another process. Its sampling is decided."""

    @property
    def trace_id(self) -> int: ...
    @property
    def span_id(self) -> int: ...
    @property
    def trace_flags(self) -> int: ...
    @property
    def trace_state(self) -> TraceState | None: ...
    @property
    def context(self) -> SpanContext: ...


class Propagation:
    """Propagates a trace in the formats of `names`, which are those of OTEL_PROPAGATORS."""

    def __init__(self, names: Iterable[str] = DEFAULT_PROPAGATORS) -> None:
        names = tuple(names)
        self._is_plain = names in (("tracecontext",), ("tracecontext", "baggage"), ("baggage", "tracecontext"))
        self._passes_baggage = "baggage" in names
        self._propagators = tuple(_propagator(name) for name in names if name != "baggage")

    def caller(self, headers: Mapping[str, str]) -> SpanContext | None:
        """The span of the caller; of several formats the last one that holds a valid one counts. `headers` have
        lower-case names."""
        if self._is_plain:
            return _from_trace_context(headers) if "traceparent" in headers else None
        found = None
        for propagator in self._propagators:
            found = _extracted(propagator, headers) or found
        return found

    def baggage(self, headers: Mapping[str, str]) -> str:
        """The caller's baggage, where it goes on to providers; empty where it does not."""
        text = headers.get("baggage", "") if self._passes_baggage else ""
        return "" if not text or len(text) > _HEADER_LIMIT or scrub(text) != text else _well_formed(text)

    def headers(self, span: SentSpan, baggage: str = "") -> dict[str, str]:
        """The headers that make `span` the parent of the receiver's spans, with the caller's `baggage`."""
        if self._is_plain:
            # W3C Trace Context (w3.org/TR/trace-context-2).
            carrier = {"traceparent": f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}"}
            if span.trace_state:
                carrier["tracestate"] = span.trace_state.to_header()
        else:
            carrier = self._injected(span.context)
        if baggage:
            carrier["baggage"] = baggage
        return carrier

    def _injected(self, context: SpanContext) -> dict[str, str]:
        carrier: dict[str, str] = {}
        current = set_span_in_context(NonRecordingSpan(context), Context())
        for propagator in self._propagators:
            propagator.inject(carrier, current)
        return carrier


def _propagator(name: str) -> TextMapPropagator:
    match name:
        case "b3":
            from opentelemetry.propagators.b3 import B3SingleFormat

            return B3SingleFormat()
        case "b3multi":
            from opentelemetry.propagators.b3 import B3MultiFormat

            return B3MultiFormat()
        case "jaeger":
            from opentelemetry.propagators.jaeger import JaegerPropagator

            return JaegerPropagator()
        case "xray":
            from opentelemetry.propagators.aws import AwsXRayPropagator

            return AwsXRayPropagator()
        case _:
            return _TRACE_CONTEXT


def _extracted(propagator: TextMapPropagator, headers: Mapping[str, str]) -> SpanContext | None:
    if propagator is _TRACE_CONTEXT:
        return _from_trace_context(headers) if "traceparent" in headers else None
    try:
        return _span_in(propagator.extract(headers, Context(), _HEADERS))
    except Exception:
        return None


def _from_trace_context(headers: Mapping[str, str]) -> SpanContext | None:
    tracestate = headers.get("tracestate", "")
    if len(tracestate) > _TRACESTATE_LIMIT or scrub(tracestate) != tracestate:
        tracestate = ""
    return _span_in(
        _TRACE_CONTEXT.extract({"traceparent": headers["traceparent"], "tracestate": tracestate}, Context())
    )


def _span_in(context: Context) -> SpanContext | None:
    found = get_current_span(context).get_span_context()
    return found if found.is_valid else None


def _well_formed(text: str) -> str:
    """The entries of a `baggage` header that are well formed, written anew."""
    carrier: dict[str, str] = {}
    context = _BAGGAGE.extract({"baggage": text}, Context())
    if baggage.get_all(context):
        _BAGGAGE.inject(carrier, context)
    return carrier.get("baggage", "")
