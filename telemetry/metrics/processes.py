"""CPU time, memory and descriptors of several processes, as prometheus-client tells those of one."""

import os
from collections.abc import Callable, Iterable
from functools import partial
from resource import RUSAGE_CHILDREN, getrusage
from threading import Lock

from prometheus_client import Metric, ProcessCollector
from prometheus_client.registry import Collector

_CPU, _START = "process_cpu_seconds", "process_start_time_seconds"


class ProcessSums(Collector):
    """The sums over this process and those that it started, whose ids `pids` returns. CPU time includes that of those
    that have ended; the time of the start is this process's."""

    def __init__(self, pids: Callable[[], Iterable[int]]) -> None:
        self._pids = pids
        self._lock = Lock()
        self._cpu_seconds = 0.0

    def describe(self) -> Iterable[Metric]:
        return _of(os.getpid())

    def collect(self) -> Iterable[Metric]:
        with self._lock:
            # Before the others are looked at: one that ends in between is counted once too few, and not twice.
            ended = getrusage(RUSAGE_CHILDREN)
            pids = {os.getpid(), *self._pids()}
            sums: dict[str, float] = {_CPU: ended.ru_utime + ended.ru_stime}
            for metric in [metric for pid in pids for metric in _of(pid) if metric.name != _START]:
                sums[metric.name] = sums.get(metric.name, 0.0) + metric.samples[0].value
            self._cpu_seconds = sums[_CPU] = max(sums[_CPU], self._cpu_seconds)
        return [_with(metric, sums.get(metric.name)) for metric in _of(os.getpid())]


def _of(pid: int) -> list[Metric]:
    """What there is of a process, each with one sample; nothing of one that has ended."""
    return list(ProcessCollector(pid=partial(int, pid), registry=None).collect())


def _with(metric: Metric, value: float | None) -> Metric:
    """The metric with another value; None for its own."""
    if value is not None:
        metric.samples = [sample._replace(value=value) for sample in metric.samples]
    return metric
