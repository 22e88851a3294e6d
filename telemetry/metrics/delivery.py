"""The metrics of what reached clients: how streams ended for them, and how long they sat before a silent one."""

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter

from telemetry.metrics.instruments import Bounded, BulkHistogram, counter, histogram
from telemetry.names import STREAM_RESULTS, StreamResult
from telemetry.names import metrics as names


class DeliveryChildren:
    """The metrics of one model's streams, looked up once."""

    def __init__(self, metrics: "DeliveryMetrics", model: str) -> None:
        self.streams: dict[StreamResult, Counter] = {
            result: metrics.streams.labels(model, result) for result in STREAM_RESULTS
        }
        self.silence: BulkHistogram = metrics.silence.labels(model)


class DeliveryMetrics:
    """The metrics of streams by model; those of `models` stand at zero from the start, others from the first `of`."""

    def __init__(self, registry: CollectorRegistry, model: Bounded, models: Iterable[str]) -> None:
        self.streams = counter(names.STREAMS_DELIVERED, registry)
        self.silence = histogram(names.LONGEST_SILENCE, registry)
        self._model = model
        self._children: dict[str, DeliveryChildren] = {}
        for each in models:
            self.of(each)

    def of(self, model: str) -> DeliveryChildren:
        found = self._children.get(model)
        if found is None:
            label = self._model(model)
            found = self._children[label] = self._children.get(label) or DeliveryChildren(self, label)
        return found
