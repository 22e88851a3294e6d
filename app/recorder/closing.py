"""Who ended an exchange, or an attempt, before it was complete."""

from app.recorder.recording import Party
from telemetry import AttemptTape
from telemetry.names import Outcome

_PROVIDERS = frozenset(
    {"upstream_error", "upstream_timeout", "upstream_truncated", "upstream_unreachable", "upstream_proxy_failed"}
)
_REFUSALS = frozenset({"upstream_rejected", "context_overflow", "content_refused", "model_not_found"})
"""What a provider refused; it is the client's fault, yet the provider ended it."""


def closed_by(outcome: Outcome, error_type: str) -> Party | None:
    """Who ended an exchange first; None for one that was answered to its end."""
    if outcome == "ok":
        return None
    if outcome == "client_disconnect":
        return "client"
    return "provider" if error_type in _PROVIDERS or error_type in _REFUSALS else "gateway"


def closed_by_of_attempt(tape: AttemptTape, exchange: Party | None) -> Party | None:
    """Who ended an attempt's answer first; None for one that was complete, an error with a status among them.
    `exchange` is who ended the whole exchange: an attempt that nobody wanted any more ended with it."""
    if not tape.error_type:
        return None
    if tape.error_type in _PROVIDERS or tape.error_type in _REFUSALS:
        is_whole = tape.error_type in _REFUSALS or (tape.error_type == "upstream_error" and tape.status is not None)
        return None if is_whole else "provider"
    return exchange if tape.error_type in ("cancelled", "abandoned") and exchange is not None else "gateway"
