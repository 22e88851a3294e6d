"""Evidence made by hand: a run in which all went well, for tests to change one thing of."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Event as SpanEvent
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import Link, SpanContext, SpanKind, TraceFlags
from prometheus_client.samples import Sample

from app.demo.checks.evidence import Evidence, Scrape
from app.demo.clients.calls import (
    APIS,
    Api,
    Call,
    bad,
    contacts,
    down,
    flaky,
    fragile,
    leave,
    severed,
    slow,
    stuck,
    talk,
    think,
    unknown,
    use_tool,
)
from app.demo.clients.client import Observation
from app.demo.clients.transcript import Transcript
from app.demo.gateway.scenario import FLAKY
from telemetry.names import WHERE
from telemetry.names.events import Event
from telemetry.names.spans import TIME, Attribute

BEGAN = 1_700_000_000_000_000_000
MS = 1_000_000
CYCLE = (("closed", "open"), ("open", "half_open"), ("half_open", "closed"))
_LENGTH = 1000
_RESOURCE = Resource.get_empty()


@dataclass
class Below:
    """A span under a transaction's; times in milliseconds of the transaction."""

    name: str
    attributes: dict[str, Any] = field(default_factory=dict)
    kind: SpanKind = SpanKind.INTERNAL
    start: int = 0
    end: int = _LENGTH
    linked: bool = False
    orphan: bool = False


@dataclass
class Transaction:
    """One transaction, from both sides."""

    observation: Observation
    outcome: str
    below: list[Below] = field(default_factory=list)
    events: list[tuple[str, int, dict[str, Any]]] = field(default_factory=list)
    parts: dict[str, float] = field(default_factory=dict)
    linked: bool = False
    servers: int = 1

    def spans(self, number: int) -> list[ReadableSpan]:
        roots = [self._server(number, 1 + 1000 * turn) for turn in range(self.servers)]
        return roots + [self._child(number, 2 + at, below) for at, below in enumerate(self.below)]

    def _server(self, number: int, span_id: int) -> ReadableSpan:
        events = [SpanEvent(name, attributes, BEGAN + at * MS) for name, at, attributes in self.events]
        attributes: dict[str, Any] = {
            Attribute.TRANSACTION_ID: f"txn_{number}",
            Attribute.OUTCOME: self.outcome,
            Attribute.API: self.observation.call.api,
            Attribute.TRANSACTION_MODEL: self.observation.call.model,
            Attribute.POLICY: ("redact",),
            **{TIME[where]: self.parts.get(where, 0.0) for where in WHERE},
        }
        return ReadableSpan(
            name="POST /v1/chat/completions",
            context=context(number, span_id),
            resource=_RESOURCE,
            kind=SpanKind.SERVER,
            attributes=attributes,
            events=events,
            links=[Link(context(99, 99))] if self.linked else [],
            start_time=BEGAN,
            end_time=BEGAN + _LENGTH * MS,
        )

    def _child(self, number: int, span_id: int, below: Below) -> ReadableSpan:
        return ReadableSpan(
            name=below.name,
            context=context(number, span_id),
            parent=context(number, 777 if below.orphan else 1),
            resource=_RESOURCE,
            kind=below.kind,
            attributes=below.attributes,
            links=[Link(context(number, 2))] if below.linked else [],
            start_time=BEGAN + below.start * MS,
            end_time=BEGAN + below.end * MS,
        )


@dataclass
class Case:
    """`evidence()` counts the scrape from the transactions; `uncounted` is what it then gets wrong."""

    transactions: list[Transaction] = field(default_factory=list)
    transitions: Counter[tuple[str, str]] = field(default_factory=lambda: Counter(CYCLE))
    uncounted: Counter[str] = field(default_factory=Counter)
    overflows: int = 1
    in_flight: int = 0
    errors: tuple[str, ...] = ()
    with_spans: bool = True

    def of(self, title: str) -> list[Transaction]:
        return [transaction for transaction in self.transactions if transaction.observation.call.title == title]

    def evidence(self) -> Evidence:
        for number, transaction in enumerate(self.transactions):
            transaction.observation.transaction_id = f"txn_{number}"
        spans = [span for number, transaction in enumerate(self.transactions) for span in transaction.spans(number)]
        observation = tuple(transaction.observation for transaction in self.transactions)
        return Evidence(observation, tuple(spans) if self.with_spans else (), self._scrape(), self.errors)

    def _scrape(self) -> Scrape:
        counts = Counter(transaction.outcome for transaction in self.transactions) - self.uncounted
        samples = [Sample("flowspan_requests_total", {"outcome": name}, count) for name, count in counts.items()]
        for (old, new), count in self.transitions.items():
            labels = {"breaker": FLAKY, "from_state": old, "to_state": new}
            samples.append(Sample("flowspan_breaker_transitions_total", labels, count))
        samples.append(Sample("flowspan_queue_overflows_total", {"queue": "sse"}, self.overflows))
        samples.append(Sample("flowspan_streams_in_flight", {"api": "openai_chat"}, self.in_flight))
        return Scrape(tuple(samples))


def context(trace: int, span: int) -> SpanContext:
    return SpanContext(trace + 1, span, False, TraceFlags(TraceFlags.SAMPLED))


def good() -> Case:
    """Every promise is kept."""
    case = Case()
    for api in APIS:
        for call in (talk(api), talk(api, stream=False), think(api), think(api, stream=False), flaky(api)):
            case.transactions.append(_answered(call))
        case.transactions.append(_with_tool(use_tool(api)))
        case.transactions.append(_decided(_answered(contacts(api))))
        case.transactions.append(_held_back(_answered(slow(api))))
        case.transactions.append(_failed(bad(api), 400, "invalid_request_error", "client_error"))
        case.transactions.append(_failed(unknown(api), 404, "not_found_error", "client_error"))
        case.transactions.append(_turned_away(down(api)))
        case.transactions.append(
            _cut(severed(api), "api_error" if api == "anthropic_messages" else "server_error", "upstream_error")
        )
        case.transactions.append(_left(leave(api)))
        case.transactions.append(_fell_back(_answered(fragile(api))))
    case.transactions.append(_cut(stuck("anthropic_messages", 1.0), "overloaded_error", "overflow"))
    _trip(case.of("failing")[0])
    return case


def change_one(case: Case, title: str, change: Callable[[Transaction], None]) -> Case:
    """Change the first transaction of a kind."""
    change(case.of(title)[0])
    return case


def _transaction(call: Call, transcript: Transcript, status: int, outcome: str, *below: Below) -> Transaction:
    observation = Observation(call, BEGAN, status=status, transcript=transcript)
    return Transaction(observation, outcome, list(below), parts={"upstream": 0.9, "client": 0.1})


def _attempt(deployment: str, **how: Any) -> Below:
    return Below("chat lorem", {Attribute.DEPLOYMENT: deployment}, SpanKind.CLIENT, **how)


def _answered(call: Call) -> Transaction:
    transcript = Transcript(text=call.text, thinking=call.thinking, ended=True)
    return _transaction(call, transcript, 200, "ok", _attempt(call.model))


def _with_tool(call: Call) -> Transaction:
    transaction = _answered(call)
    transaction.observation.transcript.tool(0, "forecast", '{"notify": "[EMAIL]"}')
    return transaction


def _decided(transaction: Transaction) -> Transaction:
    transaction.events.append((Event.POLICY_DECISION, 500, {Attribute.DECISION: "redacted"}))
    return transaction


def _held_back(transaction: Transaction) -> Transaction:
    figures = {
        Attribute.QUEUE_NAME: "policy_out",
        Attribute.QUEUE_CAPACITY: 16,
        Attribute.QUEUE_DEPTH_MAX: 16,
        Attribute.QUEUE_ITEMS_IN: 40,
        Attribute.QUEUE_ITEMS_OUT: 40,
        Attribute.QUEUE_PUT_BLOCKED: 0.7,
        Attribute.QUEUE_RESIDENCE_P50: 0.002,
    }
    transaction.below.append(Below("flowspan.queue policy_out", figures, start=250, end=750))
    transaction.parts = {"upstream": 0.2, "queue": 0.1, "client": 0.7}
    return _decided(transaction)


def _failed(call: Call, status: int, kind: str, outcome: str) -> Transaction:
    return _transaction(call, Transcript(error=_error(call.api, kind)), status, outcome)


def _error(api: Api, kind: str) -> dict[str, Any]:
    if api != "anthropic_messages":
        return {"error": {"message": "no", "type": kind, "param": None, "code": "no"}}
    return {"type": "error", "error": {"type": kind, "message": "no"}, "request_id": "txn"}


def _turned_away(call: Call) -> Transaction:
    transaction = _failed(call, 529, "overloaded_error", "breaker_open")
    if call.api != "anthropic_messages":
        transaction = _failed(call, 503, "server_error", "breaker_open")
        transaction.observation.transcript.error = {"error": {"type": "server_error", "code": "breaker_open"}}
    transaction.observation.retry_after, transaction.linked = "2", True
    return transaction


def _cut(call: Call, kind: str, outcome: str) -> Transaction:
    transaction = _failed(call, 200, kind, outcome)
    transaction.observation.transcript.text = "half a"
    return transaction


def _left(call: Call) -> Transaction:
    attempt = replace(_attempt(call.model), end=600)
    attempt.attributes[Attribute.ERROR_TYPE] = "cancelled"
    transaction = _transaction(call, Transcript(text="half"), 200, "client_disconnect", attempt)
    transaction.observation.left_ns = BEGAN + 500 * MS
    transaction.events.append((Event.CLIENT_DISCONNECTED, 550, {}))
    return transaction


def _fell_back(transaction: Transaction) -> Transaction:
    transaction.below = [_attempt("fragile", end=10), _attempt("chat", start=10, linked=True)]
    return transaction


def _trip(transaction: Transaction) -> None:
    transaction.below = [_attempt(FLAKY, end=10), _attempt("flaky-west", start=10, linked=True)]
    for at, (old, new) in enumerate(CYCLE):
        attributes = {Attribute.BREAKER: FLAKY, Attribute.FROM_STATE: old, Attribute.TO_STATE: new}
        transaction.events.append((Event.BREAKER_STATE_CHANGE, 100 * at, {**attributes, Attribute.REASON: "tested"}))
