"""The ids of traces and spans: random bits, or those of an operator's own generator."""

from collections.abc import Callable
from functools import partial
from random import getrandbits

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator

_TRACE_BITS, _SPAN_BITS = 128, 64


def sources_of(ids: IdGenerator) -> tuple[Callable[[], int], Callable[[], int]]:
    """What makes the ids of traces, and of spans. The SDK's generator asks for random bits too, by functions in Python;
    that all of them are zero, which is no id, does not happen."""
    if type(ids) is RandomIdGenerator:
        return partial(getrandbits, _TRACE_BITS), partial(getrandbits, _SPAN_BITS)
    return ids.generate_trace_id, ids.generate_span_id
