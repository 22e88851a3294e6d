"""From the declarations in `names.metrics` to prometheus-client's instruments; and what bounds their labels.

An instrument is not registered itself: its `Family` is, which shows it. Its numbers lie in cells
(`telemetry.metrics.cells`). What any thread may count changes under the lock of its series. What every request counts,
on the event loop alone, is added to the cell in place (`counter.cells[0] += 1`), as a call and a lock take five times
as long: a series that is moved so must not be moved by another thread. Histograms are moved by the event loop alone,
all those of one moment together (`observe_each`).
"""

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import accumulate
from threading import Lock
from time import time
from typing import Any, Self, TypeVar, cast

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
        cells, self.exemplars, self._created = self._make_cells(self._labelvalues)
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


class LoopHistogram(_Parent, Histogram):
    """A histogram that the event loop alone moves, and any thread reads.

    It is always a child or without labels, and its exemplars are our own, so nothing is checked at each value. It has
    no lock: between a count and its sum no function is called, so Python changes no thread there.
    """

    def _metric_init(self) -> None:
        super()._metric_init()
        self.bounds: Sequence[float] = self._upper_bounds

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        observe_each(((self, amount, exemplar),))

    def observe_counted(self, counts: Sequence[int], total: float) -> None:
        """Take values that were counted by this histogram's buckets elsewhere, and which come to `total` together."""
        cells = self.cells
        moved = [before + more for before, more in zip(cells, (*counts, total), strict=True)]
        if isinstance(cells, list):
            cells[:] = moved
        else:
            cells[:] = array("d", moved)

    def observe_many(self, values: Sequence[tuple[float, int]], exemplar: dict[str, str] | None = None) -> None:
        """Take values that came so many times each, in ascending order; `exemplar` is one of the greatest."""
        cells, bounds = self.cells, self.bounds
        at = 0
        for value, count in values:
            at = bisect_left(bounds, value, at)
            cells[at] += count
            cells[-1] += value * count
        if exemplar is not None and values:
            self.exemplars[at] = exemplar, values[-1][0], time()

    def reading(self) -> Reading:
        *counts, total = self.cells
        latest = list(self.exemplars.items())
        exemplars = {at: Exemplar(*one) for at, one in latest}
        return Reading(list(accumulate(counts)), total, exemplars, self._created)


Observed = tuple[LoopHistogram, float, dict[str, str] | None]
"""A histogram, a value for it, and the exemplar that goes with it."""


def observe_each(observed: Iterable[Observed]) -> None:
    """Add values to several histograms, which are all that one moment has to say."""
    now = time()
    for histogram, value, exemplar in observed:
        at = bisect_left(histogram.bounds, value)
        cells = histogram.cells
        # Whoever reads in another thread gets both or none, as long as nothing is called in between.
        cells[at] += 1
        cells[-1] += value
        if exemplar is not None:
            histogram.exemplars[at] = exemplar, value, now


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


def histogram(spec: MetricSpec, registry: CollectorRegistry) -> LoopHistogram:
    made = unregistered_histogram(spec, registry)
    registry.register(HistogramFamily(spec, made))
    return made


def unregistered_histogram(spec: MetricSpec, registry: CollectorRegistry) -> LoopHistogram:
    """A histogram that nobody shows yet. Its numbers are where the registry's are."""
    make_cells = _cells_of(spec, registry)
    return LoopHistogram(spec.name, spec.help, spec.labels, registry=None, buckets=spec.buckets, make_cells=make_cells)


def _cells_of(spec: MetricSpec, registry: CollectorRegistry) -> MakeCells:
    return partial(store_of(registry).cells, spec)


class Bounded(dict[str, str]):
    """The value of a label for each that was given: known ones pass, and the first `room` others that look like a name;
    the rest become `other`, and are not kept."""

    _NAME = re.compile(r"[\w.:/@+-]{1,100}", re.ASCII)

    def __init__(self, known: Iterable[str] = (), room: int = 0) -> None:
        super().__init__()
        self._room = room
        self.learn((OTHER, *known))

    def learn(self, known: Iterable[str]) -> None:
        """Have these values pass, too."""
        self.update({value: value for value in known})

    def __missing__(self, value: str) -> str:
        if self._room > 0 and self._NAME.fullmatch(value):
            self._room -= 1
            self[value] = value
            return value
        return OTHER


Key = TypeVar("Key")
Kept = TypeVar("Kept")


class ByKey(dict[Key, Kept]):
    """What belongs to each key, made when it is first looked up, and kept: the keys have to be bounded."""

    def __init__(self, make: Callable[[Key], Kept]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: Key) -> Kept:
        made = self[key] = self._make(key)
        return made
