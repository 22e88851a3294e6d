"""From the declarations in `names.metrics` to prometheus-client's instruments; and what bounds their labels."""

import re
from bisect import bisect_left
from collections.abc import Iterable
from time import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.samples import Exemplar

from telemetry.names import OTHER
from telemetry.names.metrics import MetricSpec


class LeanCounter(Counter):
    """A counter that is always a child or without labels, so that nothing is checked at each call."""

    def inc(self, amount: float = 1, exemplar: dict[str, str] | None = None) -> None:
        if amount < 0:
            raise ValueError("a counter only goes up")
        self._value.inc(amount)


class BulkHistogram(Histogram):
    """A histogram that takes many equal values at once, such as the thousands that a stream's queue counted.

    It is always a child or without labels, and its exemplars are our own, so nothing is checked at each call.
    """

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        self._sum.inc(amount)
        bucket = self._buckets[bisect_left(self._upper_bounds, amount)]
        bucket.inc(1)
        if exemplar:
            bucket.set_exemplar(Exemplar(exemplar, amount, time()))

    def observe_many(self, value: float, count: int, exemplar: dict[str, str] | None = None) -> None:
        self._sum.inc(value * count)
        bucket = self._buckets[bisect_left(self._upper_bounds, value)]
        bucket.inc(count)
        if exemplar:
            bucket.set_exemplar(Exemplar(exemplar, value, time()))


def counter(spec: MetricSpec, registry: CollectorRegistry) -> Counter:
    return LeanCounter(spec.name, spec.help, spec.labels, registry=registry)


def gauge(spec: MetricSpec, registry: CollectorRegistry) -> Gauge:
    return Gauge(spec.name, spec.help, spec.labels, registry=registry, multiprocess_mode=spec.mode)


def histogram(spec: MetricSpec, registry: CollectorRegistry) -> BulkHistogram:
    return BulkHistogram(spec.name, spec.help, spec.labels, registry=registry, buckets=spec.buckets)


class Bounded:
    """Bounds a label: known values pass, and the first `room` others that look like a name; the rest become `other`."""

    _NAME = re.compile(r"[\w.:/@+-]{1,100}", re.ASCII)

    def __init__(self, known: Iterable[str] = (), room: int = 0) -> None:
        self._known = {OTHER, *known}
        self._room = room

    def __call__(self, value: str) -> str:
        if value in self._known:
            return value
        if self._room > 0 and self._NAME.fullmatch(value):
            self._room -= 1
            self._known.add(value)
            return value
        return OTHER
