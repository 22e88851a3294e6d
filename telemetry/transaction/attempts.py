"""The attempts of one transaction at providers: begun, and summed up for the transaction.

An attempt still open at its transaction's end is ended with it. `totals` sums up all of them.
"""

from functools import lru_cache

from opentelemetry.trace import SpanKind

from telemetry.guard import guarded
from telemetry.live.moments import AttemptRetried
from telemetry.names import AttemptReason, FailoverPhase, LocalFailureKind
from telemetry.names.events import Event
from telemetry.names.spans import Attribute
from telemetry.prompt_cache import PromptForms
from telemetry.tokens import Tokens
from telemetry.traces.span_shapes import AttributeSet
from telemetry.transaction.attempt import Attempt, AttemptScope, AttemptTarget, Recorded
from telemetry.transaction.content import SpanEnds
from telemetry.transaction.ending import AttemptTotals, Description
from telemetry.transaction.prompt_cache import PromptCacheTelemetry
from telemetry.transaction.services import Services
from telemetry.transaction.tape import AttemptTape, Tape
from telemetry.transaction.trace import TransactionTrace

_KEPT_TARGETS = 4096
"""Targets whose attributes are kept; with wildcards their models are callers' choice."""


class AttemptTelemetry:
    """Starts the attempts of a transaction, ends those left open, and sums up tokens and cost."""

    prompt_cache: PromptCacheTelemetry | None = None
    """What the attempts meet of the provider's cache; None where no prompt is watched: most are small."""

    def __init__(self, services: Services, trace: TransactionTrace, about: Description, recorder: Recorded) -> None:
        self.defects = services.defects
        self.spans = SpanEnds()
        self._services = services
        self._trace = trace
        self._about = about
        self._scope = AttemptScope(trace, recorder, services.metrics.labels, self.spans)
        self._attempts: list[Attempt] = []

    @guarded
    def watch(self, prompt: PromptForms) -> None:
        """Tell of the provider's cache for the prompt that is about to be sent. To be called before the first
        attempt."""
        watched = self._services.prompt_caches.watch(prompt)
        self.prompt_cache = PromptCacheTelemetry(self._services.metrics.prompt_cache, self._trace, watched)

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
        trace, metrics = self._trace, self._services.metrics
        children = metrics.attempts[target.operation, target.provider, target.model_group, target.deployment]
        if reason is None:
            reason = "fallback" if fallback else "retry" if retry_of is not None else "first"
        children.deployment.attempts[reason].cells[0] += 1
        children.deployment.in_flight.cells[0] += 1
        started_at = trace.timeline.now()
        if retry_of is not None and reason != "hedge":
            self._log_retry(retry_of, target.deployment, started_at)
            self._count_failover(retry_of)
        identity = self._about.identity
        span = trace.child(
            f"{children.operation} {target.model}",
            {} if identity is None else {**identity.on_attempts},
            at=started_at,
            kind=SpanKind.CLIENT,
            shared=_target_attributes(target, children.operation),
        )
        if retry_of is not None and not span.is_absent:
            span.link(retry_of.span_context, "hedge_of" if reason == "hedge" else "retry_of")
        propagate = self._services.options.propagate_traceparent
        attempt = Attempt(
            target.deployment,
            started_at,
            self._scope,
            children,
            span,
            target.is_internal if propagate == "auto" else propagate,
        )
        if self.prompt_cache is not None:
            about = (target.deployment, target.provider, target.model_group)
            attempt.prompt_cache = self.prompt_cache.attempt(*about, started_at, span)
        if trace.tape is not None:
            attempt.tape = _tape_of(trace.tape, target, reason, started_at)
        self._attempts.append(attempt)
        return attempt

    @guarded
    def local_failure(self, kind: LocalFailureKind, detail: str | None) -> None:
        """An attempt failed because this machine lacked something; `kind` says what."""
        self._services.metrics.client.local_failures[kind].inc()
        message = "no provider could be asked: the gateway's own machine failed"
        self._trace.log("warning", message, kind=kind, detail=detail)

    @guarded
    def retry_denied(self, model: str) -> None:
        """A retry was not made, because the budget of `model` was used up."""
        self._services.metrics.client.retry_denied(model)
        self._trace.span.set({Attribute.RETRY_DENIED: True})

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
        last: Attempt | None = None
        tokens: Tokens | None = None
        cost_usd: float | None = None
        for one in attempts:
            if one.time_to_first_chunk_s is not None:
                last = one
            if one.tokens is not None:
                tokens = one.tokens if tokens is None else tokens + one.tokens
            if one.cost_usd is not None:
                cost_usd = (cost_usd or 0.0) + one.cost_usd
        return AttemptTotals(
            attempts=len(attempts),
            tokens=tokens,
            cost_usd=cost_usd,
            deployment=None if not attempts else (last or attempts[-1]).deployment,
            answer_tokens=None if last is None else last.tokens,
            finish_reasons=() if last is None else last.finish_reasons,
        )


def _tape_of(tape: Tape, target: AttemptTarget, why: AttemptReason, started_at: float) -> AttemptTape:
    taped = tape.attempt((target.deployment, target.provider, target.model), why, started_at)
    taped.stream = target.stream
    return taped


@lru_cache(_KEPT_TARGETS)
def _target_attributes(target: AttemptTarget, operation: str) -> AttributeSet:
    return AttributeSet(
        {
            Attribute.OPERATION: operation,
            Attribute.PROVIDER: target.provider,
            Attribute.REQUEST_MODEL: target.model,
            Attribute.REQUEST_STREAM: target.stream,
            Attribute.DEPLOYMENT: target.deployment,
            Attribute.SERVER_ADDRESS: target.server_address,
            Attribute.SERVER_PORT: target.server_port,
        }
    )
