"""The attempts of one transaction at providers: for each its CLIENT span and its metrics.

The backend tells what it sees (first chunk, response, usage, a failure) and ends the attempt; `end` counts once. Usage
stands on this span only, so tokens are counted once. An attempt still open at its transaction's end is ended with it.
`totals` sums up all of them for the transaction.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct
from opentelemetry.trace import SpanContext, SpanKind

from telemetry.guard import guarded
from telemetry.live.moments import AttemptRetried
from telemetry.metrics.deployments import status_class
from telemetry.metrics.registry import AttemptChildren
from telemetry.metrics.traffic import Labels
from telemetry.names import AttemptOutcome, AttemptReason, FailoverPhase, LimitKind, LocalFailureKind
from telemetry.names.events import Event
from telemetry.names.semconv import Semconv
from telemetry.names.spans import Attribute, Value
from telemetry.recording.log_buckets import LogBuckets
from telemetry.redact import scrub
from telemetry.tokens import Tokens
from telemetry.traces.spans import RecordedSpan
from telemetry.transaction.content import SpanEnds
from telemetry.transaction.ending import AttemptTotals, Description
from telemetry.transaction.prompt_cache import AttemptCache, PromptCacheTelemetry
from telemetry.transaction.services import Services
from telemetry.transaction.tape import AttemptTape, Tape
from telemetry.transaction.trace import TransactionTrace

_WORD_LIMIT = 256
"""Characters of a model name or id that a provider sends."""


class Recorded(Protocol):
    """What the transaction recorded of this attempt's stream."""

    def take_gaps(self) -> LogBuckets: ...


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


class AttemptTelemetry:
    """Starts the attempts of a transaction, ends those left open, and sums up tokens and cost."""

    def __init__(self, services: Services, trace: TransactionTrace, about: Description, recorder: Recorded) -> None:
        self.defects = services.defects
        self._trace = trace
        self._propagate = services.options.propagate_traceparent
        self.prompt_cache = PromptCacheTelemetry(services, trace)
        self._metrics = services.metrics
        self.spans = SpanEnds()
        self._scope = AttemptScope(trace, recorder, services.metrics.labels, self.spans)
        self._about = about
        self._attempts: list[Attempt] = []

    def start(
        self,
        target: AttemptTarget,
        *,
        retry_of: "Attempt | None" = None,
        fallback: bool = False,
        reason: AttemptReason | None = None,
    ) -> "Attempt":
        """Start an attempt. `retry_of` is the one before it, whatever model it asked; `fallback` is whether the client
        asked for another model. `reason` is why it is made, where these two do not say it."""
        # With the first look-up the counters of its breaker stand at zero, before it trips.
        children = self._metrics.attempts(target.operation, target.provider, target.model_group, target.deployment)
        if reason is None:
            reason = "fallback" if fallback else "retry" if retry_of is not None else "first"
        children.deployment.attempts[reason].inc()
        started_at = self._trace.timeline.now()
        if retry_of is not None and reason != "hedge":
            self._log_retry(retry_of, target.deployment, started_at)
            self._count_failover(retry_of)
        span = self._start_span(target, children.operation, started_at)
        if retry_of is not None and not span.is_absent:
            span.link(retry_of.span_context, "hedge_of" if reason == "hedge" else "retry_of")
        cache = self.prompt_cache.attempt(target.deployment, target.provider, target.model_group, started_at, span)
        propagates = target.is_internal if self._propagate == "auto" else self._propagate
        attempt = Attempt(
            self._scope,
            children,
            span,
            started_at,
            target.deployment,
            prompt_cache=cache,
            propagates=propagates,
            tape=None if self._trace.tape is None else _tape_of(self._trace.tape, target, reason, started_at),
        )
        self._attempts.append(attempt)
        return attempt

    @guarded
    def local_failure(self, kind: LocalFailureKind, detail: str | None) -> None:
        """An attempt failed because this machine lacked something; `kind` says what."""
        self._metrics.client.local_failures[kind].inc()
        message = "no provider could be asked: the gateway's own machine failed"
        self._trace.log("warning", message, kind=kind, detail=detail)

    @guarded
    def retry_denied(self, model: str) -> None:
        """A retry was not made, because the budget of `model` was used up."""
        self._metrics.client.retry_denied(model)
        self._trace.span.set({Attribute.RETRY_DENIED: True})

    def _start_span(self, target: AttemptTarget, operation: str, started_at: float) -> RecordedSpan:
        attributes = _target_attributes(target, operation)
        if (identity := self._about.identity) is not None:
            attributes.update(identity.on_attempts)
        start_ns = self._trace.timeline.ns(started_at)
        return self._trace.child(f"{operation} {target.model}", attributes, start_ns=start_ns, kind=SpanKind.CLIENT)

    def _log_retry(self, failed: "Attempt", deployment: str, started_at: float) -> None:
        """Leave a line of an attempt after whose failure another deployment, or the same, is asked: where the request
        ends well, nothing else would speak of it."""
        self._trace.log(
            "warning",
            "attempt failed, retried",
            deployment=failed.deployment,
            error_type=failed.error_type,
            detail=failed.detail,
            retried_at=deployment,
            wait_s=round(started_at - failed.ended_at, 6),
        )
        self._trace.moments.add(
            AttemptRetried(
                at=self._trace.timeline.unix_seconds(),
                transaction_id=self._trace.transaction_id,
                deployment=failed.deployment,
                error_type=failed.error_type,
                retried_at=deployment,
            )
        )

    @guarded
    def _count_failover(self, failed: "Attempt") -> None:
        phase: FailoverPhase = "before_first_chunk" if failed.time_to_first_chunk_s is None else "before_first_token"
        failed.failed_over(phase)
        about = {Attribute.DEPLOYMENT: failed.deployment, Attribute.ERROR_TYPE: failed.error_type}
        self._trace.event(Event.UPSTREAM_FAILOVER, {**about, Attribute.FAILOVER_PHASE: phase})

    def end_all(self, error_type: str) -> None:
        """End those still open as failed."""
        for attempt in self._attempts:
            if not attempt.ended:
                attempt.fail(error_type, outcome="cancelled")
                attempt.end()

    @property
    def asked_now(self) -> str | None:
        """The deployment of the newest attempt that has not ended."""
        return next((one.deployment for one in reversed(self._attempts) if not one.ended), None)

    @property
    def used(self) -> tuple[int, float]:
        """The tokens and the US dollars of all attempts so far together."""
        tokens, dollars = 0, 0.0
        for one in self._attempts:
            if one.tokens is not None:
                tokens += one.tokens.prompt + one.tokens.completion
            dollars += one.cost_usd or 0.0
        return tokens, dollars

    @property
    def totals(self) -> AttemptTotals:
        """All attempts so far together."""
        attempts = self._attempts
        last = next((one for one in reversed(attempts) if one.time_to_first_chunk_s is not None), None)
        costs = [one.cost_usd for one in attempts if one.cost_usd is not None]
        counted = [one.tokens for one in attempts if one.tokens is not None]
        return AttemptTotals(
            attempts=len(attempts),
            tokens=sum(counted[1:], counted[0]) if counted else None,
            cost_usd=sum(costs) if costs else None,
            deployment=None if not attempts else (last or attempts[-1]).deployment,
            answer_tokens=None if last is None else last.tokens,
            finish_reasons=() if last is None else last.finish_reasons,
        )


class Attempt:
    is_sent = False
    """Whether the request went out to the provider: from then on the provider may be at work."""
    allowances: Sequence[AttemptAllowance] = ()
    """What the provider said of its rate limits."""
    tape: AttemptTape | None = None
    """What the attempt leaves behind; None where the transaction is not recorded."""

    def __init__(
        self,
        scope: AttemptScope,
        children: AttemptChildren,
        span: RecordedSpan,
        started_at: float,
        deployment: str,
        *,
        prompt_cache: AttemptCache | None,
        propagates: bool,
        tape: AttemptTape | None,
    ) -> None:
        self.defects = scope.trace.defects
        self.tape = tape
        self.deployment = deployment
        self.error_type = ""
        """Empty as long as it has not failed."""
        self.detail: str | None = None
        """What went wrong, in words that are not scrubbed yet."""
        self.ended_at = started_at
        """When it ended, in seconds of the clock."""
        self.prompt_cache = prompt_cache
        """What tells of the provider's prompt cache; None where the prompt is too small to be in one."""
        self.tokens: Tokens | None = None
        self.cost_usd: float | None = None
        self.finish_reasons: tuple[str, ...] = ()
        self.ended = False
        self.time_to_first_chunk_s: float | None = None
        self._scope = scope
        self._children = children
        self._span = span
        self._started_at = started_at
        self._outcome: AttemptOutcome = "ok"
        self._has_response = False
        children.deployment.in_flight.inc()
        self._propagates = propagates
        """Whether the provider may learn our trace id."""

    @property
    def span_context(self) -> SpanContext:
        return self._span.context

    @property
    def trace_headers(self) -> dict[str, str]:
        """The headers that make the provider's spans children of this attempt; empty unless the operator allows it."""
        return self._scope.trace.outgoing_headers(self._span) if self._propagates else {}

    def sent(self) -> None:
        """The request is on its way to the provider, over a connection that stands."""
        self.is_sent = True

    @guarded
    def first_chunk(self) -> None:
        """The provider's first chunk has come; the first call counts."""
        if self.time_to_first_chunk_s is None:
            self.time_to_first_chunk_s = self._scope.trace.timeline.now() - self._started_at
            if not self._has_response:
                # Not every backend sees the head of a response.
                self.responded(200)
            self._scope.trace.event(Event.UPSTREAM_FIRST_CHUNK, {})
            self._span.set({Attribute.TIME_TO_FIRST_CHUNK: self.time_to_first_chunk_s})

    @guarded
    def first_token(self) -> None:
        """The first piece of a streamed answer has come, behind chunks that held nothing of it."""
        self._span.set({Attribute.TIME_TO_FIRST_TOKEN: self._scope.trace.timeline.now() - self._started_at})

    @guarded
    def failed_over(self, phase: FailoverPhase) -> None:
        """Another attempt follows this one, which had come so far."""
        self._children.deployment.failovers[phase].inc()

    @guarded
    def usage(self, tokens: Tokens, cost_usd: float | None = None) -> None:
        """Note the tokens of the whole attempt and what they cost, None where no price is known; the last call
        counts."""
        self.tokens, self.cost_usd = tokens, cost_usd

    @guarded
    def response(self, id: str, model: str, finish_reasons: Sequence[str]) -> None:
        """Note what the response says of itself, again when more is known; empty values change nothing."""
        if id:
            self._span.set_text(Attribute.RESPONSE_ID, id, _WORD_LIMIT)
        if model:
            self._span.set_text(Attribute.RESPONSE_MODEL, model, _WORD_LIMIT)
        if finish_reasons:
            self.finish_reasons = tuple([scrub(reason[:64]) for reason in finish_reasons[:16]])
            self._span.set({Attribute.FINISH_REASONS: self.finish_reasons})

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

    @guarded
    def responded(self, status: int) -> None:
        """The head of a response has come. An attempt that asks twice has two of them."""
        self._has_response = True
        self._children.deployment.responses[status_class(status)].inc()

    @guarded
    def allowed(self, allowances: Sequence[AttemptAllowance]) -> None:
        """Note what the provider says of its rate limits; the last call counts."""
        self.allowances = allowances
        for one in allowances:
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
        self.error_type = self._scope.labels.error_type(error_type)
        self._span.fail(detail)
        self._span.set({Attribute.ERROR_TYPE: self.error_type, Attribute.HTTP_STATUS: status})
        if detail:
            self._span.set_text(Attribute.DETAIL, detail)

    def end(self) -> None:
        if not self.ended:
            self.ended = True
            self.ended_at = self._scope.trace.timeline.now()
            self._end_span()
            self._count()
            if self.tape is not None:
                self.tape.end(self.ended_at, self.error_type, self.detail, self.tokens, self.cost_usd)

    @guarded
    def _end_span(self) -> None:
        if self.tokens is not None and self._span.sampled:
            attributes = _usage_attributes(self.tokens, self.cost_usd, self._scope.labels.semconv)
            if self.tokens.cache_read or (self.prompt_cache is not None and not self.tokens.uncounted_prompt):
                attributes[Attribute.CACHE_READ_RATIO] = self.tokens.cache_read / max(self.tokens.prompt, 1)
            self._span.set(attributes)
        self._scope.spans.end(self._span, self._scope.trace.timeline.ns(self.ended_at))

    @guarded
    def _count(self) -> None:
        _, client, tokens, deployment = self._children
        deployment.in_flight.dec()
        deployment.outcomes[self._outcome].inc()
        if not self._has_response:
            deployment.responses["none"].inc()
        exemplar = self._span.exemplar
        client.ended(self.ended_at - self._started_at, self.error_type, exemplar)
        if self.time_to_first_chunk_s is not None:
            client.first_chunk(self.time_to_first_chunk_s, exemplar)
        for seconds, count in self._scope.recorder.take_gaps().filled():
            client.per_chunk.observe_many(seconds, count)
        if self.tokens is not None:
            client.tokens(self.tokens.prompt, self.tokens.completion)
            tokens.count(self.tokens, self.cost_usd)


def _usage_attributes(tokens: Tokens, cost_usd: float | None, semconv: Semconv) -> dict[str, Value | None]:
    cache_write = tokens.cache_write or None
    return {
        Attribute.INPUT_TOKENS: tokens.prompt,
        Attribute.OUTPUT_TOKENS: tokens.completion,
        Attribute.CACHE_READ_TOKENS: tokens.cache_read or None,
        Attribute.CACHE_CREATION_TOKENS: cache_write if semconv != "0.1" else None,
        Attribute.CACHE_WRITE_TOKENS: cache_write if semconv != "1.41" else None,
        Attribute.REASONING_TOKENS: tokens.reasoning or None,
        Attribute.USAGE_ESTIMATED: tokens.is_estimated or None,
        Attribute.COST: cost_usd,
    }


def _tape_of(tape: Tape, target: AttemptTarget, why: AttemptReason, started_at: float) -> AttemptTape:
    taped = tape.attempt((target.deployment, target.provider, target.model), why, started_at)
    taped.stream = target.stream
    return taped


def _target_attributes(target: AttemptTarget, operation: str) -> dict[str, Value | None]:
    return {
        Attribute.OPERATION: operation,
        Attribute.PROVIDER: target.provider,
        Attribute.REQUEST_MODEL: target.model,
        Attribute.REQUEST_STREAM: target.stream,
        Attribute.DEPLOYMENT: target.deployment,
        Attribute.SERVER_ADDRESS: target.server_address,
        Attribute.SERVER_PORT: target.server_port,
    }
