"""The series of several processes as one: what they counted added up, so that no sum ever falls.

A process adds its part of a series when it begins to count in it. When it has ended, what it had counted goes into a
total that stays; a gauge's part goes. Numbers with fractions are added exactly, and rounded once. If the sum depended
on the order of its parts, it could be smaller by its last digit after one of them has gone into the total, and
Prometheus would take that for a counter that began anew.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import fsum, inf
from operator import itemgetter
from threading import Lock
from typing import Generic, TypeVar

from prometheus_client.samples import Exemplar

from telemetry.metrics.cell_files import read_exemplars
from telemetry.metrics.cells import REMOVED, LabelValues, LatestExemplar, MappedNumbers, bucket_count
from telemetry.metrics.families import NumberReading, Reading
from telemetry.names.metrics import MetricSpec

Exact = tuple[float, ...]
"""A number as the sum of floats that do not overlap, the smallest first."""


def plus(number: Exact, value: float) -> Exact:
    """Add without rounding."""
    parts = []
    for part in number:
        high = value + part
        larger, smaller = (value, part) if abs(value) >= abs(part) else (part, value)
        if low := smaller - (high - larger):
            parts.append(low)
        value = high
    return (*parts, value)


@dataclass(eq=False)
class Part:
    """What one process counts of a series."""

    numbers: MappedNumbers
    created: float
    slots: memoryview | None = None
    """Where the exemplars are; None until there is one."""


class CounterSum:
    """A counter. It is read by any thread while parts are added and end: each change is one step."""

    def __init__(self, spec: MetricSpec) -> None:
        self.created = inf
        self._state: tuple[Exact, tuple[Part, ...]] = (), ()

    @property
    def value(self) -> float:
        total, parts = self._state
        return fsum((*total, *[part.numbers[0] for part in parts]))

    def add(self, part: Part) -> None:
        total, parts = self._state
        self.created = min(self.created, part.created)
        self._state = total, (*parts, part)

    def end(self, part: Part) -> None:
        total, parts = self._state
        self._state = plus(total, part.numbers[0]), tuple([one for one in parts if one is not part])


class GaugeSum:
    """A gauge over the processes that live, by the mode of its metric."""

    def __init__(self, spec: MetricSpec) -> None:
        self._mode = spec.mode
        self._parts: tuple[Part, ...] = ()

    @property
    def value(self) -> float | None:
        """The gauge over all processes that expose it; None where none does."""
        found = [(number, set_at) for number, set_at in [part.numbers for part in self._parts] if set_at != REMOVED]
        if not found:
            return None
        match self._mode:
            case "livesum":
                return sum([number for number, _ in found])
            case "livemax":
                return max([number for number, _ in found])
            case "livemin":
                return min([number for number, _ in found])
            case "livemostrecent":
                return max(found, key=itemgetter(1))[0]

    def add(self, part: Part) -> None:
        self._parts += (part,)

    def end(self, part: Part) -> None:
        self._parts = tuple([one for one in self._parts if one is not part])


@dataclass(frozen=True)
class _Ended:
    """What processes that have ended had counted in a histogram."""

    counts: tuple[float, ...]
    sum: Exact
    exemplars: dict[int, LatestExemplar]


class HistogramSum:
    """A histogram. It is read by any thread while parts are added and end: each change is one step."""

    def __init__(self, spec: MetricSpec) -> None:
        self._created = inf
        self._state: tuple[_Ended, tuple[Part, ...]] = _Ended((0.0,) * bucket_count(spec), (), {}), ()

    def reading(self) -> Reading:
        ended, parts = self._state
        counts, sums = ended.counts, list(ended.sum)
        for part in parts:
            *more, total = part.numbers
            counts = tuple(map(sum, zip(counts, more, strict=True)))
            sums.append(total)
        latest = _latest((ended.exemplars, *map(_exemplars, parts)))
        exemplars = {at: Exemplar(*one) for at, one in latest.items()}
        return Reading(list(accumulate(map(int, counts))), fsum(sums), exemplars, self._created)

    def add(self, part: Part) -> None:
        ended, parts = self._state
        self._created = min(self._created, part.created)
        self._state = ended, (*parts, part)

    def end(self, part: Part) -> None:
        ended, parts = self._state
        *counts, total = part.numbers
        ended = _Ended(
            tuple(map(sum, zip(ended.counts, counts, strict=True))),
            plus(ended.sum, total),
            _latest((ended.exemplars, _exemplars(part))),
        )
        self._state = ended, tuple([one for one in parts if one is not part])


def _exemplars(part: Part) -> dict[int, LatestExemplar]:
    return {} if part.slots is None else read_exemplars(part.slots)


def _latest(given: Iterable[dict[int, LatestExemplar]]) -> dict[int, LatestExemplar]:
    """The newest exemplar of each bucket."""
    found: dict[int, LatestExemplar] = {}
    for exemplars in given:
        for bucket, one in exemplars.items():
            if bucket not in found or one[2] > found[bucket][2]:
                found[bucket] = one
    return dict(sorted(found.items()))


S = TypeVar("S", CounterSum, GaugeSum, HistogramSum)


class SummedInstrument(Generic[S]):
    """All series of one metric, by the values of their labels."""

    def __init__(self, spec: MetricSpec, kind: type[S]) -> None:
        self.spec = spec
        self._kind: type[S] = kind
        self._lock = Lock()
        self._series: dict[LabelValues, S] = {}

    def of(self, labels: LabelValues) -> S:
        """A series, which is made if there is none yet."""
        with self._lock:
            found = self._series.get(labels)
            if found is None:
                found = self._series[labels] = self._kind(self.spec)
            return found

    def children(self) -> list[tuple[LabelValues, S]]:
        with self._lock:
            return list(self._series.items())


@dataclass(frozen=True)
class ExposedGauges:
    """The series of a gauge that some process exposes."""

    gauges: SummedInstrument[GaugeSum]

    def children(self) -> Iterator[tuple[LabelValues, NumberReading]]:
        for labels, gauge in self.gauges.children():
            if (value := gauge.value) is not None:
                yield labels, NumberReading(value, 0.0)
