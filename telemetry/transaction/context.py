"""A transaction's observability, from the request's head to the last byte: `Telemetry.open` ... `finish`.

The ObservabilityContext owns the transaction's span and gives out a face for each subject: `policy(name)`, `admission`,
`attempts`, `queues`, `breakers`, `quotas`, `recorder`, `ledger`. It ends all of them, exactly once, with exactly one
outcome. Nothing here raises into the data path or waits.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from types import TracebackType
from typing import get_args

from opentelemetry.trace import SpanContext

from telemetry.live.streams import StreamFlow
from telemetry.logs.records import Level, is_logged, log_access
from telemetry.names import OUTCOME_LEVELS, Outcome, Stage
from telemetry.names.events import Event
from telemetry.names.spans import Attribute, Span
from telemetry.recording.content import Conversation, Prompt
from telemetry.recording.ledger import TimeLedger
from telemetry.recording.recorder import TransactionRecorder
from telemetry.recording.timeline import Timeline
from telemetry.redact import TEXT_LIMIT, clean
from telemetry.traces.span_shapes import AttributeSet
from telemetry.traces.spans import RecordedSpan
from telemetry.transaction.admission import AdmissionTelemetry
from telemetry.transaction.attempts import AttemptTelemetry
from telemetry.transaction.breakers import BreakerTelemetry
from telemetry.transaction.content import SpanEnd
from telemetry.transaction.ending import Description, Summary, description_attributes, key_attributes
from telemetry.transaction.identity import Identity, legible_id
from telemetry.transaction.policies import PolicyTelemetry
from telemetry.transaction.queues import QueueTelemetry
from telemetry.transaction.quotas import QuotaTelemetry
from telemetry.transaction.services import Services
from telemetry.transaction.tape import Tape
from telemetry.transaction.taping import TapedTransaction, TransactionTaker
from telemetry.transaction.trace import SpanScope, TransactionTrace
from telemetry.transaction.view import TransactionView

_STAGES: dict[Stage, tuple[str, AttributeSet]] = {
    stage: (f"{Span.STAGE} {stage}", AttributeSet({Attribute.STAGE: stage})) for stage in get_args(Stage)
}
"""The name of a stage's span, and its attributes."""


class ObservabilityContext:
    """Made by `Telemetry.open`, with the transaction's span already started.

    As a `with` block it ends the transaction in any case: one that leaves the block without a `finish` of its own is an
    internal error, and noted as a defect.
    """

    tape: Tape | None = None
    """What the transaction leaves behind; None where it is not recorded."""
    has_ids = False
    """Whether `note_ids` was called."""

    def __init__(
        self,
        services: Services,
        api: str,
        span: RecordedSpan,
        ledger: TimeLedger,
        timeline: Timeline,
        head: Mapping[str, object],
        taker: TransactionTaker | None = None,
    ) -> None:
        """`head` has the fields of the access line that are known from the request's head; `taker` is who records
        transactions, if anybody does."""
        self.ledger = ledger
        self._finished = False
        self.defects = services.defects
        self._services = services
        self.tape = tape = None if taker is None else taker.tape(timeline)
        self._trace = trace = TransactionTrace(services, span, timeline, tape)
        self.captures = services.content.is_on
        """Whether content is recorded, of whatever transactions."""
        self.event = trace.event
        """Emits a boundary event with its attributes; those that occur once only at the first call."""
        self.transaction_id = trace.transaction_id
        self._about = about = Description(
            services.metrics.labels.api[api],
            services.metrics.keys.without_key,
            head=head,
        )
        self.recorder = recorder = TransactionRecorder(timeline, ledger, self.event, services.defects)
        self._flow = StreamFlow(self.transaction_id, about.api, ledger, recorder, services.metrics)
        self.attempts = AttemptTelemetry(services, trace, about, recorder)
        self.queues = QueueTelemetry(trace, services.live, self._flow)
        services.live.open(self._flow)
        services.metrics.server.in_flight[about.api].cells[0] += 1
        span.varying[Attribute.TRANSACTION_ID] = trace.transaction_id
        span.varying[Attribute.API] = about.api
        self._described: AttributeSet | None = None
        self._policies: tuple[str, ...] = ()
        self._taker = taker
        self._taped: TapedTransaction | None = None
        if taker is not None and tape is not None:
            self._begin_taping(taker, tape)
        if services.options.openinference:
            span.varying[Attribute.SPAN_KIND] = "CHAIN"

    @cached_property
    def admission(self) -> AdmissionTelemetry:
        # Made when it is asked for, as the two below: most transactions have nothing to tell of these.
        return AdmissionTelemetry(self._trace, self._services.metrics.admission)

    @cached_property
    def breakers(self) -> BreakerTelemetry:
        return BreakerTelemetry(self._services, self._trace)

    @cached_property
    def quotas(self) -> QuotaTelemetry:
        return QuotaTelemetry(self._services.metrics.quotas, self._trace, self._about)

    def __enter__(self) -> "ObservabilityContext":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """What the end of the `with` block does, for who has none: nothing more is to come."""
        if not self._finished:
            self.defects.note("a transaction was left without an outcome")
            self.finish("internal_error", status=500)

    def _begin_taping(self, taker: TransactionTaker, tape: Tape) -> None:
        self._trace.span.keep()
        tape.span(self._trace.span)
        trace = self._trace
        self._taped = TapedTransaction(trace.transaction_id, trace.trace_id, tape, self._about, self._services.scrub)
        taker.opened(self._taped)

    @property
    def sampled(self) -> bool:
        """Whether its spans are exported."""
        return self._trace.sampled

    @property
    def span_context(self) -> SpanContext:
        """The transaction's span, as other tracers refer to it."""
        return self._trace.context

    def identify(self, key: str) -> None:
        """Note the name of the key that the request came with, which is known of all that have one."""
        try:
            self._about.key = found = self._services.metrics.keys.of(key)
            if found is not self._services.metrics.keys.without_key:
                self._trace.span.share(key_attributes(found))
        except Exception as error:
            self.defects.note("ObservabilityContext.identify", error)

    def describe(
        self,
        *,
        operation: str | None = None,
        model: str | None = None,
        provider: str | None = None,
        stream: bool | None = None,
        policies: Sequence[str] | None = None,
        asked_model: str | None = None,
    ) -> None:
        """Describe the transaction, again when more is known; what is left out stays as it was."""
        try:
            about, labels = self._about, self._services.metrics.labels
            if operation is not None:
                about.operation = labels.operation[operation]
            if model is not None:
                about.model = self._flow.model = labels.model[model]
            if provider is not None:
                about.provider = labels.provider[provider]
            if stream is not None:
                about.stream = stream
            if asked_model is not None:
                about.asked_model = legible_id(asked_model, self._services.scrub)
                self._trace.span.set({Attribute.ASKED_MODEL: about.asked_model})
            if policies:
                self._policies = tuple(policies)
            before, labelled = self._described, (about.operation, about.model, about.provider, about.stream)
            self._described = description_attributes(*labelled, self._policies)
            span = self._trace.span
            span.share(self._described, instead_of=before)
            if not span.is_decided:
                span.decide()
            if model is not None:
                # Here, so that the counters of a new model stand at zero before the transaction's end moves one.
                self._services.metrics.server.outcomes[about.api, about.model, about.stream]
                self._services.metrics.delivery.children[about.model]
        except Exception as error:
            self.defects.note("ObservabilityContext.describe", error)

    def capture(self, prompt: Callable[[int], Prompt]) -> None:
        """Begin to record content, if anybody wants that of this transaction. `prompt` returns what the policies let
        through of the request, with texts of no more than so many characters."""
        try:
            content = self._services.content
            if self.captures and content.is_wanted(self._trace.sampled):
                self.recorder.capture(Conversation(prompt(content.limit), content.limit))
                self.attempts.spans.keeps_last = True
        except Exception as error:
            self.defects.note("ObservabilityContext.capture", error)

    @property
    def conversation_id(self) -> str:
        """The conversation that `note_ids` was given; empty without one."""
        return "" if self._about.identity is None else self._about.identity.conversation_id

    def note_ids(self, ids: Mapping[str, str], attributes: Mapping[str, str]) -> None:
        """Note whose the transaction is, again when more is known: `ids` by their attributes, and `attributes` of the
        operator's choice. The texts may be as they came. Spans that have ended, or begun before, do not change."""
        try:
            self.has_ids = True
            if self._about.identity is not None:
                self._trace.span.remove(self._about.identity.on_transaction)
            self._about.identity = identity = Identity(ids, attributes, self._services.scrub)
            self._trace.span.set(identity.on_transaction)
        except Exception as error:
            self.defects.note("ObservabilityContext.note_ids", error)

    def view(self) -> TransactionView:
        """What it does at this moment."""
        about, flow = self._about, self._flow
        return TransactionView(
            transaction_id=self.transaction_id,
            api=about.api,
            key=about.key.identity.name,
            model=about.model,
            deployment=self.attempts.asked_now,
            conversation=self.conversation_id,
            seconds=self.ledger.total,
            waiting_for=flow.waiting_for,
            bytes_sent=self.recorder.bytes_out,
            bytes_queued=sum(stats.bytes for stats in flow.queues),
            stream=about.stream,
        )

    def stage(self, name: Stage) -> SpanScope:
        """A `with` block that is the span of a stage of the pipeline."""
        title, attributes = _STAGES[name]
        span = self._trace.child(title, {}, shared=attributes)
        self._trace.stages.append(span)
        return SpanScope(span, self._trace.timeline)

    def policy(self, name: str) -> PolicyTelemetry:
        """What records the work of one policy; to be kept for as long as the policy works on this transaction."""
        return PolicyTelemetry(name, self._trace, self._services.metrics.policies.of(name))

    def log(self, level: Level, message: str, *, error: BaseException | None = None, **fields: object) -> None:
        """Write a log line under the transaction's ids; `error` adds its stack."""
        self._trace.log(level, message, error=error, **fields)

    def finish(
        self,
        outcome: Outcome,
        *,
        status: int,
        error_type: str | None = None,
        detail: str | None = None,
        delivered: bool = False,
    ) -> None:
        """End the transaction, after its last byte; `delivered`: the client's connection took that one, too. Only the
        first call counts; a second one is noted as a defect."""
        if self._finished:
            self.defects.note(f"finish({outcome!r}) of a transaction that had ended")
            return
        self._finished = True
        error_type = "" if outcome == "ok" else error_type or outcome
        try:
            self.recorder.end(outcome)
            self.attempts.end_all(error_type or "abandoned")
            for stage in self._trace.stages:
                if stage.recording:
                    stage.end(self._trace.timeline.ns())
            if self._flow.queues:
                self.queues.close_all()
        except Exception as error:
            self.defects.note("the end of a transaction's parts", error)
        self.ledger.close()
        try:
            about, metrics = self._about, self._services.metrics
            metrics.server.outcomes[about.api, about.model, about.stream][outcome].cells[0] += 1
            about.key.requests[outcome].cells[0] += 1
            metrics.server.in_flight[about.api].cells[0] -= 1
            self._services.live.close(self._flow, outcome)
        except Exception as error:
            self.defects.note("the count of an outcome", error)
        self._report(outcome, status, error_type, detail, delivered)

    def _report(self, outcome: Outcome, status: int, error_type: str, detail: str | None, delivered: bool) -> None:
        try:
            summary = Summary(
                outcome=outcome,
                status=status,
                error_type=error_type,
                detail=detail,
                about=self._about,
                total_s=self.ledger.total_s,
                parts=self.ledger.seconds,
                overhead_s=self.ledger.overhead_s,
                ended_ns=self._trace.timeline.after(self.ledger.total_s),
                recorder=self.recorder,
                totals=self.attempts.totals,
                delivered=delivered,
            )
            for step in self._REPORTS if self._taped is None else self._TAPED_REPORTS:
                # Each for itself: where one fails, the others still tell of the transaction.
                try:
                    step(self, summary)
                except Exception as error:
                    self.defects.note(step.__qualname__, error)
        except Exception as error:
            self.defects.note("ObservabilityContext._report", error)

    def _count(self, summary: Summary) -> None:
        summary.count(self._services.metrics, self._trace.exemplar)

    def _end_span(self, summary: Summary) -> None:
        span, end_ns = self._trace.span, summary.ended_ns
        summary.describe_end(span)
        last = self.attempts.spans.last
        # What a policy refused, or did not get to judge, is not told.
        if self.recorder.content is not None and not summary.error_type.startswith("policy_"):
            ended = [SpanEnd(span, end_ns)] if last is None else [last, SpanEnd(span, end_ns)]
            self._services.content.record(self.recorder.content, ended)
            return
        if last is not None:
            last.end()
        span.end(end_ns)

    def _pin(self, summary: Summary) -> None:
        taped = self._taped
        if taped is not None and self._taker is not None and (why := self._taker.pins(taped, summary)) is not None:
            taped.pinned = why
            self._trace.span.set({Attribute.RECORDING_PINNED: why})
            self._trace.event(Event.RECORDING_PINNED, {Attribute.RECORDING_PINNED: why})

    def _end_taping(self, summary: Summary) -> None:
        if (taped := self._taped) is not None and self._taker is not None:
            cache = self.attempts.prompt_cache
            taped.summary, taped.cache_fields = summary, None if cache is None else cache.access_fields()
            self._taker.ended(taped)

    def _note_end(self, summary: Summary) -> None:
        self._trace.moments.ended(summary.as_moment(self.transaction_id, self._services.scrub))

    def _log_access(self, summary: Summary) -> None:
        level = OUTCOME_LEVELS[summary.outcome]
        if not is_logged(level):
            return
        trace, span = self._trace, self._trace.span
        ids = {
            "trace_id": trace.trace_id,
            "span_id": f"{span.span_id:016x}",
            "transaction_id": self.transaction_id,
        }
        line = summary.access_fields(ids)
        if summary.error_type:
            detail = None if summary.detail is None else clean(self._services.scrub, summary.detail, TEXT_LIMIT)
            line |= {"error_type": summary.error_type, "detail": detail}
        if self.attempts.prompt_cache is not None:
            line |= self.attempts.prompt_cache.access_fields()
        if self._taped is not None:
            self._taped.access = line
        log_access(f"{span.name} {summary.outcome}", line, level)

    _REPORTS = (_count, _end_span, _log_access, _note_end)
    _TAPED_REPORTS = (_count, _pin, _end_span, _log_access, _end_taping, _note_end)
