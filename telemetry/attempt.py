"""One attempt at a provider: its CLIENT span and its metrics.

The backend tells what it sees (first chunk, response, usage, a failure) and ends it; `end` counts once. Usage stands on
this span only, so tokens are counted once. An attempt that was given up when its transaction ended is ended by it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from opentelemetry.trace import SpanContext

from telemetry.chunks import Cost, Usage, dollars
from telemetry.content import Conversation
from telemetry.guard import Defects, guarded
from telemetry.log_buckets import LogBuckets
from telemetry.names import Attribute, Event
from telemetry.recorder import Emit
from telemetry.spans import RecordedSpan, Value, outgoing_headers
from telemetry.timeline import Timeline
from telemetry.traffic_metrics import ClientChildren, Labels


class Recorded(Protocol):
    """What the transaction recorded of this attempt's stream."""

    @property
    def upstream(self) -> Conversation | None: ...
    def take_gaps(self) -> LogBuckets: ...


@dataclass(slots=True)
class AttemptParts:
    """What an attempt works with; all of it belongs to its transaction or to the process."""

    timeline: Timeline
    children: ClientChildren
    labels: Labels
    recorder: Recorded
    emit: Emit
    tell_content: Callable[[RecordedSpan, Conversation], None]
    defects: Defects
    propagate: bool
    """Whether providers may learn our trace id."""


class Attempt:
    def __init__(self, parts: AttemptParts, span: RecordedSpan, started_at: float, cost: Cost | None = None) -> None:
        self.defects = parts.defects
        self.tokens: Usage | None = None
        self.cost_usd: float | None = None
        self.ended = False
        self.time_to_first_chunk_s: float | None = None
        self._parts = parts
        self._span = span
        self._started_at = started_at
        self._cost = cost
        self._error_type = ""

    @property
    def span_context(self) -> SpanContext:
        return self._span.context

    @property
    def trace_headers(self) -> dict[str, str]:
        """What makes the provider's spans children of this attempt, where the operator allows it; else nothing."""
        return outgoing_headers(self._span.context) if self._parts.propagate else {}

    @guarded
    def first_chunk(self) -> None:
        """The provider's first chunk is there; the first call counts."""
        if self.time_to_first_chunk_s is None:
            self.time_to_first_chunk_s = self._parts.timeline.now() - self._started_at
            self._parts.emit(Event.UPSTREAM_FIRST_CHUNK, {})
            self._span.set({Attribute.TIME_TO_FIRST_CHUNK: self.time_to_first_chunk_s})

    @guarded
    def usage(self, usage: Usage) -> None:
        """Cumulative: the last call counts."""
        self.tokens = usage
        if self._cost is not None:
            self.cost_usd = dollars(usage, self._cost)

    @guarded
    def response(self, id: str, model: str, finish_reasons: Sequence[str]) -> None:
        """Empty values say nothing; may be called again when more is known."""
        if id:
            self._span.set_text(Attribute.RESPONSE_ID, id)
        if model:
            self._span.set_text(Attribute.RESPONSE_MODEL, model)
        if finish_reasons:
            self._span.set({Attribute.FINISH_REASONS: tuple(reason[:64] for reason in finish_reasons[:16])})

    @guarded
    def invalid_calls(self, count: int) -> None:
        """Calls of tools whose arguments are no JSON object, as the model wrote them."""
        if count:
            self._span.set({Attribute.INVALID_CALLS: count})

    @guarded
    def request_id(self, id: str) -> None:
        """The provider's own name of this request, for a question to it."""
        self._span.set_text(Attribute.UPSTREAM_REQUEST_ID, id)

    @guarded
    def fail(self, error_type: str, detail: str | None = None, status: int | None = None) -> None:
        """The attempt came to nothing; `status` is the provider's. It still has to be ended."""
        self._error_type = self._parts.labels.error_type(error_type)
        self._span.fail(detail)
        self._span.set({Attribute.ERROR_TYPE: self._error_type, Attribute.HTTP_STATUS: status})
        if detail:
            self._span.set_text(Attribute.DETAIL, detail)

    def end(self) -> None:
        if not self.ended:
            self.ended = True
            self._end_span()
            self._count()

    @guarded
    def _end_span(self) -> None:
        parts = self._parts
        upstream = parts.recorder.upstream
        if self.tokens is not None:
            self._span.set(_usage_attributes(self.tokens))
        if self.cost_usd is not None:
            self._span.set({Attribute.COST: self.cost_usd})
        if upstream is not None:
            parts.tell_content(self._span, upstream)
        self._span.end(parts.timeline.ns())

    @guarded
    def _count(self) -> None:
        children, timeline = self._parts.children, self._parts.timeline
        exemplar = self._span.exemplar
        children.ended(timeline.now() - self._started_at, self._error_type, exemplar)
        if self.time_to_first_chunk_s is not None:
            children.first_chunk(self.time_to_first_chunk_s, exemplar)
        for seconds, count in self._parts.recorder.take_gaps().filled():
            children.per_chunk.observe_many(seconds, count)
        if self.tokens is not None:
            for token_type, tokens in _token_types(self.tokens):
                children.tokens(token_type, tokens)
        if self.cost_usd:
            children.spent(self.cost_usd)


def _usage_attributes(usage: Usage) -> dict[str, Value | None]:
    return {
        Attribute.INPUT_TOKENS: usage.prompt_tokens,
        Attribute.OUTPUT_TOKENS: usage.completion_tokens,
        Attribute.CACHE_READ_TOKENS: usage.cache_read_input_tokens or None,
        Attribute.CACHE_CREATION_TOKENS: usage.cache_creation_input_tokens or None,
        Attribute.REASONING_TOKENS: usage.reasoning_tokens or None,
    }


def _token_types(usage: Usage) -> list[tuple[str, int]]:
    """`input` and `output` are wholes; the others are parts of them, told where there are any."""
    parts = (
        ("cache_read", usage.cache_read_input_tokens),
        ("cache_creation", usage.cache_creation_input_tokens),
        ("reasoning", usage.reasoning_tokens),
    )
    return [("input", usage.prompt_tokens), ("output", usage.completion_tokens), *(part for part in parts if part[1])]
