"""Everything that the bounded run leaves behind: what clients saw, what the gateway exported, what a scrape says."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from opentelemetry.sdk.trace import ReadableSpan
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from app.demo.clients.client import Observation
from app.demo.gateway.traces import Trace, text, traces_of
from telemetry.names.events import Event
from telemetry.names.metrics import BREAKER_TRANSITIONS_TOTAL, IN_FLIGHT, QUEUE_OVERFLOWS, REQUESTS, MetricSpec
from telemetry.names.spans import Attribute


@dataclass(frozen=True)
class Scrape:
    """What /metrics says, read from the text that a Prometheus would get."""

    samples: tuple[Sample, ...]

    @property
    def outcomes(self) -> Counter[str]:
        """Transactions that ended, by outcome; outcomes without any are left out."""
        return self._by(REQUESTS, "outcome")

    @property
    def in_flight(self) -> int:
        return self._by(IN_FLIGHT, "api").total()

    @property
    def overflows(self) -> int:
        return self._by(QUEUE_OVERFLOWS, "queue").total()

    def transitions(self, breaker: str) -> Counter[tuple[str, str]]:
        """How often a breaker changed its state, by (from, to)."""
        counted: Counter[tuple[str, str]] = Counter()
        for sample in self._of(BREAKER_TRANSITIONS_TOTAL):
            if sample.labels["breaker"] == breaker and sample.value:
                counted[sample.labels["from_state"], sample.labels["to_state"]] += int(sample.value)
        return counted

    def _by(self, metric: MetricSpec, label: str) -> Counter[str]:
        counted: Counter[str] = Counter()
        for sample in self._of(metric):
            if sample.value:
                counted[sample.labels[label]] += int(sample.value)
        return counted

    def _of(self, metric: MetricSpec) -> list[Sample]:
        return [sample for sample in self.samples if sample.name == metric.name]


def read_scrape(text: str) -> Scrape:
    families = text_string_to_metric_families(text)
    return Scrape(tuple(sample for family in families for sample in family.samples))


@dataclass(frozen=True)
class Change:
    """A breaker's change of state, as its boundary event has it."""

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
        return [observation for observation in self.observations if observation.call.title == title]

    @cached_property
    def traces(self) -> dict[str, Trace]:
        return traces_of(self.spans)

    @cached_property
    def changes(self) -> tuple[Change, ...]:
        """Every change of a breaker's state, in order of time."""
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
    def outcomes_of_clients(self) -> Counter[str]:
        return Counter(observation.outcome for observation in self.observations)

    @property
    def outcomes_of_traces(self) -> Counter[str]:
        return Counter(trace.outcome for trace in self.traces.values())

    def trace(self, observation: Observation) -> Trace | None:
        return self.traces.get(observation.transaction_id)
