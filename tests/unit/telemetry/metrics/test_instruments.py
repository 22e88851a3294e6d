"""Histograms have no lock, and are read by other threads all the same."""

import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from telemetry.metrics.cell_files import CellFiles, FileCells
from telemetry.metrics.cells import CellRegistry
from telemetry.metrics.instruments import LoopHistogram, histogram, observe_each
from telemetry.names import metrics as names

_ROUNDS = 20_000


@pytest.fixture(params=("in memory", "in a file"))
def lag(request: pytest.FixtureRequest, tmp_path: Path) -> LoopHistogram:
    in_memory = request.param == "in memory"
    registry = CollectorRegistry() if in_memory else CellRegistry(FileCells(CellFiles(tmp_path, "0")))
    return histogram(names.LOOP_LAG, registry)


@pytest.fixture
def hasty_threads() -> Iterator[None]:
    """Threads change as often as Python lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_a_reading_while_values_come_in_has_the_sum_of_just_those_that_it_counts(lag: LoopHistogram) -> None:
    counts = [1] * (len(lag.bounds) - 1)

    def count() -> None:
        for _ in range(_ROUNDS):
            observe_each(((lag, 0.25, None),))
            lag.observe_many(((0.25, 2), (2.0, 0)))
            lag.observe_counted([0, *counts], 0.25 * len(counts))

    with ThreadPoolExecutor() as pool:
        done = pool.submit(count)
        while not done.done():
            reading = lag.reading()
            assert reading.sum == 0.25 * reading.counts[-1]
    assert lag.reading().counts[-1] == _ROUNDS * (3 + len(counts))


def test_values_counted_elsewhere_are_as_if_they_had_come_one_by_one(lag: LoopHistogram) -> None:
    counts = [0] * len(lag.bounds)
    counts[0], counts[3], counts[-1] = 4, 2, 1
    lag.observe(lag.bounds[2])
    lag.observe_counted(counts, 12.5)
    reading = lag.reading()
    assert list(reading.counts) == [4, 4, 5, *[7] * (len(counts) - 4), 8]
    assert reading.sum == 12.5 + lag.bounds[2]


def test_of_many_values_the_exemplar_is_that_of_the_greatest(lag: LoopHistogram) -> None:
    trace = {"trace_id": "a" * 32}
    lag.observe_many(((0.0, 7), (lag.bounds[4], 2)), trace)
    lag.observe_many((), trace)
    reading = lag.reading()
    assert list(reading.counts[:6]) == [7, 7, 7, 7, 9, 9]
    assert {at: one.labels for at, one in reading.exemplars.items()} == {4: trace}
