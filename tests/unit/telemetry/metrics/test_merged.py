"""What several processes have counted, read by one that looks after them."""

import logging
import signal
import struct
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from itertools import count
from math import fsum
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics

from telemetry import HttpRequest, MergedMetrics, MetricsServer, Worker, setup
from telemetry.metrics.cell_files import CellFiles, CellReader, FileCells, read_exemplars
from telemetry.metrics.cells import CellRegistry, Cells, MemoryCells
from telemetry.metrics.instruments import counter, gauge, histogram
from telemetry.metrics.processes import ProcessSums
from telemetry.metrics.registry import Metrics
from telemetry.metrics.rendering import pieces
from telemetry.metrics.sums import CounterSum, Part
from telemetry.names import metrics as names
from telemetry.names.metrics import PROCESS, MetricSpec
from telemetry.names.semconv import Semconv


def registry_of(folder: Path, index: int) -> CellRegistry:
    """That of a worker, which here is in this process."""
    return CellRegistry(FileCells(Worker(folder, index).files))


def exemplars(registry: CollectorRegistry, metric: str) -> dict[str, tuple[str, float]]:
    """Trace id and value by the bucket's bound."""
    families = {family.name: family for family in registry.collect()}
    return {
        sample.labels["le"]: (sample.exemplar.labels["trace_id"], sample.exemplar.value)
        for sample in families[metric].samples
        if sample.exemplar
    }


def trace_id(number: int) -> str:
    return f"{number:032x}"


@pytest.mark.parametrize("semconv", ["1.41", "0.1", "both"])
def test_all_metrics_of_a_process_are_there_under_the_same_names(tmp_path: Path, semconv: Semconv) -> None:
    merged = MergedMetrics(tmp_path, semconv)
    of_one = {metric.name: metric.type for metric in Metrics(semconv=semconv).registry.collect()}
    assert {metric.name: metric.type for metric in merged.registry.collect()} == of_one


def test_what_one_has_counted_is_read_at_once(tmp_path: Path) -> None:
    merged = MergedMetrics(tmp_path)
    metrics = Metrics(registry_of(tmp_path, 0), models=[("gpt-5", "openai")])
    labels = {"api": "openai_chat", "model": "gpt-5", "stream": "true", "outcome": "ok"}
    assert merged.registry.get_sample_value(names.REQUESTS.name, labels) == 0
    metrics.server.outcomes["openai_chat", "gpt-5", True]["ok"].inc(3)
    assert merged.registry.get_sample_value(names.REQUESTS.name, labels) == 3
    other = Metrics(registry_of(tmp_path, 1), models=[("gpt-5", "openai")])
    other.server.outcomes["openai_chat", "gpt-5", True]["ok"].inc()
    assert merged.registry.get_sample_value(names.REQUESTS.name, labels) == 4


@pytest.mark.parametrize(
    ("spec", "expected", "of_the_supervisor"),
    [
        (names.IN_FLIGHT, 7, None),
        (names.QUEUE_CAPACITY, 5, None),
        (names.UPSTREAM_LIMIT_REMAINING, 0, None),
        (names.CONFIG_SUCCESSFUL, 0, 1),
    ],
    ids=lambda value: getattr(value, "mode", ""),
)
def test_a_gauge_is_that_of_the_workers_that_live_by_its_mode(
    tmp_path: Path,
    spec: MetricSpec,
    expected: float,
    of_the_supervisor: float | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = count(1_800_000_000)
    monkeypatch.setattr("telemetry.metrics.instruments.time", lambda: float(next(clock)))
    merged = MergedMetrics(tmp_path)
    labels = [f"{name}-1" for name in spec.labels]
    for index, value in enumerate((2, 5, 0)):
        whole = gauge(spec, registry_of(tmp_path, index))
        (whole.labels(*labels) if labels else whole).set(value)

    def read() -> float | None:
        return merged.registry.get_sample_value(spec.name, dict(zip(spec.labels, labels, strict=True)))

    assert read() == expected
    for index in range(3):
        merged.release_worker(index)
    assert read() == of_the_supervisor


def test_a_gauge_that_was_removed_is_exposed_no_more(tmp_path: Path) -> None:
    merged = MergedMetrics(tmp_path)
    expiry = gauge(names.KEY_EXPIRY, registry_of(tmp_path, 0))
    labels = {"key": "alice", "team": ""}
    for value in (7.0, 9.0):
        expiry.labels("alice", "").set(value)
        assert merged.registry.get_sample_value(names.KEY_EXPIRY.name, labels) == value
        expiry.remove("alice", "")
        assert merged.registry.get_sample_value(names.KEY_EXPIRY.name, labels) is None
    expiry.remove("bob", "")


def test_of_exemplars_the_newest_counts_and_that_of_a_dead_worker_stays(tmp_path: Path) -> None:
    merged = MergedMetrics(tmp_path)
    first, second = (histogram(names.LOOP_LAG, registry_of(tmp_path, index)) for index in range(2))
    first.observe(0.02, {"trace_id": trace_id(1)})
    first.observe(3.0, {"trace_id": trace_id(2)})
    second.observe(0.021, {"trace_id": trace_id(3)})
    expected = {"0.025": (trace_id(3), 0.021), "5.0": (trace_id(2), 3.0)}
    assert exemplars(merged.registry, names.LOOP_LAG.name) == expected
    merged.release_worker(0)
    merged.release_worker(1)
    assert exemplars(merged.registry, names.LOOP_LAG.name) == expected
    third = histogram(names.LOOP_LAG, registry_of(tmp_path, 0))
    third.observe(4.0, {"trace_id": trace_id(4)})
    assert exemplars(merged.registry, names.LOOP_LAG.name) == {**expected, "5.0": (trace_id(4), 4.0)}
    text = "".join(pieces(merged.registry, openmetrics=True))
    assert f'# {{trace_id="{trace_id(4)}"}} 4.0 ' in text
    assert parse_openmetrics(text)  # type: ignore[no-untyped-call]


def test_an_exemplar_that_was_half_written_is_none() -> None:
    def slot(begun: float, ended: float) -> memoryview:
        return memoryview(bytearray(struct.pack("=dd32sd", begun, 0.5, trace_id(1).encode(), ended)))

    assert read_exemplars(slot(2.0, 2.0)) == {0: ({"trace_id": trace_id(1)}, 0.5, 2.0)}
    assert read_exemplars(slot(3.0, 2.0)) == {}
    assert read_exemplars(slot(0.0, 0.0)) == {}


def test_a_series_began_when_the_first_process_began_it(tmp_path: Path) -> None:
    merged = MergedMetrics(tmp_path)
    first = counter(names.CLIENT_BYTES, registry_of(tmp_path, 0))
    counter(names.CLIENT_BYTES, registry_of(tmp_path, 1))
    began = f"flowspan_client_bytes_created {first.created!r}\n"
    for index in (0, 1):
        assert began in "".join(pieces(merged.registry, openmetrics=True, created=True))
        merged.release_worker(index)
    assert began in "".join(pieces(merged.registry, openmetrics=True, created=True))


def test_files_go_with_their_process_and_are_counted_once(tmp_path: Path) -> None:
    merged = MergedMetrics(tmp_path)
    before = set(tmp_path.iterdir())
    for generation in range(1, 4):
        counter(names.CLIENT_BYTES, registry_of(tmp_path, 0)).inc(10)
        assert merged.registry.get_sample_value(names.CLIENT_BYTES.name) == 10 * generation
        merged.release_worker(0)
        merged.release_worker(0)
        assert merged.registry.get_sample_value(names.CLIENT_BYTES.name) == 10 * generation
        assert set(tmp_path.iterdir()) == before


def test_what_nobody_has_read_before_the_end_counts(tmp_path: Path) -> None:
    merged = MergedMetrics(tmp_path)
    counter(names.CLIENT_BYTES, registry_of(tmp_path, 0)).inc(10)
    merged.release_worker(0)
    assert merged.registry.get_sample_value(names.CLIENT_BYTES.name) == 10


def test_two_processes_cannot_have_one_index(tmp_path: Path) -> None:
    registry_of(tmp_path, 0)
    with pytest.raises(FileExistsError):
        registry_of(tmp_path, 0)


fractions = st.floats(0, 1e9)


@given(st.lists(fractions, min_size=2, max_size=6), st.permutations(range(6)), fractions)
def test_no_sum_falls_by_its_last_digit_when_processes_end(
    values: list[float], order: Sequence[int], more: float
) -> None:
    total = CounterSum(names.COST)
    parts = [Part(memoryview(bytearray(8)).cast("d"), 0.0) for _ in values]
    for part, value in zip(parts, values, strict=True):
        part.numbers[0] = value
        total.add(part)
    assert total.value == fsum(values)
    for index in [index for index in order if index < len(parts)]:
        total.end(parts[index])
        assert total.value == fsum(values)
    last = Part(memoryview(bytearray(8)).cast("d"), 0.0)
    total.add(last)
    last.numbers[0] = more
    assert total.value == fsum([*values, more])


def test_a_line_that_is_not_whole_is_read_when_it_is(tmp_path: Path) -> None:
    files = CellFiles(tmp_path, "0")
    counter(names.COST, CellRegistry(FileCells(files))).labels("openai", "gpt-5\nnew").inc(2)
    whole = files.directory.read_bytes()
    assert len(list(CellReader(files).new_entries())) == 3
    for size in range(0, len(whole), 5):
        files.directory.write_bytes(whole[:size])
        reader = CellReader(files)
        found = list(reader.new_entries())
        assert len(found) == whole[:size].count(b"\n")
        files.directory.write_bytes(whole)
        found += reader.new_entries()
        assert found == list(CellReader(files).new_entries())


def test_metrics_of_another_release_are_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    merged = MergedMetrics(tmp_path)
    registry = registry_of(tmp_path, 0)
    counter(names.CLIENT_BYTES, registry).inc(5)
    counter(MetricSpec("flowspan_new_total", "counter", (), "New."), registry).inc()
    histogram(MetricSpec(names.LOOP_LAG.name, "histogram", (), "Other buckets.", (1.0, 2.0)), registry).observe(1)
    with CellFiles(tmp_path, "0").directory.open("ab") as directory:
        directory.write(b'{"type":"Unheard"}\n')
    with caplog.at_level(logging.WARNING, "telemetry.metrics"):
        for _ in range(2):
            assert merged.registry.get_sample_value(names.CLIENT_BYTES.name) == 5
            assert merged.registry.get_sample_value(f"{names.LOOP_LAG.name}_count") is None
    assert [record.getMessage().partition(" is ")[0] for record in caplog.records[:2]] == [
        "flowspan_new_total",
        names.LOOP_LAG.name,
    ]
    assert len(caplog.records) == 3


def test_thousands_of_series_need_more_than_one_segment(tmp_path: Path) -> None:
    merged = MergedMetrics(tmp_path)
    took = histogram(names.LONGEST_SILENCE, registry_of(tmp_path, 0))
    for number in range(3_000):
        took.labels(f"model-{number}").observe(number, {"trace_id": trace_id(number)})
    merged.registry.collect()
    merged.release_worker(0)
    name = f"{names.LONGEST_SILENCE.name}_sum"
    for number in (0, 1_700, 2_999):
        assert merged.registry.get_sample_value(name, {"model": f"model-{number}"}) == number
    assert {trace for trace, _ in exemplars(merged.registry, names.LONGEST_SILENCE.name).values()}


_WITHOUT_ROOM = """
import logging, resource, signal, sys
from pathlib import Path
from urllib.request import Request, urlopen
from telemetry import Worker
from telemetry.metrics.cell_files import FileCells
from telemetry.metrics.cells import CellRegistry
from telemetry.metrics.instruments import histogram
from telemetry.names.metrics import LONGEST_SILENCE

logging.basicConfig(format="%(message)s")
registry = CellRegistry(FileCells(Worker(Path(sys.argv[1]), 0).files))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
took = histogram(LONGEST_SILENCE, registry)
for number in range(4_000):
    took.labels(str(number)).observe(1.0, {"trace_id": "a" * 32})
sys.stdout.write(str(sum(child.reading().sum for _, child in took.children())))
"""


def test_without_room_for_more_the_process_counts_on_and_says_so(tmp_path: Path) -> None:
    merged = MergedMetrics(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_ROOM, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "4000.0"
    assert done.stderr.count("there is no room") == done.stderr.count("\n") == 1
    merged.release_worker(0)
    read = [family for family in merged.registry.collect() if family.name == names.LONGEST_SILENCE.name]
    seen = sum(sample.value for sample in read[0].samples if sample.name.endswith("_sum"))
    assert 100 < seen < 4_000


class Processes:
    """Programs that are started by this one, and that the metrics are of."""

    def __init__(self) -> None:
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        burn = "import sys; sum(range(2_000_000)); print(flush=True); sys.stdin.read()"
        one = subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert one.stdout is not None
        one.stdout.readline()
        self.running.append(one)

    def kill(self) -> None:
        one = self.running.pop()
        one.kill()
        one.communicate()

    def pids(self) -> list[int]:
        return [one.pid for one in self.running]


def values(metrics: Sequence[Metric]) -> dict[str, float]:
    return {sample.name: sample.value for metric in metrics for sample in metric.samples}


def test_processor_time_is_that_of_all_processes_and_stays_when_one_ends() -> None:
    processes = Processes()
    sums = ProcessSums(processes.pids)
    alone = values(list(sums.collect()))
    assert set(alone) == {spec.name for spec in PROCESS}
    processes.start()
    processes.start()
    together = values(list(sums.collect()))
    assert together["process_cpu_seconds_total"] > alone["process_cpu_seconds_total"] + 0.02
    assert together["process_resident_memory_bytes"] > alone["process_resident_memory_bytes"]
    assert together["process_open_fds"] >= alone["process_open_fds"] + 6
    assert together["process_max_fds"] > alone["process_max_fds"]
    assert together["process_start_time_seconds"] == alone["process_start_time_seconds"]
    processes.kill()
    processes.kill()
    after = values(list(sums.collect()))
    assert after["process_cpu_seconds_total"] >= together["process_cpu_seconds_total"]
    assert after["process_max_fds"] == alone["process_max_fds"]


def test_the_processes_are_those_that_count(tmp_path: Path) -> None:
    merged = MergedMetrics(tmp_path)
    registry_of(tmp_path, 0)
    families = {family.name: family for family in merged.registry.collect()}
    one = values(list(ProcessSums(list).collect()))
    # The worker is in this process, which counts once.
    assert families["process_max_fds"].samples[0].value == one["process_max_fds"]


def test_the_telemetry_of_a_worker_counts_for_the_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=gateway-1")
    merged = MergedMetrics(tmp_path)
    finished = {"api": "openai_chat", "model": "gpt-5", "stream": "false", "outcome": "ok"}
    for index in range(2):
        telemetry = setup(models=[("gpt-5", "openai")], worker=Worker(tmp_path, index))
        request = HttpRequest("POST", "/v1/chat/completions", {})
        with telemetry.open("openai_chat", request) as transaction:
            transaction.describe(operation="chat", provider="openai", model="gpt-5", stream=False)
            transaction.finish("ok", status=200)
        telemetry.close()
        assert telemetry.tracer_provider.resource.attributes["service.instance.id"] == f"gateway-1-{index}"
        assert merged.registry.get_sample_value(names.REQUESTS.name, finished) == index + 1
    # Only the supervisor knows how many there are.
    assert merged.registry.get_sample_value(names.WORKERS.name) == 0
    assert setup().registry.get_sample_value(names.WORKERS.name) == 1
    with closing(MetricsServer(merged.registry, port=0, token="secret-of-metrics")) as server:
        address = f"http://127.0.0.1:{server.port}/metrics"
        with urlopen(Request(address, headers={"authorization": "Bearer secret-of-metrics"}), timeout=5) as response:
            assert b'flowspan_streams_in_flight{api="openai_chat"} 0.0\n' in response.read()


def test_workers_that_had_to_be_replaced_are_counted_by_how_they_ended(tmp_path: Path) -> None:
    merged = MergedMetrics(tmp_path)
    workers = merged.workers
    for status in (-signal.SIGKILL, -signal.SIGSEGV, -signal.SIGABRT, 0, 3):
        workers.died(status)
    workers.replaced()
    workers.serving.set(2)
    for reason, restarts in {"killed": 1, "crashed": 2, "exited": 2, "rolling_restart": 1}.items():
        assert merged.registry.get_sample_value(names.WORKER_RESTARTS.name, {"reason": reason}) == restarts
    assert merged.registry.get_sample_value(names.WORKERS.name) == 2


def test_cells_in_memory_and_in_a_file_count_alike(tmp_path: Path) -> None:
    def counted(cells: Cells) -> list[float]:
        return list(cells.numbers)

    for spec in (names.CLIENT_BYTES, names.BODY_BYTES, names.LOOP_LAG):
        in_memory = MemoryCells().cells(spec, ())
        in_file = FileCells(CellFiles(tmp_path, spec.name)).cells(spec, ())
        assert counted(in_memory) == counted(in_file) == [0.0] * len(in_memory.numbers)
