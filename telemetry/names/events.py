"""Events of spans, which log records may bear, too: each name with its meaning."""

EVENTS: dict[str, str] = {}
"""What each event means, by its name."""


def event(name: str, text: str) -> str:
    """Declare an event. Returns its name."""
    EVENTS[name] = text
    return name


class Event:
    """Boundary events: the moments of a transaction that are worth a timestamp, never one per chunk."""

    REQUEST_RECEIVED = event("request.received", "The request's body is read and understood.")
    ADMISSION_WAITING = event("admission.waiting", "All deployments have as much to do as they may: it waits.")
    ADMISSION_ADMITTED = event("admission.admitted", "The wait is over: a deployment has room.")
    ADMISSION_REFUSED = event("admission.refused", "No deployment has room, or will have it in time.")
    REQUEST_SENT = event("request.sent", "An attempt at a provider began.")
    UPSTREAM_FIRST_CHUNK = event("upstream.first_chunk", "The provider's first chunk is there.")
    UPSTREAM_FAILOVER = event(
        "upstream.failover", "An attempt failed before the client saw anything of it, and another one follows."
    )
    POLICY_DECISION = event("policy.decision", "A policy said what it did, or failed open.")
    QUEUE_HIGH_WATER = event("queue.high_water", "A queue reached 50, 80 or 100 % of its capacity, once each.")
    BREAKER_STATE_CHANGE = event("breaker.state_change", "A breaker changed its state on account of this transaction.")
    CACHE_MISSED = event("cache.missed", "A provider had the prompt in its cache, and did not read it from there.")
    BUDGET_PASSED = event("budget.passed", "A share of a budget of the caller's key or team was passed.")
    RECORDING_PINNED = event("recording.pinned", "The recordings of this transaction and of some before it are kept.")
    CLIENT_FIRST_BYTE = event("client.first_byte", "The first byte of the answer went to the client.")
    CLIENT_DISCONNECTED = event("client.disconnected", "The client left.")
    RESPONSE_COMPLETED = event("response.completed", "The transaction ended, well or not.")
    EXCEPTION = event("exception", "Something was raised.")
    CONTENT = event(
        "gen_ai.client.inference.operation.details",
        "By opt-in: what was asked and answered, redacted and bounded. A log record, never an event of a span.",
    )


ONCE = frozenset({Event.REQUEST_RECEIVED, Event.CLIENT_FIRST_BYTE, Event.CLIENT_DISCONNECTED, Event.RESPONSE_COMPLETED})
"""Events that a transaction emits once, whoever sees them first."""
