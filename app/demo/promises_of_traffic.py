"""Promises about what clients get: every word, every call, in their own dialect, whatever their pace."""

import json
from collections.abc import Callable, Iterable

from app.demo.calls import APIS
from app.demo.cast import SECRETS
from app.demo.client import Observation
from app.demo.collected import number
from app.demo.evidence import Evidence
from app.demo.waterfall import ledger_of
from telemetry.names import GATEWAY_SHARE, Attribute, Event, Span

_QUEUE = "flowspan.queue policy_out"
_MOST = 0.8


def first(faults: Iterable[str | None]) -> str | None:
    return next((fault for fault in faults if fault is not None), None)


def each(seen: list[Observation], fault_of: Callable[[Observation], str | None]) -> str | None:
    """What is wrong with the first that is not right; none at all is wrong, too."""
    if not seen:
        return "nobody asked"
    faults = ((one, fault_of(one)) for one in seen)
    return first(f"{one.call.api}: {fault}" if fault else None for one, fault in faults)


def in_all(seen: list[Observation]) -> str | None:
    missing = set(APIS) - {one.call.api for one in seen}
    return f"never tried over {', '.join(sorted(missing))}" if missing else None


def answered_fully(seen: Observation) -> str | None:
    heard = seen.heard
    if seen.outcome != "ok":
        return f"{seen.outcome}, status {seen.status} {seen.broken}".strip()
    if heard.text != seen.call.text:
        return f"{len(heard.text)} characters came, {len(seen.call.text)} were expected, or they differ"
    return "the thinking differs" if heard.thinking != seen.call.thinking else None


def _words(evidence: Evidence) -> str | None:
    told = [*evidence.of("chat"), *evidence.of("thinking")]
    forms = {(one.call.api, one.call.stream) for one in told}
    if len(forms) < 2 * len(APIS):
        return "not every form was tried"
    return each(told, answered_fully)


def _tool_calls(evidence: Evidence) -> str | None:
    def fault_of(seen: Observation) -> str | None:
        arguments = list(seen.heard.tools.values())
        if seen.outcome != "ok" or len(arguments) != 1 or seen.heard.tool_names != ["forecast"]:
            return f"{seen.outcome}, {len(arguments)} calls"
        try:
            given = json.loads(arguments[0])
        except ValueError:
            return f"arguments are no JSON: {arguments[0]}"
        return None if given.get("notify") == "[EMAIL]" else f"the address was not redacted: {given}"

    seen = evidence.of("tool call")
    return in_all(seen) or each(seen, fault_of)


def _redaction(evidence: Evidence) -> str | None:
    def fault_of(seen: Observation) -> str | None:
        leaked = [secret for secret in SECRETS.values() if secret in seen.heard.text]
        if leaked:
            return f"leaked {leaked[0]}"
        trace = evidence.trace(seen)
        decided = trace is not None and any(event.name == Event.POLICY_DECISION for event in trace.server.events)
        return answered_fully(seen) or (None if decided else "its trace tells of no decision")

    seen = evidence.of("redacted")
    return in_all(seen) or each(seen, fault_of)


def _slow_readers(evidence: Evidence) -> str | None:
    def fault_of(seen: Observation) -> str | None:
        trace = evidence.trace(seen)
        queue = trace.named(_QUEUE) if trace else None
        if queue is None:
            return "its policy_out queue has no span"
        if number(queue, Attribute.QUEUE_DEPTH_MAX) > number(queue, Attribute.QUEUE_CAPACITY):
            return "a queue held more than its capacity"
        if number(queue, Attribute.QUEUE_PUT_BLOCKED) <= 0:
            return "the upstream was never held back"
        return answered_fully(seen)

    seen = evidence.of("slow reader")
    return in_all(seen) or each(seen, fault_of)


def _bad_requests(evidence: Evidence) -> str | None:
    return _refusals(evidence.of("bad request"), 400, "invalid_request_error")


def _unknown_models(evidence: Evidence) -> str | None:
    return _refusals(evidence.of("unknown model"), 404, "not_found_error")


def _refusals(seen: list[Observation], status: int, kind: str) -> str | None:
    def fault_of(one: Observation) -> str | None:
        body = one.heard.error or {}
        error = body.get("error") or {}
        if one.status != status:
            return f"status {one.status}"
        if error.get("type") != kind or not error.get("message"):
            return f"error type {error.get('type')}"
        if one.call.api == "anthropic_messages":
            return None if body.get("type") == "error" and body.get("request_id") else "not in Anthropic's form"
        return None if set(error) == {"message", "type", "param", "code"} else "not in OpenAI's form"

    return in_all(seen) or each(seen, fault_of)


def _who_was_slow(evidence: Evidence) -> str | None:
    def fault_of(seen: Observation) -> str | None:
        trace = evidence.trace(seen)
        if trace is None:
            return "it has no trace"
        parts = ledger_of(trace.server)
        queue = trace.named(f"{Span.QUEUE} sse")
        held_back = number(queue, Attribute.QUEUE_PUT_BLOCKED) if queue else 0.0
        # How long the upstream took itself depends on how busy this machine is; who held the writer back does not.
        if parts["client"] < _MOST * held_back:
            return f"the writer was held back {held_back:.2f} s, the client is charged {parts['client']:.2f} s"
        worst = max(GATEWAY_SHARE, key=lambda where: parts[where])
        return f"it names {worst}" if parts[worst] >= parts["client"] else None

    return each(evidence.of("slow reader"), fault_of)


TRAFFIC = (
    ("every word and thought arrives, streamed or whole, in every dialect", _words),
    ("tool calls arrive whole, as JSON, with their arguments redacted", _tool_calls),
    ("a redacted stream leaks nothing, and says that it was changed", _redaction),
    ("a slow reader gets every word, and the upstream is held back meanwhile", _slow_readers),
    ("the ledger of a slow reader's stream charges the client, not the gateway", _who_was_slow),
    ("a bad request is a 400 in the caller's dialect", _bad_requests),
    ("an unknown model is a 404 in the caller's dialect", _unknown_models),
)
