"""Several processes count, some are killed, and the sum is what one process would have counted that did it all."""

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from telemetry.metrics.merged import MergedMetrics
from telemetry.metrics.rendering import pieces
from telemetry.metrics.workers import Worker
from telemetry.names import metrics as names
from tests.unit.telemetry.metrics.counting import Act, CountingProcess, Instruments, labels_of

# Sums of these are exact, whatever their order.
amounts = st.integers(0, 4000).map(lambda eighths: eighths / 8)
models = st.sampled_from(["gpt-5", 'o3 "deep"\nresearch'])
operations = st.sampled_from(["chat", "embeddings", "fetch_response"])
acts = st.one_of(
    st.builds(Act, st.just(names.CLIENT_BYTES.name), st.just(()), amounts),
    st.builds(Act, st.just(names.KEY_COST.name), st.tuples(models, st.just("team")), amounts),
    st.builds(Act, st.just(names.IN_FLIGHT.name), st.just(("openai_chat",)), amounts),
    st.builds(Act, st.just(names.LOOP_LAG.name), st.just(()), amounts, st.integers(1, 9)),
    st.builds(Act, st.just(names.LONGEST_SILENCE.name), st.tuples(models), amounts),
    st.builds(
        Act,
        st.just(names.CLIENT_DURATION.name),
        st.tuples(operations, st.just("openai"), models, st.just("east"), st.just("")),
        amounts,
    ),
    st.builds(
        Act,
        st.just(names.TOKEN_USAGE.name),
        st.tuples(operations, st.just("openai"), models, st.just("east"), st.sampled_from(["input", "output"])),
        amounts,
    ),
)
steps = st.lists(
    st.tuples(st.integers(0, 2), st.lists(acts, max_size=6), st.sampled_from(["serve", "serve", "kill", "end"])),
    min_size=1,
    max_size=8,
)


def exposed(registry: CollectorRegistry) -> dict[str, str]:
    """The lines of a scrape but those of help and types: each series with its value."""
    text = "".join(pieces(registry, openmetrics=False))
    return dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))


class Gateway:
    """Several workers, and a process that does alone what all of them do."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.merged = MergedMetrics(folder, "both")
        self.workers: dict[int, CountingProcess] = {}
        self.alone = CollectorRegistry()
        self._instruments = Instruments(self.alone)
        self._families = {metric.name for metric in self.alone.collect()}
        self._open: Counter[int] = Counter()
        self._before: dict[str, str] = {}

    def worker(self, index: int) -> CountingProcess:
        if index not in self.workers:
            self.workers[index] = CountingProcess(Worker(self.folder, index))
        return self.workers[index]

    def perform(self, index: int, acts: Sequence[Act]) -> None:
        self.worker(index).perform(acts)
        self.note(index, acts)

    def note(self, index: int, acts: Sequence[Act]) -> None:
        """Do what a worker has done."""
        for act in acts:
            self._instruments.perform(act)
            if act.metric == names.IN_FLIGHT.name:
                self._open[index] += int(act.amount * 8)

    def lose(self, index: int, how: str) -> None:
        worker = self.workers.pop(index)
        if how == "kill":
            worker.kill()
        else:
            worker.end()
        self.release(index)

    def release(self, index: int) -> None:
        self.merged.release_worker(index)
        # What was open in a process ends with it.
        self._instruments.perform(Act(names.IN_FLIGHT.name, ("openai_chat",), -self._open.pop(index, 0) / 8))

    def sums(self) -> dict[str, str]:
        """What the workers have counted together."""
        found = {
            series: value
            for series, value in exposed(self.merged.registry).items()
            if series.startswith(tuple(self._families))
        }
        fallen = [
            series
            for series, value in self._before.items()
            if not series.startswith(names.IN_FLIGHT.name) and float(found[series]) < float(value)
        ]
        assert fallen == []
        self._before = found
        return found

    def expected(self) -> dict[str, str]:
        """What one process has counted. A gauge that no worker exposes is zero there."""
        found = exposed(self.alone)
        in_flight = f'{names.IN_FLIGHT.name}{{api="openai_chat"}}'
        if not self._open and found.get(in_flight) in ("0.0", "-0.0"):
            del found[in_flight]
        return found


@given(steps)
@settings(max_examples=15, deadline=None)
def test_what_workers_count_adds_up_to_what_one_process_would_have_counted(
    steps: list[tuple[int, list[Act], str]],
) -> None:
    with TemporaryDirectory() as folder:
        gateway = Gateway(Path(folder))
        for index, acts, what in steps:
            gateway.perform(index, acts)
            assert gateway.sums() == gateway.expected()
            if what != "serve":
                gateway.lose(index, what)
                assert gateway.sums() == gateway.expected()
        for index in tuple(gateway.workers):
            gateway.lose(index, "end")
        assert gateway.sums() == gateway.expected()


def test_a_worker_that_is_killed_while_it_counts_keeps_what_it_had_counted(tmp_path: Path) -> None:
    numbers = random.Random(7)
    gateway = Gateway(tmp_path)
    most = CollectorRegistry()
    with_doubtful = Instruments(most)
    for _ in range(12):
        worker = gateway.worker(0)
        worker.give([some_act(numbers) for _ in range(3000)])
        worker.wait_for(numbers.randrange(2500))
        gateway.sums()
        done, doubtful = worker.kill()
        del gateway.workers[0]
        gateway.release(0)
        gateway.note(0, done)
        for act in (*done, *doubtful):
            with_doubtful.perform(act)
        # Of an act during which it was killed, all may have been counted, or a part of it, or nothing.
        upper, sums = exposed(most), gateway.sums()
        for series, least in gateway.expected().items():
            assert float(least) <= float(sums[series]) <= float(upper[series]), series


def some_act(numbers: random.Random) -> Act:
    amount = numbers.randrange(1, 4000) / 8
    match numbers.randrange(3):
        case 0:
            return Act(names.CLIENT_BYTES.name, (), amount)
        case 1:
            return Act(names.KEY_COST.name, (numbers.choice("ab"), ""), amount)
        case _:
            return Act(names.CLIENT_DURATION.name, labels_of(names.CLIENT_DURATION, ""), amount, trace_id="a" * 32)
