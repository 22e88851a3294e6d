"""One attempt at a provider: its CLIENT span and its metrics.

The backend tells what it sees (first chunk, response, usage, a failure) and ends the attempt; `end` counts once. Usage
stands on this span only, so tokens are counted once.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

from msgspec import Struct
from opentelemetry.trace import SpanContext

from telemetry.guard import guarded
from telemetry.metrics.deployments import CLASS_OF_STATUS
from telemetry.metrics.instruments import Observed, observe_each
from telemetry.metrics.registry import AttemptChildren
from telemetry.metrics.traffic import Labels
from telemetry.names import AttemptOutcome, FailoverPhase, LimitKind
from telemetry.names.events import Event
from telemetry.names.spans import Attribute
from telemetry.redact import clean, scrub
from telemetry.tokens import Tokens
from telemetry.traces.span_shapes import AttributeSet
from telemetry.traces.spans import RecordedSpan
from telemetry.transaction.content import SpanEnds
from telemetry.transaction.prompt_cache import AttemptCache
from telemetry.transaction.tape import AttemptTape
from telemetry.transaction.trace import TransactionTrace

_WORD_LIMIT = 256
"""Characters of a model name or id that a provider sends."""


class Recorded(Protocol):
    """What the transaction recorded of this attempt's stream."""

    @property
    def gaps(self) -> Sequence[int] | None: ...
    def take_gaps(self) -> tuple[Sequence[int], float]: ...


class AttemptTarget(Struct, frozen=True, kw_only=True):
    """Which provider an attempt asks, and for what. `model` is the provider's name of the model, `model_group` the one
    in the configuration, under which metrics book the attempt."""

    deployment: str
    provider: str
    model: str
    model_group: str
    operation: str = "chat"
    stream: bool = False
    server_address: str | None = None
    server_port: int | None = None
    is_internal: bool = False
    """Whether it is asked at an address of the operator's network."""


class AttemptAllowance(NamedTuple):
    """What a provider says of one of its rate limits: what is left of it, and how many seconds it takes until all of it
    is there again. What it does not tell is None."""

    kind: LimitKind
    limit: int | None
    remaining: int
    reset: float | None = None


class AttemptScope(Struct, frozen=True):
    """What the attempts of one transaction share. They do not know each other, nor what keeps them: what refers to
    itself is freed by the garbage collector alone, which took a tenth of a small request's time."""

    trace: TransactionTrace
    recorder: Recorded
    labels: Labels
    spans: SpanEnds


class Attempt:
    """One attempt, made by `AttemptTelemetry.start`. What its span is to say is put onto it at the end."""

    is_sent = False
    """Whether the request went out to the provider, over a connection that stands: from then on the provider may be at
    work. Set by whoever sends it."""
    allowances: Sequence[AttemptAllowance] = ()
    """What the provider said of its rate limits."""
    tape: AttemptTape | None = None
    """What the attempt leaves behind; None where the transaction is not recorded."""
    error_type = ""
    """Empty as long as it has not failed."""
    detail: str | None = None
    """What went wrong, in words that are not scrubbed yet."""
    prompt_cache: AttemptCache | None = None
    """What tells of the provider's prompt cache; None where the prompt is too small to be in one."""
    tokens: Tokens | None = None
    cost_usd: float | None = None
    finish_reasons: tuple[str, ...] = ()
    ended = False
    time_to_first_chunk_s: float | None = None
    _response_id: str | None = None
    _response_model: str | None = None
    _outcome: AttemptOutcome = "ok"
    _has_response = False

    def __init__(
        self,
        deployment: str,
        started_at: float,
        scope: AttemptScope,
        children: AttemptChildren,
        span: RecordedSpan,
        propagates: bool,
    ) -> None:
        """`propagates` is whether the provider may learn our trace id."""
        self.deployment = deployment
        self.ended_at = started_at
        """When it ended, in seconds of the clock; before, when it began."""
        self.defects = scope.trace.defects
        self._started_at = started_at
        self._scope = scope
        self._children = children
        self._span = span
        self._propagates = propagates

    @property
    def span_context(self) -> SpanContext:
        return self._span.context

    @property
    def trace_headers(self) -> dict[str, str]:
        """The headers that make the provider's spans children of this attempt; empty unless the operator allows it."""
        trace = self._scope.trace
        return trace.propagation.headers(self._span, trace.span.baggage) if self._propagates else {}

    @guarded
    def connected_to(self, address: str, port: int) -> None:
        """The request went out to another host than the provider's, in numbers: a proxy on the way to it."""
        self._span.set({Attribute.PEER_ADDRESS: address, Attribute.PEER_PORT: port})

    def first_chunk(self) -> None:
        """The provider's first chunk has come; the first call counts."""
        try:
            if self.time_to_first_chunk_s is None:
                self.time_to_first_chunk_s = self._scope.trace.timeline.now() - self._started_at
                if not self._has_response:
                    # Not every backend sees the head of a response.
                    self.responded(200)
                self._scope.trace.event(Event.UPSTREAM_FIRST_CHUNK, {})
        except Exception as error:
            self.defects.note("Attempt.first_chunk", error)

    @guarded
    def first_token(self) -> None:
        """The first piece of a streamed answer has come, behind chunks that held nothing of it."""
        self._span.set({Attribute.TIME_TO_FIRST_TOKEN: self._scope.trace.timeline.now() - self._started_at})

    @guarded
    def failed_over(self, phase: FailoverPhase) -> None:
        """Another attempt follows this one, which had come so far."""
        self._children.deployment.failovers[phase].inc()

    def usage(self, tokens: Tokens, cost_usd: float | None = None) -> None:
        """Note the tokens of the whole attempt and what they cost, None where no price is known; the last call
        counts."""
        self.tokens, self.cost_usd = tokens, cost_usd

    def response(self, id: str, model: str, finish_reasons: Sequence[str]) -> None:
        """Note what the response says of itself, again when more is known; empty values change nothing."""
        try:
            if id:
                self._response_id = id
            if model:
                self._response_model = model
            if finish_reasons:
                self.finish_reasons = tuple([scrub(reason[:64]) for reason in finish_reasons[:16]])
        except Exception as error:
            self.defects.note("Attempt.response", error)

    @guarded
    def invalid_calls(self, count: int) -> None:
        """Note how many tool calls had arguments that are no JSON object."""
        if count:
            self._span.set({Attribute.INVALID_CALLS: count})

    @guarded
    def left_out_tools(self, names: Sequence[str]) -> None:
        """Note the tools of the client's that only another provider could run."""
        if names:
            self._span.set({Attribute.LEFT_OUT_TOOLS: tuple(name[:64] for name in names[:16])})

    @guarded
    def request_id(self, id: str) -> None:
        """Note the provider's id of this request, for a support question to it."""
        self._span.set_text(Attribute.UPSTREAM_REQUEST_ID, id, _WORD_LIMIT)
        if self.tape is not None:
            self.tape.request_id = id

    def responded(self, status: int) -> None:
        """The head of a response has come. An attempt that asks twice has two of them."""
        try:
            self._has_response = True
            self._children.deployment.responses[CLASS_OF_STATUS.get(status, "other")].cells[0] += 1
        except Exception as error:
            self.defects.note("Attempt.responded", error)

    def allowed(self, allowances: Sequence[AttemptAllowance]) -> None:
        """Note what the provider says of its rate limits; the last call counts."""
        self.allowances = allowances
        if allowances:
            self._show_allowances()

    @guarded
    def _show_allowances(self) -> None:
        for one in self.allowances:
            self._children.deployment.allowance(one.kind, one.limit, one.remaining)

    @guarded
    def fail(
        self,
        error_type: str,
        detail: str | None = None,
        status: int | None = None,
        outcome: AttemptOutcome = "error",
    ) -> None:
        """The attempt failed; `status` is the provider's HTTP status. It still has to be ended."""
        self._outcome = outcome
        self.detail = detail
        if status is not None and not self._has_response:
            self.responded(status)
            if self.tape is not None:
                self.tape.status = status
        self.error_type = self._scope.labels.error_type[error_type]
        self._span.fail(detail)
        self._span.set({Attribute.ERROR_TYPE: self.error_type, Attribute.HTTP_STATUS: status})
        if detail:
            self._span.set_text(Attribute.DETAIL, detail)

    def end(self) -> None:
        if not self.ended:
            self.ended = True
            scope, span = self._scope, self._span
            self.ended_at = scope.trace.timeline.now()
            try:
                if span.recording:
                    self._describe(span)
                end_ns = scope.trace.timeline.ns(self.ended_at)
                if scope.spans.keeps_last:
                    scope.spans.keep(span, end_ns)
                else:
                    span.end(end_ns)
            except Exception as error:
                self.defects.note("the end of an attempt's span", error)
            self._count()
            if self.tape is not None:
                self.tape.end(self.ended_at, self.error_type, self.detail, self.tokens, self.cost_usd)

    def _describe(self, span: RecordedSpan) -> None:
        """Put what the attempt came to onto its span."""
        tracer, varying = span.tracer, span.varying
        limit = _WORD_LIMIT if tracer.text_limit > _WORD_LIMIT else tracer.text_limit
        model = self._response_model and clean(tracer.scrub, self._response_model, limit)
        if model or self.finish_reasons:
            span.shared.append(_answer_attributes(model, self.finish_reasons))
        varying[Attribute.RESPONSE_ID] = self._response_id and clean(tracer.scrub, self._response_id, limit)
        varying[Attribute.TIME_TO_FIRST_CHUNK] = self.time_to_first_chunk_s
        if (tokens := self.tokens) is not None and span.sampled:
            semconv, written = self._scope.labels.semconv, tokens.cache_write or None
            varying[Attribute.INPUT_TOKENS] = tokens.prompt
            varying[Attribute.OUTPUT_TOKENS] = tokens.completion
            varying[Attribute.CACHE_READ_TOKENS] = tokens.cache_read or None
            varying[Attribute.CACHE_CREATION_TOKENS] = written if semconv != "0.1" else None
            varying[Attribute.CACHE_WRITE_TOKENS] = written if semconv != "1.41" else None
            varying[Attribute.REASONING_TOKENS] = tokens.reasoning or None
            varying[Attribute.USAGE_ESTIMATED] = tokens.is_estimated or None
            varying[Attribute.COST] = self.cost_usd
            if tokens.cache_read or (self.prompt_cache is not None and not tokens.uncounted_prompt):
                varying[Attribute.CACHE_READ_RATIO] = tokens.cache_read / max(tokens.prompt, 1)

    def _count(self) -> None:
        try:
            _, client, tokens, deployment = self._children
            deployment.in_flight.cells[0] -= 1
            deployment.outcomes[self._outcome].cells[0] += 1
            if not self._has_response:
                deployment.responses["none"].cells[0] += 1
            exemplar = self._scope.trace.exemplar
            observed: list[Observed] = [(client.duration[self.error_type], self.ended_at - self._started_at, exemplar)]
            if self.time_to_first_chunk_s is not None:
                observed.append((client.first_chunk, self.time_to_first_chunk_s, exemplar))
            if self._scope.recorder.gaps is not None:
                client.per_chunk.observe_counted(*self._scope.recorder.take_gaps())
            if (used := self.tokens) is not None:
                observed += ((client.prompt, used.prompt, None), (client.completion, used.completion, None))
                tokens.parts.count(used)
                if used.is_estimated:
                    tokens.uncounted_prompt.cells[0] += used.uncounted_prompt
                    tokens.uncounted_completion.cells[0] += used.uncounted_completion
                if self.cost_usd is None:
                    tokens.unpriced.cells[0] += 1
                else:
                    tokens.cost.cells[0] += self.cost_usd
            observe_each(observed)
        except Exception as error:
            self.defects.note("Attempt._count", error)


@lru_cache(1024)
def _answer_attributes(model: str | None, finish_reasons: tuple[str, ...]) -> AttributeSet:
    """What many answers say of themselves alike."""
    return AttributeSet({Attribute.RESPONSE_MODEL: model, Attribute.FINISH_REASONS: finish_reasons or None})
