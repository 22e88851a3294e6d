"""The sampler: once a second it moves the counts of open streams into metrics, sets gauges, measures the loop's lag."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from time import perf_counter

from telemetry.guard import Defects, guarded
from telemetry.live.streams import Live
from telemetry.metrics.flow import QueueChildren
from telemetry.metrics.pools import PoolReading
from telemetry.metrics.quotas import QuotaFigure, QuotaState
from telemetry.metrics.recordings import RecorderReading
from telemetry.metrics.registry import Metrics
from telemetry.names import QUEUES, Signal

INTERVAL = 1.0
_PEAK_WINDOW = 60
"""Samples over which the fullest queue is remembered."""


class Sampler:
    """`run()` samples once a second until it is cancelled; `sample()` is one turn of it. `waiting` returns how much of
    each signal is unsent."""

    def __init__(
        self,
        live: Live,
        metrics: Metrics,
        defects: Defects,
        *,
        waiting: Callable[[], dict[Signal, int]] = dict,
        clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.defects = defects
        self._live = live
        self._metrics = metrics
        self._waiting = waiting
        self._clock = clock
        self.bodies: Callable[[], int] = int
        """Returns the bytes of request and response bodies that are held in memory."""
        self.pools: Callable[[], Iterable[PoolReading]] = tuple
        """Returns what the pools of connections to providers hold."""
        self.breakers: Callable[[], Mapping[str, str]] = dict
        """Returns the states of breakers, by their names."""
        self.recorder: Callable[[], RecorderReading] | None = None
        """Returns what the recorder has done; None where nothing is recorded."""
        self.quotas: Callable[[], tuple[Iterable[QuotaFigure], QuotaState]] | None = None
        """Returns how much is used of some limits, of others at the next call, and how well that is kept."""
        self._peaks: dict[str, deque[int]] = {}

    async def run(self) -> None:
        try:
            while True:
                due = self._clock() + INTERVAL
                await asyncio.sleep(INTERVAL)
                self._metrics.loop_lag.observe(max(0.0, self._clock() - due))
                self.sample()
        finally:
            self.sample()

    @guarded
    def sample(self) -> None:
        for stream in self._live.streams():
            stream.flush()
        self._sample_depths()
        self._sample_peaks()
        self._metrics.body_bytes.set(self.bodies())
        self._metrics.pools.show(self.pools())
        self._metrics.breakers.show(self.breakers())
        if self.recorder is not None:
            self._metrics.recordings.show(self.recorder())
        if self.quotas is not None:
            figures, state = self.quotas()
            self._metrics.quotas.show(figures)
            self._metrics.quotas.show_state(state)
        for signal, items in self._waiting().items():
            self._metrics.exports.waiting[signal].set(items)

    def _sample_depths(self) -> None:
        names = {*QUEUES, *self._metrics.queues.children}
        depths, sizes = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
        for stream in self._live.streams():
            for stats in stream.queues:
                depths[stats.name] += stats.depth
                sizes[stats.name] += stats.bytes
        for name in names:
            self._of(name).depth.set(depths[name])
            self._of(name).bytes.set(sizes[name])

    def _sample_peaks(self) -> None:
        latest = self._live.take_peaks()
        for name in {*QUEUES, *self._metrics.queues.children}:
            window = self._peaks.setdefault(name, deque(maxlen=_PEAK_WINDOW))
            window.append(latest.get(name, 0))
            self._of(name).peak.set(max(window))

    def _of(self, queue: str) -> QueueChildren:
        return self._metrics.queues.children[queue]
