"""The metrics of what reached clients: how streams ended for them, and how long they sat before a silent one."""

from collections.abc import Iterable, Mapping
from functools import partial

from prometheus_client import CollectorRegistry

from telemetry.metrics.instruments import ByKey, LeanCounter, LoopHistogram, counter, histogram
from telemetry.names import STREAM_RESULTS, StreamResult
from telemetry.names import metrics as names


class DeliveryChildren:
    """The metrics of one model's streams, looked up once."""

    def __init__(self, metrics: "DeliveryMetrics", model: str) -> None:
        self.streams: dict[StreamResult, LeanCounter] = {
            result: metrics.streams.labels(model, result) for result in STREAM_RESULTS
        }
        self.silence: LoopHistogram = metrics.silence.labels(model)


class DeliveryMetrics:
    """The metrics of streams by model; those of `models` stand at zero from the start, others from their first look-up
    on."""

    def __init__(self, registry: CollectorRegistry, models: Iterable[str]) -> None:
        self.streams = counter(names.STREAMS_DELIVERED, registry)
        self.silence = histogram(names.LONGEST_SILENCE, registry)
        self.children: Mapping[str, DeliveryChildren] = ByKey(partial(DeliveryChildren, self))
        """By the label of the model."""
        self.register(models)

    def register(self, models: Iterable[str]) -> None:
        """Have the metrics of these models stand at zero."""
        for model in models:
            self.children[model]
