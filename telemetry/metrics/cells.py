"""Where instruments keep their numbers: a few cells for each series.

A gateway of one process has them in memory of its own. A worker has them in a file that it has mapped
(`telemetry.metrics.cell_files`), from which the supervisor reads them, also after the worker was killed.

A counter has one cell. A gauge has two: its value, and when it was set, in Unix time, where its mode needs that;
`REMOVED` for a series that is not to be exposed any more. A histogram has how many values fell into each bucket, and
then the sum of all values.
"""

from collections.abc import Callable, ItemsView
from time import time
from typing import NamedTuple, Protocol, TypeAlias

from prometheus_client import CollectorRegistry

from telemetry.names.metrics import MetricSpec

LabelValues = tuple[str, ...]
MappedNumbers: TypeAlias = "memoryview[float]"
Numbers: TypeAlias = "list[float] | MappedNumbers"
LatestExemplar = tuple[dict[str, str], float, float]
"""The arguments of prometheus-client's `Exemplar`: labels, value, Unix time. Most are replaced before anybody reads
them."""
REMOVED = -1.0


class Exemplars(Protocol):
    """The latest exemplar of each bucket that has one, by the bucket's position."""

    def __setitem__(self, bucket: int, latest: LatestExemplar, /) -> None: ...
    def items(self) -> ItemsView[int, LatestExemplar]: ...


class Cells(NamedTuple):
    """What one series counts in."""

    numbers: Numbers
    exemplars: Exemplars
    created: float
    """Unix time."""


class CellStore(Protocol):
    """Makes cells, all of them at zero. Any thread may ask."""

    def cells(self, spec: MetricSpec, labels: LabelValues) -> Cells: ...


MakeCells = Callable[[LabelValues], Cells]


def size_of(spec: MetricSpec) -> int:
    """How many cells a series has."""
    match spec.kind:
        case "counter":
            return 1
        case "gauge":
            return 2
        case "histogram":
            return bucket_count(spec) + 1


def bucket_count(spec: MetricSpec) -> int:
    """How many buckets a histogram has, the last of which is without a bound."""
    return len(spec.buckets) + 1


class MemoryCells:
    """Cells in this process's own memory."""

    def cells(self, spec: MetricSpec, labels: LabelValues) -> Cells:
        numbers: list[float] = [0] * bucket_count(spec) if spec.kind == "histogram" else []
        numbers += [0.0] * (size_of(spec) - len(numbers))
        return Cells(numbers, {}, time())


class CellRegistry(CollectorRegistry):
    """A registry whose instruments keep their numbers in a store."""

    def __init__(self, store: CellStore) -> None:
        super().__init__()
        self.store = store


def store_of(registry: CollectorRegistry) -> CellStore:
    """Where the instruments of a registry keep their numbers."""
    return registry.store if isinstance(registry, CellRegistry) else MemoryCells()
