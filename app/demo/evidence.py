"""Everything that the bounded run leaves behind: what clients saw, what the gateway exported, what a scrape says."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from opentelemetry.sdk.trace import ReadableSpan

from app.demo.client import Observation
from app.demo.collected import Trace, text, traces_of
from app.demo.scrape import Scrape
from telemetry.names import Attribute, Event


@dataclass(frozen=True)
class Change:
    """A breaker's change of state, as its boundary event told it."""

    at_ns: int
    breaker: str
    from_state: str
    to_state: str
    reason: str


@dataclass(frozen=True)
class Evidence:
    observations: tuple[Observation, ...]
    spans: tuple[ReadableSpan, ...]
    scrape: Scrape
    errors: tuple[str, ...] = ()
    """Errors that the gateway logged."""

    def of(self, title: str) -> list[Observation]:
        return [seen for seen in self.observations if seen.call.title == title]

    @cached_property
    def traces(self) -> dict[str, Trace]:
        return traces_of(self.spans)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """In order of time."""
        events = [event for trace in self.traces.values() for event in trace.server.events]
        changes = [
            Change(
                event.timestamp,
                text(event, Attribute.BREAKER),
                text(event, Attribute.FROM_STATE),
                text(event, Attribute.TO_STATE),
                text(event, Attribute.REASON),
            )
            for event in events
            if event.name == Event.BREAKER_STATE_CHANGE
        ]
        return tuple(sorted(changes, key=lambda change: change.at_ns))

    @property
    def seen_by_clients(self) -> Counter[str]:
        return Counter(seen.outcome for seen in self.observations)

    @property
    def told_by_traces(self) -> Counter[str]:
        return Counter(trace.outcome for trace in self.traces.values())

    def trace(self, seen: Observation) -> Trace | None:
        return self.traces.get(seen.transaction_id)
