"""Changes of breakers, told to the telemetry of the request on whose account they happened."""

from app.breakers.breaker import Transition
from app.breakers.callers import CallerTrip, Changes
from telemetry import ObservabilityContext


def report(changes: Changes, obs: ObservabilityContext) -> None:
    """Tell each change, in order."""
    for change in changes:
        match change:
            case Transition():
                obs.breakers.changed(change.breaker, change.from_state.value, change.to_state.value, change.reason)
            case CallerTrip():
                obs.breakers.caller_kept_out(change.breaker, change.reason)
