"""The processes that serve together: where one of them stands, how many there are, and which had to be started anew."""

import signal
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Counter

from telemetry.metrics.cell_files import CellFiles
from telemetry.metrics.instruments import counter, gauge
from telemetry.names import WORKER_RESTART_REASONS, WorkerRestartReason
from telemetry.names import metrics as names


@dataclass(frozen=True)
class Worker:
    """One of several processes that serve together. They share a folder in memory; each has an index of its own, which
    another gets when its process has ended."""

    folder: Path
    index: int

    @property
    def files(self) -> CellFiles:
        """Where it keeps what it counts."""
        return CellFiles(self.folder, str(self.index))


class WorkerMetrics:
    """How many processes serve, and why some were started anew; a gateway of one process has one that never is."""

    def __init__(self, registry: CollectorRegistry) -> None:
        restarts = counter(names.WORKER_RESTARTS, registry)
        self.serving = gauge(names.WORKERS, registry)
        self._restarts: dict[WorkerRestartReason, Counter] = {
            reason: restarts.labels(reason) for reason in WORKER_RESTART_REASONS
        }

    def died(self, status: int) -> None:
        """Count one that ended without having been asked to: its exit status, or the negative number of the signal that
        ended it."""
        if status >= 0:
            self._restarts["exited"].inc()
        else:
            self._restarts["killed" if -status == signal.SIGKILL else "crashed"].inc()

    def replaced(self) -> None:
        """Count one in whose place another serves, as it was asked for."""
        self._restarts["rolling_restart"].inc()
