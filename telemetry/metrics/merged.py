"""The metrics of a gateway of several processes, summed up from what each has counted in its files.

The process that looks after the others, the supervisor, has these metrics; it says here when one of them has ended.
What a process had counted stays in memory then, and its files are removed. So neither grows with restarts, and a sum
falls only when the supervisor itself begins anew, as the counters of any process do.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from telemetry.metrics.cell_files import CellFiles, CellReader, Declared, ExemplarSlots, FileCells, Process, Series
from telemetry.metrics.cells import CellRegistry, size_of
from telemetry.metrics.configuration import ConfigurationMetrics
from telemetry.metrics.conventions import AttemptInstruments, families, families_of_parts
from telemetry.metrics.families import Family, HistogramFamily, NumberFamily
from telemetry.metrics.operations import OperationMetrics
from telemetry.metrics.processes import ProcessSums
from telemetry.metrics.registry import ExportMetrics
from telemetry.metrics.sums import CounterSum, ExposedGauges, GaugeSum, HistogramSum, Part, SummedInstrument
from telemetry.metrics.workers import Worker, WorkerMetrics
from telemetry.names import metrics as names
from telemetry.names.metrics import METRICS, MetricSpec
from telemetry.names.semconv import Semconv

_log = logging.getLogger("telemetry.metrics")
_SUPERVISOR = "supervisor"
Sum = CounterSum | GaugeSum | HistogramSum
Summed = SummedInstrument[CounterSum] | SummedInstrument[GaugeSum] | SummedInstrument[HistogramSum]


class MergedMetrics:
    """The metrics of all processes whose files are in a folder. `registry` is for whoever exposes them; `exports`,
    `workers`, `operations` and `configuration` are what the supervisor itself counts. Raises OSError where it cannot
    write there."""

    def __init__(self, folder: Path, semconv: Semconv = "1.41") -> None:
        self._folder = folder
        counted_here = CellRegistry(FileCells(CellFiles(folder, _SUPERVISOR)))
        self.exports = ExportMetrics(counted_here)
        self.workers = WorkerMetrics(counted_here)
        self.operations = OperationMetrics(counted_here)
        self.configuration = ConfigurationMetrics(counted_here)
        self._sums = _Sums(folder)
        self.registry = CollectorRegistry()
        self.registry.register(_Exposed(self._sums, semconv))
        self.registry.register(ProcessSums(self._sums.pids))

    def release_worker(self, index: int) -> None:
        """Take over what a worker had counted that has ended. Its index is free then."""
        self._sums.end(Worker(self._folder, index).files)


class _Exposed(Collector):
    """The families of all metrics, under the names of the chosen conventions."""

    def __init__(self, sums: "_Sums", semconv: Semconv) -> None:
        self._sums = sums
        self._families = tuple(_families(sums, semconv))

    def collect(self) -> Iterable[Metric]:
        self._sums.refresh()
        return [family.metric for family in self._families]

    def describe(self) -> Iterable[Metric]:
        return [family.metric for family in self._families]


@dataclass
class _Source:
    """The files of one process, and what was found in them."""

    reader: CellReader
    pid: int | None = None
    refused: set[str] = field(default_factory=set)
    """The names of metrics that are declared otherwise than here."""
    parts: dict[int, tuple[Sum, Part]] = field(default_factory=dict)
    """By the first cell."""


class _Sums:
    """The series of all processes, as far as `refresh` has found them. Any thread may call."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = Lock()
        self._sources: dict[CellFiles, _Source] = {}
        self._unknown: set[str] = set()
        """Names of metrics that were logged as unknown."""
        self.counters = {spec.name: SummedInstrument(spec, CounterSum) for spec in METRICS if spec.kind == "counter"}
        self.gauges = {spec.name: SummedInstrument(spec, GaugeSum) for spec in METRICS if spec.kind == "gauge"}
        self.histograms = {
            spec.name: SummedInstrument(spec, HistogramSum) for spec in METRICS if spec.kind == "histogram"
        }
        self._instruments: Mapping[str, Summed] = {**self.counters, **self.gauges, **self.histograms}

    def pids(self) -> list[int]:
        """The processes that live, as far as is known here."""
        with self._lock:
            return [source.pid for source in self._sources.values() if source.pid is not None]

    def refresh(self) -> None:
        """Find the series that processes have made since the last call."""
        with self._lock:
            for files in CellFiles.all_in(self._folder):
                self._read(files)

    def end(self, files: CellFiles) -> None:
        """Have what a process had counted stay, and remove its files. Does nothing where there are none."""
        with self._lock:
            # One that ended before it could count has none.
            with suppress(FileNotFoundError):
                self._read(files)
            source = self._sources.pop(files, None)
            if source is not None:
                for series, part in source.parts.values():
                    series.end(part)
            files.remove()

    def _read(self, files: CellFiles) -> None:
        source = self._sources.setdefault(files, _Source(CellReader(files)))
        for entry in source.reader.new_entries():
            match entry:
                case Process(pid):
                    source.pid = pid
                case Declared(spec):
                    self._check(source, spec)
                case Series():
                    self._add(source, entry)
                case ExemplarSlots():
                    self._add_slots(source, entry)

    def _check(self, source: _Source, declared: MetricSpec) -> None:
        known = self._instruments.get(declared.name)
        if known is not None and _form(known.spec) == _form(declared):
            return
        source.refused.add(declared.name)
        if declared.name not in self._unknown:
            self._unknown.add(declared.name)
            text = "%s is of another release, and is exposed from the next start of the whole gateway on"
            _log.warning(text, declared.name)

    def _add(self, source: _Source, entry: Series) -> None:
        if entry.metric in source.refused:
            return
        instrument = self._instruments[entry.metric]
        series = instrument.of(entry.labels)
        part = Part(source.reader.numbers(entry.first, size_of(instrument.spec)), entry.created)
        source.parts[entry.first] = series, part
        series.add(part)

    def _add_slots(self, source: _Source, entry: ExemplarSlots) -> None:
        if (found := source.parts.get(entry.series)) is not None:
            _, part = found
            part.slots = source.reader.slots(entry.first, len(part.numbers) - 1)


def _form(spec: MetricSpec) -> tuple[object, ...]:
    """What has to be alike for numbers to be added up."""
    return spec.kind, spec.labels, spec.buckets


def _families(sums: _Sums, semconv: Semconv) -> Iterator[Family]:
    """How all metrics are exposed."""
    histograms = sums.histograms
    counted = AttemptInstruments(
        histograms[names.CLIENT_DURATION.name],
        histograms[names.CLIENT_TTFC.name],
        histograms[names.CLIENT_PER_CHUNK.name],
        histograms[names.TOKEN_USAGE.name],
    )
    made = [*families(semconv, counted), *families_of_parts(semconv, sums.counters[names.TOKENS.name])]
    yield from made
    by_conventions = {family.spec.name for family in made}
    for spec in METRICS:
        if spec.semconv == "both" and spec.name not in by_conventions:
            yield _family(sums, spec)


def _family(sums: _Sums, spec: MetricSpec) -> Family:
    match spec.kind:
        case "counter":
            return NumberFamily(spec, sums.counters[spec.name])
        case "gauge":
            return NumberFamily(spec, ExposedGauges(sums.gauges[spec.name]))
        case "histogram":
            return HistogramFamily(spec, sums.histograms[spec.name])
