"""Changes of breakers on their way to telemetry.

A breaker's listener knows no request. Changes are noted while a breaker is asked and told, right after and without an
await in between, to the telemetry of the request on whose account they happened.
"""

from app.pipeline.breaker import Transition
from telemetry.context import ObservabilityContext


class Transitions:
    def __init__(self) -> None:
        self._noted: list[Transition] = []

    def note(self, transition: Transition) -> None:
        self._noted.append(transition)

    def tell(self, obs: ObservabilityContext) -> None:
        if not self._noted:
            return
        noted, self._noted = self._noted, []
        for change in noted:
            obs.breaker_transition(change.breaker, change.from_state.value, change.to_state.value, change.reason)
