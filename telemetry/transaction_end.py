"""The last step of a transaction: what is known then, as attributes, metrics and one access line."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from telemetry.chunks import Usage
from telemetry.ledger import TimeLedger
from telemetry.metrics import Metrics
from telemetry.names import GATEWAY_SHARE, NOT_A_FAULT, TIME, Attribute, Outcome
from telemetry.recorder import TransactionRecorder
from telemetry.spans import RecordedSpan, Value
from telemetry.traffic_metrics import Exemplar


class End(NamedTuple):
    """How it ended. `error_type` is empty when it went well."""

    outcome: Outcome
    status: int
    error_type: str
    detail: str | None


@dataclass(slots=True)
class Description:
    """What the gateway and the router learnt of a transaction."""

    api: str
    operation: str = "chat"
    model: str = "other"
    provider: str = "other"
    stream: bool = False


def description_attributes(about: Description, policies: Sequence[str] | None) -> dict[str, Value | None]:
    attributes: dict[str, Value | None] = {
        Attribute.OPERATION: about.operation,
        Attribute.REQUEST_MODEL: about.model,
        Attribute.PROVIDER: about.provider,
        Attribute.REQUEST_STREAM: about.stream,
    }
    if policies:
        attributes[Attribute.POLICY] = tuple(policies)
    return attributes


def end_attributes(
    end: End, ledger: TimeLedger, recorder: TransactionRecorder, cost_usd: float | None
) -> dict[str, Value | None]:
    parts = ledger.snapshot()
    attributes: dict[str, Value | None] = {TIME[where]: seconds for where, seconds in parts.items()}
    attributes |= {
        Attribute.HTTP_STATUS: end.status,
        Attribute.OUTCOME: end.outcome,
        Attribute.ERROR_TYPE: end.error_type or None,
        Attribute.TTFT: recorder.ttft_s,
        Attribute.OVERHEAD: sum(parts[where] for where in GATEWAY_SHARE),
        Attribute.CHUNKS_IN: recorder.chunks_in,
        Attribute.CHUNKS_OUT: recorder.chunks_out,
        Attribute.COST: cost_usd,
        Attribute.CLIENT_DISCONNECTED: end.outcome == "client_disconnect",
    }
    return attributes


def end_span(span: RecordedSpan, end: End, attributes: dict[str, Value | None], end_ns: int) -> None:
    span.set(attributes)
    if end.detail:
        span.set_text(Attribute.DETAIL, end.detail)
    if end.outcome not in NOT_A_FAULT:
        span.fail(end.detail or end.error_type)
    span.end(end_ns)


def count_end(
    metrics: Metrics,
    about: Description,
    end: End,
    ledger: TimeLedger,
    recorder: TransactionRecorder,
    usage: Usage | None,
    exemplar: Exemplar,
) -> None:
    children = metrics.server.children(about.operation, about.provider, about.model)
    children.ended(ledger.total, metrics.labels.error_type(end.error_type), exemplar)
    metrics.server.overhead[about.api, "total"].observe(ledger.overhead(), exemplar)
    if recorder.first_chunk_overhead_s is not None:
        metrics.server.overhead[about.api, "first_chunk"].observe(recorder.first_chunk_overhead_s, exemplar)
    if end.outcome == "client_disconnect":
        phase = "streaming" if recorder.bytes_out else "before_first_byte"
        metrics.server.disconnects[about.api, phase].inc()
    if about.stream and recorder.ttft_s is not None:
        children.first_token(recorder.ttft_s, exemplar)
        if usage is not None and usage.completion_tokens > 1:
            children.per_token((ledger.total - recorder.ttft_s) / (usage.completion_tokens - 1), exemplar)


def tell_end(
    line: dict[str, object], about: Description, end: End, ledger: TimeLedger, recorder: TransactionRecorder
) -> None:
    """In a line of the access log."""
    line["outcome"] = end.outcome
    line["status"] = end.status
    line["api"] = about.api
    line["model"] = about.model
    line["provider"] = about.provider
    line["stream"] = about.stream
    line["duration_s"] = round(ledger.total, 6)
    line["ttft_s"] = None if recorder.ttft_s is None else round(recorder.ttft_s, 6)
    line["time"] = {where: round(seconds, 6) for where, seconds in ledger.snapshot().items()}
    line["chunks_in"] = recorder.chunks_in
    line["chunks_out"] = recorder.chunks_out
    line["bytes_out"] = recorder.bytes_out
