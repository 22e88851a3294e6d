"""A transaction's observability, from the request's head to the last byte: `Telemetry.open` ... `finish`.

The ObservabilityContext owns the transaction's span, hands stages, hooks, queues and attempts theirs, and ends all of
them, exactly once, with exactly one outcome. Nothing here raises into the data path or waits.
"""

import logging
from collections.abc import Mapping, Sequence

from opentelemetry.trace import SpanContext, SpanKind, format_span_id, format_trace_id
from prometheus_client import Histogram

from telemetry.access_log import is_logged, log_access
from telemetry.attempt import Attempt, AttemptParts
from telemetry.chunks import Cost
from telemetry.content import Conversation
from telemetry.guard import guarded
from telemetry.ledger import TimeLedger
from telemetry.live import StreamFlow
from telemetry.logs import Level, log_fields
from telemetry.names import (
    ONCE,
    OTHER,
    TRANSACTION_PREFIX,
    AttemptReason,
    Attribute,
    Event,
    Outcome,
    Span,
    Stage,
)
from telemetry.queue_spans import high_water_attributes, queue_attributes
from telemetry.queue_stats import QueueStats
from telemetry.recorder import TransactionRecorder
from telemetry.redact import clean
from telemetry.scopes import HookScope, SpanScope
from telemetry.services import Services
from telemetry.spans import TEXT_LIMIT, RecordedSpan, Value
from telemetry.timeline import Timeline
from telemetry.transaction_end import (
    Description,
    End,
    count_end,
    description_attributes,
    end_attributes,
    end_span,
    tell_end,
)

_log = logging.getLogger("flowspan")


class ObservabilityContext:
    """Made by `Telemetry.open`, with the transaction's span already started."""

    def __init__(
        self, services: Services, api: str, span: RecordedSpan, ledger: TimeLedger, timeline: Timeline
    ) -> None:
        self._trace_id = format_trace_id(span.trace_id)
        self.transaction_id = _transaction_id(span, self._trace_id)
        self.ledger = ledger
        self.finished = False
        self.defects = services.defects
        self._services = services
        self._span = span
        self._timeline = timeline
        self._about = Description(services.metrics.labels.api(api))
        self.recorder = TransactionRecorder(
            timeline,
            ledger,
            self.emit_boundary,
            services.defects,
            capture=services.options.capture_content != "none",
        )
        self._flow = StreamFlow(self.transaction_id, self._about.api, ledger, self.recorder, services.metrics)
        self._told: set[str] = set()
        self._stages: dict[str, SpanScope] = {}
        self._attempts: list[Attempt] = []
        services.live.open(self._flow)
        services.metrics.server.in_flight[self._about.api].inc()
        span.set({Attribute.TRANSACTION_ID: self.transaction_id, Attribute.API: self._about.api})

    @property
    def sampled(self) -> bool:
        """Whether its spans are recorded."""
        self._span.decide()
        return self._span.sampled

    @property
    def span_context(self) -> SpanContext:
        return self._span.context

    @guarded
    def describe(
        self,
        *,
        operation: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        stream: bool | None = None,
        policies: Sequence[str] | None = None,
    ) -> None:
        """May be called again when more is known; what is left out stays as it was."""
        about, labels = self._about, self._services.metrics.labels
        if operation is not None:
            about.operation = labels.operation(operation)
        if model is not None:
            about.model = self._flow.model = labels.model(model)
        if provider is not None:
            about.provider = labels.provider(provider)
        if stream is not None:
            about.stream = stream
        self._span.set(description_attributes(about, policies))
        self._span.decide()
        if model is not None:
            # Here, so that the counters of a new model stand at zero before the transaction's end moves one.
            self._services.metrics.server.outcomes(about.api, about.model, about.stream)

    def stage(self, name: Stage) -> SpanScope:
        """`with obs.stage("policy_executor"): ...`"""
        span = self._child(f"{Span.STAGE} {name}", {Attribute.STAGE: name})
        scope = self._stages[name] = SpanScope(span, self._timeline)
        return scope

    def hook(self, policy: str, hook: str) -> HookScope:
        """Round `on_request` and `on_response`; streaming hooks have no span but `hook_timer`."""
        span = self._child(f"{Span.POLICY} {hook}", {Attribute.POLICY: policy, Attribute.HOOK: hook})
        return HookScope(span, self._timeline, self.ledger, self.hook_timer(policy, hook))

    def hook_timer(self, policy: str, hook: str) -> Histogram:
        """To be kept for the stream; `observe(seconds)` once per call of the hook."""
        return self._services.metrics.policies.hook_seconds(policy, hook)

    @guarded
    def policy_decision(self, policy: str, hook: str, decision: str) -> None:
        self._services.metrics.policies.decided(policy, hook, decision)
        attributes = {Attribute.POLICY: policy, Attribute.HOOK: hook, Attribute.DECISION: decision}
        self.emit_boundary(Event.POLICY_DECISION, attributes)

    @guarded
    def policy_evaluated(self, policy: str, kind: str, count: int = 1) -> None:
        self._services.metrics.policies.evaluated(policy, kind, count)

    @guarded
    def policy_skipped(self, policy: str, kind: str, count: int = 1) -> None:
        self._services.metrics.policies.skipped(policy, kind, count)

    @guarded
    def policy_held(self, policy: str, kind: str, seconds: float) -> None:
        self._services.metrics.policies.held(policy, kind, seconds, self._span.exemplar)

    @guarded
    def policy_timeout(self, policy: str, hook: str) -> None:
        self._services.metrics.policies.timed_out(policy, hook)

    @guarded
    def policy_failed(self, policy: str, hook: str) -> None:
        self._services.metrics.policies.failed(policy, hook)

    @guarded
    def breaker_transition(self, breaker: str, from_state: str, to_state: str, reason: str) -> None:
        """A breaker changed its state on account of this transaction."""
        if to_state == "open":
            self._services.trips[breaker] = self._span.context
        attributes = self._services.breaker_changed(breaker, from_state, to_state, reason, self._span.context)
        self.emit_boundary(Event.BREAKER_STATE_CHANGE, attributes)

    @guarded
    def breaker_rejected(self, breaker: str, reason: str = "open") -> None:
        """An open breaker turned this transaction or an attempt of it away: links to the one that tripped it."""
        self._services.metrics.breakers.rejected(breaker, reason)
        trip = self._services.trips.get(breaker)
        if trip is not None:
            self._span.link(trip, "breaker_trip")

    def queue(self, name: str, capacity_items: int, capacity_bytes: int) -> QueueStats:
        stats = QueueStats(name, capacity_items, capacity_bytes, self._high_water)
        self._flow.add_queue(stats)
        return stats

    @guarded
    def queue_closed(self, stats: QueueStats) -> None:
        """Nobody puts or takes any more; the first call counts."""
        closed = self._services.live.close_queue(self._flow, stats, self._span.exemplar)
        if closed and self.sampled and stats.first_put_at is not None:
            started_ns = self._timeline.ns(stats.first_put_at)
            span = self._child(f"{Span.QUEUE} {stats.name}", queue_attributes(stats), started_ns)
            span.end(self._timeline.ns(None if stats.depth else stats.drained_at))

    def attempt(
        self,
        *,
        deployment: str,
        provider: str,
        model: str,
        operation: str = "chat",
        stream: bool = False,
        server_address: str | None = None,
        server_port: int | None = None,
        retry_of: Attempt | None = None,
        fallback: bool = False,
        cost: Cost | None = None,
    ) -> Attempt:
        """`retry_of` is the attempt before, whatever model it asked; `fallback` says that another one was asked for."""
        # Its breaker's counters have to stand at zero before it trips.
        self._services.metrics.register_deployment(deployment)
        reason: AttemptReason = "fallback" if fallback else "retry" if retry_of is not None else "first"
        self._services.metrics.client.attempts(deployment)[reason].inc()
        started_at = self._timeline.now()
        attributes: dict[str, Value | None] = {
            Attribute.OPERATION: operation,
            Attribute.PROVIDER: provider,
            Attribute.REQUEST_MODEL: model,
            Attribute.REQUEST_STREAM: stream,
            Attribute.DEPLOYMENT: deployment,
            Attribute.SERVER_ADDRESS: server_address,
            Attribute.SERVER_PORT: server_port,
        }
        stage = self._stages.get("policy_executor")
        parent = stage.span if stage is not None and not stage.left else self._span
        span = self._services.tracer.start_child(
            parent, f"{operation} {model}", self._timeline.ns(started_at), attributes, SpanKind.CLIENT
        )
        if retry_of is not None:
            span.link(retry_of.span_context, "retry_of")
        attempt = Attempt(self._attempt_parts(operation, provider, model), span, started_at, cost)
        self._attempts.append(attempt)
        return attempt

    @guarded
    def emit_boundary(self, name: str, attributes: Mapping[str, Value]) -> None:
        boundary = self._services.boundary
        if name in ONCE:
            if name in self._told:
                return
            self._told.add(name)
        if self._span.recording or boundary.as_log:
            boundary.emit(self._span, name, self._timeline.ns(), attributes)

    def log(self, level: Level, message: str, *, error: BaseException | None = None, **fields: object) -> None:
        """`error` is told with its stack."""
        extra = log_fields(self._span.context, {"transaction_id": self.transaction_id, **fields})
        _log.log(logging.getLevelNamesMapping()[level.upper()], message, exc_info=error, extra=extra)

    def finish(
        self, outcome: Outcome, *, status: int, error_type: str | None = None, detail: str | None = None
    ) -> None:
        """The end, after the last byte. Only the first call counts; another one is a defect of the caller."""
        if self.finished:
            self.defects.note(f"finish({outcome!r}) of a transaction that had ended")
            return
        self.finished = True
        end = End(outcome, status, "" if outcome == "ok" else error_type or outcome, detail)
        self._close_parts(end)
        self.ledger.close()
        self._count_outcome(outcome)
        self._count_end(end)
        self._end_span(end)
        self._log_access(end)

    @guarded
    def _close_parts(self, end: End) -> None:
        self.recorder.end(end.outcome)
        for attempt in self._attempts:
            if not attempt.ended:
                attempt.fail(end.error_type or "abandoned")
                attempt.end()
        for scope in self._stages.values():
            scope.end()
        for queue in tuple(self._flow.queues):
            self.queue_closed(queue.stats)
        if self.recorder.client is not None:
            self._tell_content(self._span, self.recorder.client)

    @guarded
    def _count_outcome(self, outcome: Outcome) -> None:
        about, metrics = self._about, self._services.metrics
        metrics.server.outcomes(about.api, about.model, about.stream)[outcome].inc()
        metrics.server.in_flight[about.api].dec()
        self._services.live.close(self._flow, outcome)

    @guarded
    def _end_span(self, end: End) -> None:
        attributes = end_attributes(end, self.ledger, self.recorder, self._cost_usd()) if self.sampled else {}
        end_span(self._span, end, attributes, self._timeline.after(self.ledger.total))

    @guarded
    def _count_end(self, end: End) -> None:
        usage = next((attempt.tokens for attempt in reversed(self._attempts) if attempt.tokens is not None), None)
        count_end(self._services.metrics, self._about, end, self.ledger, self.recorder, usage, self._span.exemplar)

    @guarded
    def _log_access(self, end: End) -> None:
        if is_logged():
            detail = None if end.detail is None else clean(self._services.scrub, end.detail, TEXT_LIMIT)
            line: dict[str, object] = {
                "trace_id": self._trace_id,
                "span_id": format_span_id(self._span.span_id),
                "transaction_id": self.transaction_id,
            }
            tell_end(line, self._about, end, self.ledger, self.recorder)
            if end.error_type:
                line |= {"error_type": end.error_type, "detail": detail}
            log_access(f"{self._span.name} {end.outcome}", line)

    @guarded
    def _high_water(self, stats: QueueStats, percent: int) -> None:
        self.emit_boundary(Event.QUEUE_HIGH_WATER, high_water_attributes(stats, percent))

    @guarded
    def _tell_content(self, span: RecordedSpan, conversation: Conversation) -> None:
        self._services.tell_content(span, conversation, self._timeline.ns())

    def _attempt_parts(self, operation: str, provider: str, model: str) -> AttemptParts:
        metrics = self._services.metrics
        # What a provider calls its model is often not what clients call it; then the transaction's label stands.
        label = metrics.labels.model(model)
        children = metrics.client.children(operation, provider, self._about.model if label == OTHER else label)
        return AttemptParts(
            self._timeline,
            children,
            metrics.labels,
            self.recorder,
            self.emit_boundary,
            self._tell_content,
            self.defects,
            self._services.options.propagate_traceparent,
        )

    def _cost_usd(self) -> float | None:
        costs = [attempt.cost_usd for attempt in self._attempts if attempt.cost_usd is not None]
        return sum(costs) if costs else None

    def _child(self, name: str, attributes: dict[str, Value | None], start_ns: int | None = None) -> RecordedSpan:
        at_ns = self._timeline.ns() if start_ns is None else start_ns
        return self._services.tracer.start_child(self._span, name, at_ns, attributes)


def _transaction_id(span: RecordedSpan, trace_id: str) -> str:
    """The trace's id; where the caller began the trace, which may hold several transactions, with the span's."""
    id = TRANSACTION_PREFIX + trace_id
    return f"{id}_{format_span_id(span.span_id)}" if span.remote_parent else id
