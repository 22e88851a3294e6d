"""A process that counts what it is told to, as a worker does, and that can be killed in the middle of it."""

import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeAlias

from prometheus_client import CollectorRegistry

from telemetry.metrics.cell_files import FileCells
from telemetry.metrics.cells import CellRegistry
from telemetry.metrics.conventions import AttemptInstruments, families
from telemetry.metrics.instruments import counter, gauge, histogram, unregistered_histogram
from telemetry.metrics.workers import Worker
from telemetry.names import metrics as names
from telemetry.names.metrics import MetricSpec

COUNTERS = (names.KEY_COST, names.CLIENT_BYTES)
GAUGES = (names.IN_FLIGHT,)
HISTOGRAMS = (names.LONGEST_SILENCE, names.LOOP_LAG)
ATTEMPTS = (names.CLIENT_DURATION, names.TOKEN_USAGE)
_CHILDREN = get_context("forkserver")
_CHILDREN.set_forkserver_preload([__name__])
Labels: TypeAlias = tuple[str, ...]


@dataclass(frozen=True)
class Act:
    """Something is counted: a counter or a gauge moves by an amount, a histogram sees it `count` times."""

    metric: str
    labels: Labels
    amount: float
    count: int = 1
    trace_id: str | None = None


class Instruments:
    """A few of the gateway's instruments; attempts have the names of both conventions."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._numbers = {spec.name: counter(spec, registry) for spec in COUNTERS}
        self._gauges = {spec.name: gauge(spec, registry) for spec in GAUGES}
        attempts = {
            spec.name: unregistered_histogram(spec, registry)
            for spec in (*ATTEMPTS, names.CLIENT_TTFC, names.CLIENT_PER_CHUNK)
        }
        self._histograms = {spec.name: histogram(spec, registry) for spec in HISTOGRAMS} | attempts
        counted = AttemptInstruments(
            *[
                attempts[spec.name]
                for spec in (names.CLIENT_DURATION, names.CLIENT_TTFC, names.CLIENT_PER_CHUNK, names.TOKEN_USAGE)
            ]
        )
        for family in families("both", counted):
            registry.register(family)

    def perform(self, act: Act) -> None:
        exemplar = None if act.trace_id is None else {"trace_id": act.trace_id}
        if act.metric in self._numbers:
            number = self._numbers[act.metric]
            (number.labels(*act.labels) if act.labels else number).inc(act.amount)
        elif act.metric in self._gauges:
            self._gauges[act.metric].labels(*act.labels).inc(act.amount)
        else:
            whole = self._histograms[act.metric]
            child = whole.labels(*act.labels) if act.labels else whole
            child.observe_many([(act.amount, act.count)], exemplar)


@dataclass
class CountingProcess:
    """A worker with an index. It notes in a file before and after each act, for a kill may come at any time."""

    worker: Worker
    asked: list[Act] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._log = self.worker.folder / "acts.log"
        self._log.unlink(missing_ok=True)
        self._connection, theirs = _CHILDREN.Pipe()
        self.process = _CHILDREN.Process(target=_count, args=(self.worker, theirs, self._log), daemon=True)
        self.process.start()
        theirs.close()
        self._connection.recv()

    def give(self, acts: Sequence[Act]) -> None:
        """Have it perform these, without waiting for it."""
        self.asked += acts
        self._connection.send(list(acts))

    def perform(self, acts: Sequence[Act]) -> None:
        """Have it perform these."""
        self.give(acts)
        self._connection.recv()

    def wait_for(self, acts: int) -> None:
        """Wait until it has performed so many of those that it was given."""
        while self._log.stat().st_size < 2 * acts:
            pass

    def kill(self) -> tuple[Sequence[Act], Sequence[Act]]:
        """Kill it. Returns the acts that it had performed, and the one that it may have, if there is one."""
        os.kill(self.process.pid or 0, signal.SIGKILL)
        self.process.join()
        self._connection.close()
        notes = self._log.stat().st_size
        done = notes // 2
        return self.asked[:done], self.asked[done : done + notes % 2]

    def end(self) -> None:
        """Have it end by itself."""
        self._connection.close()
        self.process.join()


def labels_of(spec: MetricSpec, *values: str) -> Labels:
    """The last values for the last labels, and the label's name for the rest."""
    return (*spec.labels[: len(spec.labels) - len(values)], *values)


def _count(worker: Worker, connection: Connection, log: Path) -> None:
    instruments = Instruments(CellRegistry(FileCells(worker.files)))
    notes = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    connection.send(None)
    while True:
        try:
            acts: list[Act] = connection.recv()
        except EOFError:
            return
        for act in acts:
            os.write(notes, b"<")
            instruments.perform(act)
            os.write(notes, b">")
        connection.send(None)
