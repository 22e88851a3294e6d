"""What metrics, spans, access log and clients say of the same requests, and where they contradict each other.

Everything is plain data, so that it is the same whether it came from a gateway in this process or from another one:
`complaints(books, visits)` is empty if the account is right.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from prometheus_client.metrics_core import Metric
from prometheus_client.samples import Sample

from telemetry.names.spans import TIME
from tests.lab.clients import Seen
from tests.lab.mix import Plan

Verdict = Literal["finished", "failed", "cut", "unknown"]
_FINISHED = (b"data: [DONE]", b"event: message_stop", b"event: response.completed", b"event: response.incomplete")
_FAILED = (b"event: error", b'data: {"error"', b"event: response.failed")
_COUNTED = ("_total", "_sum", "_count", "_bucket")
_ADDS_UP = 0.01
_PARTS = {"input": ("input", "cache_read", "cache_write"), "output": ("output", "reasoning")}
_NO_OUTPUT = "openai_embeddings"


def _key(sample: Sample) -> tuple[str, tuple[tuple[str, str], ...]]:
    return sample.name, tuple(sorted(sample.labels.items()))


@dataclass(frozen=True)
class Visit:
    plan: Plan
    seen: Seen


@dataclass
class TransactionRecord:
    """One transaction, as its spans have it."""

    attributes: Mapping[str, Any]
    seconds: float
    attempts: list[Mapping[str, Any]] = field(default_factory=list)
    queues: list[Mapping[str, Any]] = field(default_factory=list)

    @property
    def id(self) -> str:
        return str(self.attributes["flowspan.transaction_id"])

    @property
    def outcome(self) -> str:
        return str(self.attributes["flowspan.outcome"])


class Sheet:
    """Metrics as they stood at one moment."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self.samples = [sample for family in families for sample in family.samples]

    def sum(self, name: str, **labels: str) -> float:
        return sum(one.value for one in self.samples if one.name == name and labels.items() <= one.labels.items())

    def by(self, name: str, label: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for one in self.samples:
            if one.name == name:
                found[one.labels[label]] = found.get(one.labels[label], 0.0) + one.value
        return found

    def since(self, earlier: "Sheet") -> "Sheet":
        """What was counted after an earlier one; gauges as they stand."""
        before = {_key(one): one.value for one in earlier.samples}
        sheet = Sheet(())
        sheet.samples = [
            one._replace(value=one.value - before.get(_key(one), 0.0)) if one.name.endswith(_COUNTED) else one
            for one in self.samples
        ]
        return sheet


@dataclass(frozen=True)
class Books:
    records: Sequence[TransactionRecord]
    lines: Sequence[Mapping[str, Any]]
    """The lines of the access log."""
    sheet: Sheet


def complaints(books: Books, visits: Sequence[Visit], strangers: int = 0) -> list[str]:
    """`strangers` is how many requests more there may have been, of clients of which no visit tells."""
    return [
        *_one_outcome_each(books),
        *_nothing_is_left(books.sheet),
        *(fault for record in books.records for fault in (*_ledger(record), *_queues(record))),
        *_sums(books),
        *_tokens(books, visits),
        *_keys(books),
        *_clients(books, visits, strangers),
    ]


def verdict(seen: Seen) -> Verdict:
    """What a careful client makes of what it read; unknown where it read only a part, of its own will."""
    if seen.status >= 400:
        return "failed"
    if "event-stream" in seen.headers.get("content-type", ""):
        finished, failed = _first(_FINISHED, seen.body), _first(_FAILED, seen.body)
        if failed < finished:
            return "failed"
        # A provider may go on after its last word, which nobody reads.
        if finished < len(seen.body) and seen.end == "complete":
            return "finished"
    elif seen.end == "complete" and seen.status:
        return "finished"
    return "cut" if seen.end in ("cut", "complete") else "unknown"


def _first(marks: Sequence[bytes], body: bytes) -> int:
    """Where the first of them is; the body's length if there is none."""
    return min((at for mark in marks if (at := body.find(mark)) >= 0), default=len(body))


def _one_outcome_each(books: Books) -> Iterator[str]:
    metric = {name: count for name, count in books.sheet.by("flowspan_requests_total", "outcome").items() if count}
    spans = Counter(record.outcome for record in books.records)
    lines = Counter(str(line["outcome"]) for line in books.lines)
    if not metric == spans == lines:
        yield f"outcomes differ: metric {metric}, spans {dict(spans)}, log {dict(lines)}"
    by_id = Counter(record.id for record in books.records)
    if twice := [id for id, count in by_id.items() if count > 1]:
        yield f"{len(twice)} transactions have two SERVER spans, as {twice[0]}"
    logged = {str(line["transaction_id"]): line for line in books.lines}
    for lost in logged.keys() - by_id.keys():
        yield f"{lost} has no SERVER span, but a line: {logged[lost]}"
    for record in books.records:
        line = logged.get(record.id)
        if line is None:
            yield f"{record.id} has no line in the log"
        elif (line["outcome"], line["status"]) != (
            record.outcome,
            record.attributes["http.response.status_code"],
        ):
            yield f"{record.id}: the log says {line['outcome']} {line['status']}, the span {record.attributes}"


def _nothing_is_left(sheet: Sheet) -> Iterator[str]:
    for name in ("flowspan_streams_in_flight", "flowspan_queue_depth_items", "flowspan_queue_bytes"):
        if left := sheet.sum(name):
            yield f"{name} is {left:g} after the last request"


def _ledger(record: TransactionRecord) -> Iterator[str]:
    parts = sum(float(record.attributes[name]) for name in TIME.values())
    if abs(parts - record.seconds) > _ADDS_UP * record.seconds + 0.002:
        yield f"{record.id} took {record.seconds:.4f} s, its ledger has {parts:.4f} s"


def _queues(record: TransactionRecord) -> Iterator[str]:
    """What went into a queue came out of it; the formatter took what nobody discarded."""
    for queue in record.queues:
        name, came, left = (queue[f"flowspan.queue.{key}"] for key in ("name", "items_in", "items_out"))
        if came != left:
            yield f"{record.id}: {came} items into {name}, {left} out of it"
        if name == "policy_out":
            formatted, lost = record.attributes["flowspan.chunks_out"], queue["flowspan.queue.discarded"]
            if not left - lost <= formatted <= left:
                yield f"{record.id}: of {left} chunks {formatted} were formatted and {lost} discarded"


def lost_chunks(books: Books) -> list[str]:
    """Where no policy takes any away, each chunk of a stream that went well went into the first queue."""
    return [
        f"{record.id}: {record.attributes['flowspan.chunks_in']} chunks in, {queue['flowspan.queue.items_in']} went on"
        for record in books.records
        for queue in record.queues
        if record.outcome == "ok" and queue["flowspan.queue.name"] == "policy_out"
        if record.attributes["flowspan.chunks_in"] != queue["flowspan.queue.items_in"]
    ]


def _sums(books: Books) -> Iterator[str]:
    sheet = books.sheet
    queues = [queue for record in books.records for queue in record.queues]
    for name in ("policy_out", "sse"):
        for metric, key in (("enqueued", "items_in"), ("dequeued", "items_out"), ("discarded", "discarded")):
            counted = sheet.sum(f"flowspan_queue_{metric}_items_total", queue=name)
            spans = sum(one[f"flowspan.queue.{key}"] for one in queues if one["flowspan.queue.name"] == name)
            if counted != spans:
                yield f"queue {name}: {counted:g} {metric} by the metric, {spans} by the spans"
    for metric, key in (("flowspan_upstream_chunks_total", "chunks_in"), ("flowspan_client_bytes_total", "bytes_out")):
        counted, logged = sheet.sum(metric), sum(line[key] for line in books.lines)
        if counted != logged:
            yield f"{metric} is {counted:g}, the log has {logged}"
    seconds, ledger = (
        sheet.sum("flowspan_stream_seconds_total"),
        sum(record.seconds for record in books.records),
    )
    if abs(seconds - ledger) > _ADDS_UP * ledger + 0.1:
        yield f"flowspan_stream_seconds_total is {seconds:.3f}, the spans have {ledger:.3f}"
    attempts = sum(len(record.attempts) for record in books.records)
    if (counted := sheet.sum("flowspan_upstream_attempts_total")) != attempts:
        yield f"{counted:g} attempts by the metric, {attempts} by the spans"


def _tokens(books: Books, visits: Sequence[Visit]) -> Iterator[str]:
    """Each attempt has what its provider counted: all of it if it went well, never more. Of one that broke off before
    the provider had counted, the rest is estimated."""
    answers = {str(visit.plan.number): visit.plan.answer for visit in visits}
    sums = {"input": 0, "output": 0}
    for record in books.records:
        for attempt in record.attempts:
            for kind in sums:
                sums[kind] += int(attempt.get(f"gen_ai.usage.{kind}_tokens") or 0)
            answer = answers.get(str(attempt.get("gen_ai.response.id", "")).rpartition("-")[2].rpartition("_")[2])
            if answer is not None and "gen_ai.usage.input_tokens" in attempt:
                counts = {"input": answer.input_tokens, "output": answer.output_tokens}
                yield from _miscounted(record, attempt, counts)
    for kind, total in sums.items():
        if (metric := books.sheet.sum("gen_ai_client_token_usage_sum", gen_ai_token_type=kind)) != total:
            yield f"{metric:g} {kind} tokens by the metric, {total} by the spans"
        parts = sum(books.sheet.sum("flowspan_tokens_total", token_type=part) for part in _PARTS[kind])
        if parts != total:
            yield f"{parts:g} {kind} tokens by their parts, {total} by the spans"


def _miscounted(record: TransactionRecord, attempt: Mapping[str, Any], counts: Mapping[str, int]) -> Iterator[str]:
    """Where an attempt has other tokens than those that its provider counted."""
    found = {kind: int(attempt.get(f"gen_ai.usage.{kind}_tokens") or 0) for kind in counts}
    is_whole = record.outcome == "ok" and "error.type" not in attempt
    if attempt.get("flowspan.usage.estimated"):
        if is_whole:
            yield f"{record.id}: an estimate of a whole answer that its provider counted: {found}"
    elif found["input"] != counts["input"] or found["output"] > counts["output"]:
        yield f"{record.id}: {found} tokens, the provider said {counts}"
    elif is_whole and found["output"] != counts["output"] and record.attributes["flowspan.api"] != _NO_OUTPUT:
        yield f"{record.id}: {found} tokens of a whole answer, the provider said {counts}"


def _keys(books: Books) -> Iterator[str]:
    """What is counted by key adds up to all there was: each request, token and dollar is one key's."""
    sheet = books.sheet
    for name, label in (("requests", "outcome"), ("tokens", "token_type")):
        by_key, in_all = (_counted(sheet, f"flowspan_{kind}{name}_total", label) for kind in ("key_", ""))
        if by_key != in_all:
            yield f"{name} by key {by_key}, in all {in_all}"
    dollars, spent = sheet.sum("flowspan_key_cost_usd_total"), sheet.sum("flowspan_cost_usd_total")
    if abs(dollars - spent) > 1e-9 * spent:
        yield f"{dollars:g} dollars by key, {spent:g} in all"


def _counted(sheet: Sheet, name: str, label: str) -> dict[str, float]:
    """What there was any of: series of a kind that never came may be there at zero, or not at all."""
    return {value: count for value, count in sheet.by(name, label).items() if count}


def _clients(books: Books, visits: Sequence[Visit], strangers: int) -> Iterator[str]:
    """What each client saw is what was told of its request: no failure looks like success, and the other way round."""
    by_id = {record.id: record for record in books.records}
    ids = Counter(visit.seen.request_id for visit in visits if visit.seen.request_id)
    if twice := [id for id, count in ids.items() if count > 1]:
        yield f"{twice[0]} was given to two clients"
    if not len(ids) <= len(by_id) <= len(visits) + strangers:
        yield f"{len(visits)} requests, {len(ids)} answers with an id, {len(by_id)} transactions"
    for visit in visits:
        seen, record = visit.seen, by_id.get(visit.seen.request_id)
        who = f"plan {visit.plan.number} ({visit.plan.path}, {visit.plan.model}, {visit.plan.manner})"
        if seen.end == "silent":
            yield f"{who} waited {visit.plan.manner.timeout:g} s in vain"
        elif record is None:
            if seen.status or (visit.plan.manner.leaves == "never" and not visit.plan.manner.half_closes):
                yield f"{who} saw {seen.status} ({seen.end}), and no transaction was told of"
        elif fault := _contradiction(visit, record):
            yield f"{who}: {fault}"


def _contradiction(visit: Visit, record: TransactionRecord) -> str | None:
    seen = visit.seen
    if seen.status != record.attributes["http.response.status_code"]:
        return f"it saw {seen.status}, the span says {record.attributes['http.response.status_code']}"
    made = verdict(seen)
    if made == "finished" and record.outcome != "ok":
        return f"it has a whole answer, the outcome is {record.outcome}"
    if made == "cut" and visit.plan.manner.half_closes and any(mark in seen.body for mark in _FINISHED):
        # A client that closes as the last event reaches it has its whole answer, though not the end of HTTP's framing.
        return None
    if made in ("failed", "cut") and record.outcome == "ok":
        return f"its answer is {made}, the outcome is ok: {seen.body[-200:]!r}"
    return None
