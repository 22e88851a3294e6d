"""The metrics of the recorder: what it has written, what it lost and why, what waits, and what the store holds."""

from collections.abc import Mapping
from typing import NamedTuple

from prometheus_client import CollectorRegistry

from telemetry.metrics.instruments import counter, gauge
from telemetry.names import RECORDING_LOSSES, RecordingLoss
from telemetry.names import metrics as names


class RecorderReading(NamedTuple):
    """What a recorder has done so far, and what it holds now."""

    written: int
    lost: Mapping[RecordingLoss, int]
    waiting_bytes: int
    waiting_limit: int
    store_bytes: int


class RecordingMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._written = counter(names.RECORDINGS_WRITTEN, registry)
        lost = counter(names.RECORDINGS_LOST, registry)
        self._lost = {reason: lost.labels(reason) for reason in RECORDING_LOSSES}
        self._waiting = gauge(names.RECORDER_WAITING, registry)
        self._waiting_limit = gauge(names.RECORDER_WAITING_LIMIT, registry)
        self._store = gauge(names.RECORDER_STORE, registry)
        self._previous = RecorderReading(0, {}, 0, 0, 0)

    def show(self, reading: RecorderReading) -> None:
        """Show what was done since the reading before, and what is held now."""
        self._written.inc(reading.written - self._previous.written)
        for reason, child in self._lost.items():
            child.inc(reading.lost.get(reason, 0) - self._previous.lost.get(reason, 0))
        self._waiting.set(reading.waiting_bytes)
        self._waiting_limit.set(reading.waiting_limit)
        self._store.set(reading.store_bytes)
        self._previous = reading
