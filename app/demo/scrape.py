"""What /metrics says, read from the text that a Prometheus would get."""

from collections import Counter
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from telemetry.names import BREAKER_TRANSITIONS_TOTAL, IN_FLIGHT, QUEUE_OVERFLOWS, REQUESTS, MetricSpec


@dataclass(frozen=True)
class Scrape:
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
        """By (from, to)."""
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
