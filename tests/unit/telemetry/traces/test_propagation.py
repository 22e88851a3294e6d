"""A trace in every format of OTEL_PROPAGATORS, out of one process and into the next."""

from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.trace import SpanContext, TraceFlags, TraceState

from telemetry.names.propagators import PROPAGATORS
from telemetry.traces.propagation import Propagation

CONTEXT = SpanContext(0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7, True, TraceFlags(1))
OTHER = SpanContext(0x1BF92F3577B34DA6A3CE929D0E0E4736, 0x10F067AA0BA902B7, True, TraceFlags(1))
FORMATS = {
    "tracecontext": "traceparent",
    "b3": "b3",
    "b3multi": "x-b3-traceid",
    "jaeger": "uber-trace-id",
    "xray": "x-amzn-trace-id",
}


@dataclass
class Sent:
    """A span that goes to another process."""

    context: SpanContext
    trace_id: int
    span_id: int
    trace_flags: int
    trace_state: TraceState | None


def span_of(context: SpanContext) -> Sent:
    return Sent(context, context.trace_id, context.span_id, context.trace_flags, context.trace_state)


def lower(headers: dict[str, str]) -> dict[str, str]:
    """As the gateway gets them."""
    return {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_each_format_goes_out_and_comes_in(name: str) -> None:
    propagation = Propagation((name,))
    headers = lower(propagation.headers(span_of(CONTEXT)))
    assert FORMATS[name] in headers
    found = propagation.caller(headers)
    assert found is not None
    assert (found.trace_id, found.span_id, found.trace_flags) == (CONTEXT.trace_id, CONTEXT.span_id, 1)
    # Nobody else's format is read; the two of B3 are read alike.
    alike = {"b3", "b3multi"} if name.startswith("b3") else {name}
    assert all(Propagation((other,)).caller(headers) is None for other in FORMATS.keys() - alike)


def test_of_several_formats_all_go_out_and_the_last_that_is_found_counts() -> None:
    propagation = Propagation(("tracecontext", "b3", "jaeger"))
    assert {"traceparent", "b3", "uber-trace-id"} <= propagation.headers(span_of(CONTEXT)).keys()
    headers = Propagation().headers(span_of(CONTEXT)) | Propagation(("b3",)).headers(span_of(OTHER))
    assert propagation.caller(headers) == OTHER
    assert propagation.caller(headers | {"b3": "garbage"}) == CONTEXT
    assert Propagation(("b3", "tracecontext")).caller(headers) == CONTEXT


def test_none_reads_and_sends_nothing() -> None:
    propagation = Propagation(())
    assert propagation.caller(Propagation().headers(span_of(CONTEXT))) is None
    assert propagation.headers(span_of(CONTEXT)) == {}


@pytest.mark.parametrize(
    ("names", "given", "sent"),
    [
        (("tracecontext",), "team=a", None),
        (("tracecontext", "baggage"), "team=a,bad entry,region=eu", "team=a,region=eu"),
        (("baggage", "b3"), "team=a", "team=a"),
        (("baggage",), "password=sk-0123456789abcdefghijkl", None),
        (("baggage",), "a=" + "b" * 9000, None),
        (("baggage",), "\ud83d é;;;,,,=", None),
    ],
)
def test_baggage_goes_on_where_it_is_named_and_harmless(names: tuple[str, ...], given: str, sent: str | None) -> None:
    propagation = Propagation(names)
    headers = propagation.headers(span_of(CONTEXT), propagation.baggage({"baggage": given}))
    assert headers.get("baggage") == sent


values = st.text(max_size=60) | st.from_regex(r"[0-9a-fA-F:;=-]{0,80}", fullmatch=True)


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.sampled_from([*FORMATS.values(), "tracestate", "baggage", "x-b3-spanid"]), values))
def test_whatever_headers_say_there_is_a_valid_caller_or_none(headers: dict[str, str]) -> None:
    propagation = Propagation(name for name in PROPAGATORS if name != "none")
    caller = propagation.caller(headers)
    assert caller is None or caller.is_valid
    propagation.headers(span_of(CONTEXT), propagation.baggage(headers))
