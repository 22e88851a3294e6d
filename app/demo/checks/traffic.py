"""Promises about what clients get: every word, every call, in their own dialect, whatever their pace."""

import json
from collections.abc import Callable, Iterable

from app.demo.checks.evidence import Evidence
from app.demo.clients.calls import APIS
from app.demo.clients.client import Observation
from app.demo.gateway.scenario import SECRETS
from app.demo.gateway.traces import ledger_of, number
from telemetry.names import GATEWAY_SHARE
from telemetry.names.events import Event
from telemetry.names.spans import Attribute, Span

_QUEUE = f"{Span.QUEUE} policy_out"
_MOST = 0.8


def first(faults: Iterable[str | None]) -> str | None:
    return next((fault for fault in faults if fault is not None), None)


def each(observations: list[Observation], fault_of: Callable[[Observation], str | None]) -> str | None:
    """What is wrong with the first faulty observation; an empty list is a fault, too."""
    if not observations:
        return "nobody asked"
    faults = ((one, fault_of(one)) for one in observations)
    return first(f"{one.call.api}: {fault}" if fault else None for one, fault in faults)


def in_all(observations: list[Observation]) -> str | None:
    missing = set(APIS) - {one.call.api for one in observations}
    return f"never tried over {', '.join(sorted(missing))}" if missing else None


def answered_fully(observation: Observation) -> str | None:
    transcript = observation.transcript
    if observation.outcome != "ok":
        return f"{observation.outcome}, status {observation.status} {observation.broken}".strip()
    if transcript.text != observation.call.text:
        return f"{len(transcript.text)} characters came, {len(observation.call.text)} were expected, or they differ"
    return "the thinking differs" if transcript.thinking != observation.call.thinking else None


def _words(evidence: Evidence) -> str | None:
    observations = [*evidence.of("chat"), *evidence.of("thinking")]
    forms = {(one.call.api, one.call.stream) for one in observations}
    if len(forms) < 2 * len(APIS):
        return "not every form was tried"
    return each(observations, answered_fully)


def _tool_calls(evidence: Evidence) -> str | None:
    def fault_of(observation: Observation) -> str | None:
        arguments = list(observation.transcript.tools.values())
        if observation.outcome != "ok" or len(arguments) != 1 or observation.transcript.tool_names != ["forecast"]:
            return f"{observation.outcome}, {len(arguments)} calls"
        try:
            given = json.loads(arguments[0])
        except ValueError:
            return f"arguments are no JSON: {arguments[0]}"
        return None if given.get("notify") == "[EMAIL]" else f"the address was not redacted: {given}"

    observations = evidence.of("tool call")
    return in_all(observations) or each(observations, fault_of)


def _redaction(evidence: Evidence) -> str | None:
    def fault_of(observation: Observation) -> str | None:
        leaked = [secret for secret in SECRETS.values() if secret in observation.transcript.text]
        if leaked:
            return f"leaked {leaked[0]}"
        trace = evidence.trace(observation)
        decided = trace is not None and any(event.name == Event.POLICY_DECISION for event in trace.server.events)
        return answered_fully(observation) or (None if decided else "its trace tells of no decision")

    observations = evidence.of("redacted")
    return in_all(observations) or each(observations, fault_of)


def _slow_readers(evidence: Evidence) -> str | None:
    def fault_of(observation: Observation) -> str | None:
        trace = evidence.trace(observation)
        queue = trace.named(_QUEUE) if trace else None
        if queue is None:
            return "its policy_out queue has no span"
        if number(queue, Attribute.QUEUE_DEPTH_MAX) > number(queue, Attribute.QUEUE_CAPACITY):
            return "a queue held more than its capacity"
        if number(queue, Attribute.QUEUE_PUT_BLOCKED) <= 0:
            return "the upstream was never held back"
        return answered_fully(observation)

    observations = evidence.of("slow reader")
    return in_all(observations) or each(observations, fault_of)


def _bad_requests(evidence: Evidence) -> str | None:
    return _refusals(evidence.of("bad request"), 400, "invalid_request_error")


def _unknown_models(evidence: Evidence) -> str | None:
    return _refusals(evidence.of("unknown model"), 404, "not_found_error")


def _refusals(observations: list[Observation], status: int, kind: str) -> str | None:
    def fault_of(one: Observation) -> str | None:
        body = one.transcript.error or {}
        error = body.get("error") or {}
        if one.status != status:
            return f"status {one.status}"
        if error.get("type") != kind or not error.get("message"):
            return f"error type {error.get('type')}"
        if one.call.api == "anthropic_messages":
            return None if body.get("type") == "error" and body.get("request_id") else "not in Anthropic's form"
        return None if set(error) == {"message", "type", "param", "code"} else "not in OpenAI's form"

    return in_all(observations) or each(observations, fault_of)


def _who_was_slow(evidence: Evidence) -> str | None:
    def fault_of(observation: Observation) -> str | None:
        trace = evidence.trace(observation)
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
