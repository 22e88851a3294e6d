"""Promises about what goes wrong: providers that fail, clients that leave or never read."""

from app.demo.checks.evidence import Evidence
from app.demo.checks.traffic import answered_fully, each, in_all
from app.demo.clients.client import Observation
from app.demo.gateway.scenario import FLAKY
from app.demo.gateway.traces import ended, text
from telemetry.names.events import Event
from telemetry.names.spans import Attribute

_CYCLE = [("closed", "open"), ("open", "half_open"), ("half_open", "closed")]
_CLOSES_WITHIN = 1.0


def _breaker(evidence: Evidence) -> str | None:
    changes = [(change.from_state, change.to_state) for change in evidence.changes if change.breaker == FLAKY]
    if changes != _CYCLE:
        return f"the traces tell of {changes}"
    counted = evidence.scrape.transitions(FLAKY)
    return None if dict(counted) == dict.fromkeys(_CYCLE, 1) else f"/metrics counts {dict(counted)}"


def _nobody_noticed(evidence: Evidence) -> str | None:
    retried = [
        observation
        for observation in evidence.of("failing")
        if (trace := evidence.trace(observation)) and len(trace.attempts) > 1
    ]
    if not retried:
        return "no call was ever retried"
    linked = [trace.attempts[1].links for observation in retried if (trace := evidence.trace(observation))]
    if not all(linked):
        return "a retry has no link to the attempt before"
    return each(evidence.of("failing"), answered_fully)


def _fallback(evidence: Evidence) -> str | None:
    def fault_of(observation: Observation) -> str | None:
        trace = evidence.trace(observation)
        asked = [text(attempt, Attribute.DEPLOYMENT) for attempt in trace.attempts] if trace else []
        return answered_fully(observation) or (None if asked[-1:] == ["chat"] else f"asked were {asked}")

    observations = evidence.of("fallback")
    return in_all(observations) or each(observations, fault_of)


def _turned_away(evidence: Evidence) -> str | None:
    turned_away = [observation for observation in evidence.of("down") if observation.outcome == "breaker_open"]

    def fault_of(observation: Observation) -> str | None:
        wanted = 529 if observation.call.api == "anthropic_messages" else 503
        if observation.status != wanted or not observation.retry_after:
            return f"status {observation.status}, retry-after {observation.retry_after or 'missing'}"
        trace = evidence.trace(observation)
        return None if trace and not trace.attempts and trace.server.links else "no link to the trip, or it was tried"

    return in_all(turned_away) or each(turned_away, fault_of)


def _cut_upstream(evidence: Evidence) -> str | None:
    def fault_of(observation: Observation) -> str | None:
        if observation.transcript.ended:
            return "the client was told that its stream was complete"
        return (
            None
            if observation.outcome == "upstream_error" and observation.transcript.text
            else f"outcome {observation.outcome}"
        )

    observations = evidence.of("cut upstream")
    return in_all(observations) or each(observations, fault_of)


def _overflow(evidence: Evidence) -> str | None:
    def fault_of(observation: Observation) -> str | None:
        if observation.transcript.ended:
            return "the client was told that its stream was complete"
        trace = evidence.trace(observation)
        if trace is None or trace.outcome != "overflow":
            return f"outcome {trace.outcome if trace else 'unknown'}"
        return (
            None
            if observation.outcome == "overflow"
            else f"the client saw {observation.outcome} {observation.broken}".strip()
        )

    observations = evidence.of("stuck reader")
    return each(observations, fault_of) or (None if evidence.scrape.overflows else "/metrics counts no overflow")


def _departure(evidence: Evidence) -> str | None:
    def fault_of(observation: Observation) -> str | None:
        trace = evidence.trace(observation)
        if trace is None or trace.outcome != "client_disconnect" or observation.left_ns is None:
            return f"outcome {trace.outcome if trace else 'unknown'}"
        if not any(event.name == Event.CLIENT_DISCONNECTED for event in trace.server.events):
            return "its trace does not tell that the client left"
        waits = [(ended(attempt) - observation.left_ns) / 1e9 for attempt in trace.attempts]
        if len(waits) != 1 or text(trace.attempts[0], Attribute.ERROR_TYPE) != "cancelled":
            return "its upstream was not cancelled"
        return None if waits[0] <= _CLOSES_WITHIN else f"the upstream went on for {waits[0]:.2f} s"

    observations = evidence.of("leaves")
    return in_all(observations) or each(observations, fault_of)


FAULTS = (
    ("a failing deployment's breaker opens, lets a probe through and closes again", _breaker),
    ("while it fails no caller notices: another deployment answers, linked as a retry", _nobody_noticed),
    ("where no deployment of a model answers, its fallback does", _fallback),
    ("an open breaker turns callers away at once (503, 529) with retry-after", _turned_away),
    ("a stream that the provider cuts off never looks complete", _cut_upstream),
    ("a client that stops reading loses its stream by name: overflow", _overflow),
    ("a client that leaves closes its upstream within a second", _departure),
)
