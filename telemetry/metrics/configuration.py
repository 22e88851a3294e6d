"""The metrics of the configuration: which one is in use, and what became of the attempts to read it anew."""

from time import time

from prometheus_client import CollectorRegistry, Counter

from telemetry.metrics.instruments import counter, gauge
from telemetry.names import RELOAD_RESULTS, ReloadResult
from telemetry.names import metrics as names


class ConfigurationMetrics:
    """The configuration of the start counts as one that was read well. Of processes that serve together, the one that
    looks after the others counts how it was read anew."""

    def __init__(self, registry: CollectorRegistry) -> None:
        reloads = counter(names.CONFIG_RELOADS, registry)
        self._reloads: dict[ReloadResult, Counter] = {result: reloads.labels(result) for result in RELOAD_RESULTS}
        self._successful = gauge(names.CONFIG_SUCCESSFUL, registry)
        self._success_time = gauge(names.CONFIG_SUCCESS_TIME, registry)
        self._changed = gauge(names.CONFIG_CHANGED_TIME, registry)
        self._generation = gauge(names.CONFIG_GENERATION, registry)
        self.in_use(1, time())

    def reloaded(self, result: ReloadResult, generation: int) -> None:
        """Note how an attempt ended; `generation` is that of the configuration in use since."""
        self._reloads[result].inc()
        if result not in ("applied", "unchanged"):
            self._successful.set(0)
            return
        self._succeeded(time())
        if result == "applied":
            self.in_use(generation, time())

    def in_use(self, generation: int, since: float) -> None:
        """Note which configuration is in use, and since when, in Unix time."""
        self._generation.set(generation)
        self._changed.set(since)
        self._succeeded(since)

    def _succeeded(self, at: float) -> None:
        self._successful.set(1)
        self._success_time.set(at)
