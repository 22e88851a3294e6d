"""Promises about the account itself: one outcome, one whole trace and one ledger that adds up for every request."""

from collections import Counter

from opentelemetry.trace import SpanKind

from app.demo.checks.evidence import Evidence
from app.demo.gateway.traces import Trace, ended, ledger_of, seconds, span_id_of, started, trace_id_of
from telemetry.names.spans import Attribute

_TOLERANCE = 0.01


def _one_outcome_each(evidence: Evidence) -> str | None:
    sent, counted = len(evidence.observations), evidence.scrape.outcomes.total()
    return None if sent and sent == counted else f"{sent} requests were sent, {counted} outcomes counted"


def _all_agree(evidence: Evidence) -> str | None:
    clients, traces, counted = evidence.outcomes_of_clients, evidence.outcomes_of_traces, evidence.scrape.outcomes
    differing = [
        f"{outcome}: clients {clients[outcome]}, traces {traces[outcome]}, /metrics {counted[outcome]}"
        for outcome in sorted({*clients, *traces, *counted})
        if not clients[outcome] == traces[outcome] == counted[outcome]
    ]
    return "; ".join(differing) or None


def _one_by_one(evidence: Evidence) -> str | None:
    """Each request by itself, where `_all_agree` looks at sums."""
    for observation in evidence.observations:
        trace = evidence.trace(observation)
        if trace is None:
            return f"{observation.call.title}: no trace of {observation.transaction_id or 'a request without an id'}"
        if trace.outcome != observation.outcome:
            return f"{observation.call.title}: the client saw {observation.outcome}, its trace says {trace.outcome}"
    return None


def _whole_traces(evidence: Evidence) -> str | None:
    servers = Counter(
        trace_id_of(span)
        for span in evidence.spans
        if span.kind is SpanKind.SERVER and Attribute.TRANSACTION_ID in (span.attributes or {})
    )
    everywhere = {trace_id_of(span) for span in evidence.spans}
    if not everywhere:
        return "no span came: is tracing switched off or sampled by an OTEL_ variable?"
    if set(servers.values()) != {1} or len(servers) != len(evidence.observations):
        return f"{servers.total()} SERVER spans in {len(servers)} traces for {len(evidence.observations)} requests"
    if orphans := everywhere - set(servers):
        return f"{len(orphans)} traces have no SERVER span"
    faults = (_fault_of(trace) for trace in evidence.traces.values())
    return next((fault for fault in faults if fault), None)


def _fault_of(trace: Trace) -> str | None:
    server, known = trace.server, {span_id_of(span) for span in (trace.server, *trace.below)}
    for span in trace.below:
        if span.parent is None or span.parent.span_id not in known:
            return f"{span.name} has no parent in {trace.transaction_id}"
        if not started(server) <= started(span) <= ended(span) <= ended(server):
            return f"{span.name} is not within {server.name} in {trace.transaction_id}"
    return None


def _ledgers(evidence: Evidence) -> str | None:
    if not evidence.traces:
        return "no trace came"
    for trace in evidence.traces.values():
        whole, parts = seconds(trace.server), sum(ledger_of(trace.server).values())
        if abs(whole - parts) > whole * _TOLERANCE:
            return f"{trace.transaction_id} lasted {whole:.4f} s, its ledger has {parts:.4f} s"
    return None


def _nothing_left(evidence: Evidence) -> str | None:
    open_still = evidence.scrape.in_flight
    return f"{open_still} streams are in flight after the last answer" if open_still else None


def _no_errors(evidence: Evidence) -> str | None:
    return f"{len(evidence.errors)}, the first: {evidence.errors[0]}" if evidence.errors else None


ACCOUNTING = (
    ("the sum of outcomes is the number of requests sent", _one_outcome_each),
    ("clients, traces and /metrics agree on every outcome", _all_agree),
    ("every request's client and trace agree on how it ended", _one_by_one),
    ("every trace is whole: one SERVER span, ended last, all others within it", _whole_traces),
    ("every time ledger is within 1 % of its transaction's duration", _ledgers),
    ("nothing is left in flight", _nothing_left),
    ("the gateway logged no error", _no_errors),
)
