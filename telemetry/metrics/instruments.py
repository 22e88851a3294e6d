"""From the declarations in `names.metrics` to prometheus-client's instruments; and what bounds their labels.

An instrument is not registered itself: its `Family` is, which shows it. Its numbers lie in cells
(`telemetry.metrics.cells`), which change under the lock of their series. What every request counts, on the event loop
alone, is added to the cell in place (`counter.cells[0] += 1`), as a call and a lock take five times as long: a series
that is moved so must not be moved by another thread.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable
from functools import partial
from itertools import accumulate
from threading import Lock
from time import time
from typing import Any, Self, cast

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.samples import Exemplar

from telemetry.metrics.cells import REMOVED, LabelValues, MakeCells, Numbers, store_of
from telemetry.metrics.families import HistogramFamily, NumberFamily, Reading
from telemetry.names import OTHER
from telemetry.names.metrics import MetricSpec


class _Parent(MetricWrapperBase):
    """An instrument, or one series of it. `make_cells` makes what a series counts in, by the values of its labels."""

    def __init__(self, *args: Any, make_cells: MakeCells, **named: Any) -> None:
        self._make_cells = make_cells
        super().__init__(*args, **named)
        # What an instrument gives to each child that it makes.
        self._kwargs["make_cells"] = make_cells

    def children(self) -> list[tuple[LabelValues, Self]]:
        """All children with the values of their labels; the instrument itself where it has no labels."""
        if not self._labelnames:
            return [((), self)]
        with self._lock:
            return list(cast("dict[LabelValues, Self]", self._metrics).items())

    def _metric_init(self) -> None:
        cells, self._exemplars, self._created = self._make_cells(self._labelvalues)
        self.cells: Numbers = cells
        """Where it counts. Of a counter or a gauge the number is the first; see the module's docstring."""
        self._mutex = Lock()


class _Number(_Parent):
    """A number under its own lock. The library's is an object behind the instrument, one more call at each change."""

    @property
    def value(self) -> float:
        return self.cells[0]


class LeanCounter(_Number, Counter):
    """A counter that is always a child or without labels, so that nothing is checked at each call."""

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:
        if amount < 0:
            raise ValueError("a counter only goes up")
        with self._mutex:
            self.cells[0] += amount

    @property
    def created(self) -> float:
        return self._created


class LeanGauge(_Number, Gauge):
    """A gauge that is always a child or without labels."""

    def inc(self, amount: float = 1) -> None:
        with self._mutex:
            self.cells[0] += amount

    def dec(self, amount: float = 1) -> None:
        with self._mutex:
            self.cells[0] -= amount

    def set(self, value: float) -> None:
        with self._mutex:
            self.cells[0] = float(value)
            if self._is_most_recent:
                self.cells[1] = time()

    def remove(self, *labelvalues: str) -> None:
        """Expose a series no more. Does nothing where there is none."""
        with self._lock:
            child = cast("dict[LabelValues, Self]", self._metrics).get(tuple([str(value) for value in labelvalues]))
        if child is not None:
            child.hide()
            super().remove(*labelvalues)

    def hide(self) -> None:
        """Have the process that adds up the numbers of several expose this series no more."""
        with self._mutex:
            self.cells[1] = REMOVED

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
        super()._metric_init()
        self._sum_at = len(self._upper_bounds)

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        at = bisect_left(self._upper_bounds, amount)
        with self._mutex:
            cells = self.cells
            cells[at] += 1
            cells[self._sum_at] += amount
        if exemplar:
            self._exemplars[at] = exemplar, amount, time()

    def observe_many(self, value: float, count: int, exemplar: dict[str, str] | None = None) -> None:
        at = bisect_left(self._upper_bounds, value)
        with self._mutex:
            cells = self.cells
            cells[at] += count
            cells[self._sum_at] += value * count
        if exemplar:
            self._exemplars[at] = exemplar, value, time()

    def reading(self) -> Reading:
        with self._mutex:
            *counts, total = self.cells
            latest = list(self._exemplars.items())
        exemplars = {at: Exemplar(*one) for at, one in latest}
        return Reading(list(accumulate(counts)), total, exemplars, self._created)


def counter(spec: MetricSpec, registry: CollectorRegistry) -> LeanCounter:
    made = LeanCounter(spec.name, spec.help, spec.labels, registry=None, make_cells=_cells_of(spec, registry))
    registry.register(NumberFamily(spec, made))
    return made


def gauge(spec: MetricSpec, registry: CollectorRegistry) -> LeanGauge:
    make_cells = _cells_of(spec, registry)
    made = LeanGauge(
        spec.name, spec.help, spec.labels, registry=None, multiprocess_mode=spec.mode, make_cells=make_cells
    )
    registry.register(NumberFamily(spec, made))
    return made


def histogram(spec: MetricSpec, registry: CollectorRegistry) -> BulkHistogram:
    made = unregistered_histogram(spec, registry)
    registry.register(HistogramFamily(spec, made))
    return made


def unregistered_histogram(spec: MetricSpec, registry: CollectorRegistry) -> BulkHistogram:
    """A histogram that nobody shows yet. Its numbers are where the registry's are."""
    make_cells = _cells_of(spec, registry)
    return BulkHistogram(spec.name, spec.help, spec.labels, registry=None, buckets=spec.buckets, make_cells=make_cells)


def _cells_of(spec: MetricSpec, registry: CollectorRegistry) -> MakeCells:
    return partial(store_of(registry).cells, spec)


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
