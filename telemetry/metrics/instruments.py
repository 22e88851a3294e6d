"""From the declarations in `names.metrics` to prometheus-client's instruments; and what bounds their labels.

An instrument is not registered itself: its `Family` is, which shows it.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from itertools import accumulate
from threading import Lock
from time import time
from typing import Self, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.samples import Exemplar

from telemetry.metrics.families import HistogramFamily, LabelValues, NumberFamily, Reading
from telemetry.names import OTHER
from telemetry.names.metrics import MetricSpec


class _Parent(MetricWrapperBase):
    def children(self) -> list[tuple[LabelValues, Self]]:
        """All children with the values of their labels; the instrument itself where it has no labels."""
        if not self._labelnames:
            return [((), self)]
        with self._lock:
            return list(cast("dict[LabelValues, Self]", self._metrics).items())


class _Number(_Parent):
    """A number under its own lock. The library's is an object behind the instrument, one more call at each change."""

    def _metric_init(self) -> None:
        self._created = time()
        self._number = 0.0
        self._mutex = Lock()

    @property
    def value(self) -> float:
        return self._number


class LeanCounter(_Number, Counter):
    """A counter that is always a child or without labels, so that nothing is checked at each call."""

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:
        if amount < 0:
            raise ValueError("a counter only goes up")
        with self._mutex:
            self._number += amount

    @property
    def created(self) -> float:
        return self._created


class LeanGauge(_Number, Gauge):
    """A gauge that is always a child or without labels."""

    def inc(self, amount: float = 1) -> None:
        with self._mutex:
            self._number += amount

    def dec(self, amount: float = 1) -> None:
        with self._mutex:
            self._number -= amount

    def set(self, value: float) -> None:
        with self._mutex:
            self._number = float(value)

    @property
    def created(self) -> float:
        """Nothing: a gauge does not start from anywhere."""
        return 0.0


class BulkHistogram(_Parent, Histogram):
    """A histogram that takes many equal values at once, such as the thousands that a stream's queue counted.

    It is always a child or without labels, and its exemplars are our own, so nothing is checked at each call. It keeps
    its counts itself, under one lock, where the library has a lock for each bucket: a scrape reads them all.
    """

    def _metric_init(self) -> None:
        self._created = time()
        self._counts = [0] * len(self._upper_bounds)
        self._total = 0.0
        self._exemplars: dict[int, tuple[dict[str, str], float, float]] = {}
        """The arguments of `Exemplar`: most are replaced before anybody reads them."""
        self._mutex = Lock()

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        at = bisect_left(self._upper_bounds, amount)
        with self._mutex:
            self._counts[at] += 1
            self._total += amount
        if exemplar:
            self._exemplars[at] = exemplar, amount, time()

    def observe_many(self, value: float, count: int, exemplar: dict[str, str] | None = None) -> None:
        at = bisect_left(self._upper_bounds, value)
        with self._mutex:
            self._counts[at] += count
            self._total += value * count
        if exemplar:
            self._exemplars[at] = exemplar, value, time()

    def reading(self) -> Reading:
        with self._mutex:
            counts, total, latest = self._counts.copy(), self._total, self._exemplars.copy()
        exemplars = {at: Exemplar(*one) for at, one in latest.items()}
        return Reading(list(accumulate(counts)), total, exemplars, self._created)


def counter(spec: MetricSpec, registry: CollectorRegistry) -> LeanCounter:
    made = LeanCounter(spec.name, spec.help, spec.labels, registry=None)
    registry.register(NumberFamily(spec, made))
    return made


def gauge(spec: MetricSpec, registry: CollectorRegistry) -> Gauge:
    made = LeanGauge(spec.name, spec.help, spec.labels, registry=None, multiprocess_mode=spec.mode)
    registry.register(NumberFamily(spec, made))
    return made


def histogram(spec: MetricSpec, registry: CollectorRegistry) -> BulkHistogram:
    made = unregistered_histogram(spec)
    registry.register(HistogramFamily(spec, made))
    return made


def unregistered_histogram(spec: MetricSpec) -> BulkHistogram:
    """A histogram that nobody shows yet."""
    return BulkHistogram(spec.name, spec.help, spec.labels, registry=None, buckets=spec.buckets)


class Bounded:
    """Bounds a label: known values pass, and the first `room` others that look like a name; the rest become `other`."""

    _NAME = re.compile(r"[\w.:/@+-]{1,100}", re.ASCII)

    def __init__(self, known: Iterable[str] = (), room: int = 0) -> None:
        self._known = {OTHER, *known}
        self._room = room

    def learn(self, known: Iterable[str]) -> None:
        """Have these values pass, too."""
        self._known.update(known)

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if self._room > 0 and self._NAME.fullmatch(value):
            self._room -= 1
            self._known.add(value)
            return value
        return OTHER
