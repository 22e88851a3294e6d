"""The end of a transaction: a summary made once, and its three renderings, as span, metrics and access line."""

from collections.abc import Mapping
from functools import lru_cache

from msgspec import Struct

from telemetry.live.moments import Ended
from telemetry.metrics.instruments import Observed, observe_each
from telemetry.metrics.keys import KeyChildren
from telemetry.metrics.registry import Metrics
from telemetry.metrics.traffic import Exemplar
from telemetry.names import NOT_A_FAULT, Outcome, QuotaLimit, StreamResult, Where
from telemetry.names.spans import TIME, Attribute
from telemetry.recording.recorder import TransactionRecorder
from telemetry.redact import Scrubber, clean
from telemetry.tokens import Tokens
from telemetry.traces.span_shapes import AttributeSet
from telemetry.traces.spans import RecordedSpan
from telemetry.transaction.identity import Identity

_DETAIL_LIMIT = 200
"""Characters."""


class Description(Struct, eq=False):
    """What the gateway and the router learnt of a transaction so far."""

    api: str
    key: KeyChildren
    """The counters of the caller's key, and what is shown of it."""
    operation: str = "chat"
    model: str = "other"
    provider: str = "other"
    stream: bool = False
    head: Mapping[str, object] = {}
    """The fields of the access line that are known from the request's head."""
    asked_model: str | None = None
    """The model as the client named it, where the configuration has another name for it or none."""
    identity: Identity | None = None
    """Whose it is; None as long as nobody has looked."""
    limit: QuotaLimit | None = None
    """The limit of its key or team that turned it away."""


class AttemptTotals(Struct, frozen=True, kw_only=True):
    """What the attempts of one transaction come to together."""

    attempts: int = 0
    tokens: Tokens | None = None
    """The tokens of all attempts; None where no provider had anything to count."""
    cost_usd: float | None = None
    """US dollars for all attempts at models with a known price; None where there was no such attempt."""
    deployment: str | None = None
    """The deployment that began to answer last; where none did, the one that was asked last."""
    answer_tokens: Tokens | None = None
    """The tokens of the attempt that gave this answer alone."""
    finish_reasons: tuple[str, ...] = ()
    """Why each choice of that answer ended, scrubbed."""

    def add_to(self, line: dict[str, object]) -> None:
        """Add what an access line has of the attempts, of which there were some."""
        line["deployment"] = self.deployment
        line["attempts"] = self.attempts
        # Those after the first one, fallbacks among them.
        line["retries"] = self.attempts - 1
        if self.finish_reasons:
            line["finish_reason"] = ",".join(self.finish_reasons)
        if (tokens := self.tokens) is not None:
            line["input_tokens"] = tokens.prompt
            line["output_tokens"] = tokens.completion
            line["cache_read_tokens"] = tokens.cache_read
            line["cache_write_tokens"] = tokens.cache_write
            line["reasoning_tokens"] = tokens.reasoning
            if tokens.is_estimated:
                line["usage_estimated"] = True
        if self.cost_usd is not None:
            line["cost_usd"] = self.cost_usd

    @property
    def retries(self) -> int:
        """Attempts after the first one, fallbacks among them."""
        return max(0, self.attempts - 1)


@lru_cache(256)
def key_attributes(key: KeyChildren) -> AttributeSet:
    """The attributes of a transaction's span that tell whose key it came with."""
    return AttributeSet(key.identity.attributes)


@lru_cache(1024)
def description_attributes(
    operation: str, model: str, provider: str, stream: bool, policies: tuple[str, ...]
) -> AttributeSet:
    """The attributes of a transaction's span that describe it. All are labels, of which there are not many."""
    return AttributeSet(
        {
            Attribute.TRANSACTION_OPERATION: operation,
            Attribute.TRANSACTION_MODEL: model,
            Attribute.PROVIDER: provider,
            Attribute.TRANSACTION_STREAM: stream,
            Attribute.POLICY: policies or None,
        }
    )


class Summary(Struct, kw_only=True, eq=False):
    """Everything known of a transaction that has ended. `error_type` is empty if it went well; times are in seconds."""

    outcome: Outcome
    status: int
    error_type: str
    detail: str | None
    about: Description
    total_s: float
    parts: Mapping[Where, float]
    """The time ledger."""
    overhead_s: float
    """The time that the gateway itself answers for."""
    ended_ns: int
    """When it ended, in Unix nanoseconds."""
    recorder: TransactionRecorder
    """Holds first token, chunks and bytes; it no longer counts."""
    totals: AttemptTotals
    delivered: bool = False
    """Whether the client's connection took the last of the response."""

    @property
    def stream_result(self) -> StreamResult | None:
        """What the client got of its stream; None if it asked for none, or was refused before one began."""
        # An error's body is no beginning of a stream.
        begun = self.recorder.bytes_out > 0 and self.status < 400
        if not self.about.stream:
            return None
        if self.outcome == "client_disconnect":
            return "left" if begun else "unanswered"
        if not begun:
            return None
        if not self.delivered:
            return "cut"
        return "complete" if self.outcome in NOT_A_FAULT else "failed"

    def describe_end(self, span: RecordedSpan) -> None:
        """Put what is known onto the transaction's span, which still has to be ended."""
        # A span that is only kept goes into a recording, which has all of this itself.
        if span.sampled and span.recording:
            for where, seconds in self.parts.items():
                span.varying[TIME[where]] = seconds
            span.varying.update(
                {
                    Attribute.HTTP_STATUS: self.status,
                    Attribute.OUTCOME: self.outcome,
                    Attribute.ERROR_TYPE: self.error_type or None,
                    Attribute.TTFT: self.recorder.ttft_s,
                    Attribute.OVERHEAD: self.overhead_s,
                    Attribute.CHUNKS_IN: self.recorder.chunks_in,
                    Attribute.CHUNKS_OUT: self.recorder.chunks_out,
                    Attribute.COST: self.totals.cost_usd,
                    Attribute.CLIENT_DISCONNECTED: self.outcome == "client_disconnect",
                }
            )
        if self.detail:
            span.set_text(Attribute.DETAIL, self.detail)
        if self.outcome not in NOT_A_FAULT:
            span.fail(self.detail or self.error_type)

    def count(self, metrics: Metrics, exemplar: Exemplar) -> None:
        about, recorder, totals, overhead = self.about, self.recorder, self.totals, metrics.server.overhead
        children = metrics.server.children[about.operation, about.provider, about.model]
        if totals.tokens is not None:
            about.key.tokens.count(totals.tokens)
        if totals.cost_usd:
            about.key.cost.cells[0] += totals.cost_usd
        observed: list[Observed] = [
            (children.duration[metrics.labels.error_type[self.error_type]], self.total_s, exemplar),
            (overhead[about.api, "total"], self.overhead_s, exemplar),
        ]
        if recorder.first_chunk_overhead_s is not None:
            observed.append((overhead[about.api, "first_chunk"], recorder.first_chunk_overhead_s, exemplar))
        if self.outcome == "client_disconnect":
            phase = "streaming" if recorder.bytes_out else "before_first_byte"
            metrics.server.disconnects[about.api, phase].inc()
        if about.stream and (result := self.stream_result) is not None:
            delivery = metrics.delivery.children[about.model]
            delivery.streams[result].cells[0] += 1
            about.key.streams[result].cells[0] += 1
            if result != "unanswered":
                observed.append((delivery.silence, recorder.longest_silence_s, exemplar))
        if about.stream and recorder.ttft_s is not None:
            observed.append((children.ttft, recorder.ttft_s, exemplar))
            tokens = 0 if totals.answer_tokens is None else totals.answer_tokens.completion
            if tokens > 1:
                observed.append((children.per_token, (self.total_s - recorder.ttft_s) / (tokens - 1), exemplar))
        observe_each(observed)

    def as_moment(self, transaction_id: str, scrub: Scrubber) -> Ended:
        """The end as a live view shows it."""
        about, totals = self.about, self.totals
        tokens = totals.tokens
        detail = self.detail if self.outcome == "internal_error" or self.error_type == "unknown_model" else about.limit
        return Ended(
            at=self.ended_ns / 1e9,
            transaction_id=transaction_id,
            model=about.model,
            outcome=self.outcome,
            status=self.status,
            duration_s=self.total_s,
            api=about.api,
            error_type=self.error_type,
            detail=clean(scrub, detail, _DETAIL_LIMIT) if detail else "",
            ttft_s=self.recorder.ttft_s,
            key=about.key.identity.name,
            deployment=totals.deployment,
            attempts=totals.attempts,
            input_tokens=0 if tokens is None else tokens.prompt,
            output_tokens=0 if tokens is None else tokens.completion,
            cost_usd=totals.cost_usd,
        )

    def access_fields(self, ids: Mapping[str, str]) -> dict[str, object]:
        """The fields of the access log's line without the error: `ids`, and then all others."""
        about, recorder, ttft_s = self.about, self.recorder, self.recorder.ttft_s
        # Microseconds by arithmetic: `round` takes six times as long, and most of a line's time.
        line: dict[str, object] = {
            **ids,
            "outcome": self.outcome,
            "status": self.status,
            "api": about.api,
            **about.key.identity.log_fields,
            "model": about.model,
            "provider": about.provider,
            "stream": about.stream,
            "duration_s": (self.total_s * 1e6 + 0.5) // 1 / 1e6,
            "ttft_s": None if ttft_s is None else (ttft_s * 1e6 + 0.5) // 1 / 1e6,
            "time": {where: (seconds * 1e6 + 0.5) // 1 / 1e6 for where, seconds in self.parts.items()},
            "chunks_in": recorder.chunks_in,
            "chunks_out": recorder.chunks_out,
            "bytes_out": recorder.bytes_out,
            **about.head,
        }
        if self.totals.attempts:
            self.totals.add_to(line)
        if about.limit is not None:
            line["limit"] = about.limit
        if about.asked_model is not None:
            line["asked_model"] = about.asked_model
        if about.identity is not None:
            line |= about.identity.log_fields
        return line
