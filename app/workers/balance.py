"""How many connections each worker has, in memory that all see, so that new ones go to those that have few."""

from pathlib import Path

from app.edge.listener import ConnectionSlots
from app.settings import WorkerProcess
from app.shared_table import SharedTable

_TABLE = "connections.table"
_SLACK = 16
"""By one in so many connections, and one more, a worker may have more than another without stepping back."""


class ConnectionCounts:
    """A number for each index of a worker: its connections and one more, or 0 where none accepts."""

    def __init__(self, folder: Path, processes: int) -> None:
        self._table = SharedTable(processes, 1, folder / _TABLE)
        self._processes = processes
        with self._table:
            self._first = self._table.row("connections")

    def set(self, index: int, connections: int) -> None:
        """A worker accepts, and has so many."""
        self._table.numbers[self._first + index] = connections + 1

    def release_worker(self, index: int) -> None:
        """A worker accepts no more."""
        self._table.numbers[self._first + index] = 0

    def is_ahead(self, index: int, connections: int) -> bool:
        """Whether a worker has clearly more than another one."""
        counts = self._table.numbers[self._first : self._first + self._processes].tolist()
        fewest = min([count - 1 for at, count in enumerate(counts) if count and at != index], default=connections)
        return connections > fewest + connections // _SLACK


class BalancedSlots(ConnectionSlots):
    """The connections of one worker, counted where the others see it."""

    def __init__(self, most: int, share: float, process: WorkerProcess) -> None:
        super().__init__(most, share)
        self._counts = ConnectionCounts(Path(process.folder), process.count)
        self._index = process.index
        self._accepts = True
        self._counts.set(self._index, 0)

    def is_ahead(self) -> bool:
        return self._counts.is_ahead(self._index, self.taken)

    def acquire(self, address: str | None) -> None:
        super().acquire(address)
        self._show()

    def release(self, address: str | None) -> None:
        super().release(address)
        self._show()

    def stop(self) -> None:
        """It accepts no more: the others are not to leave connections to it."""
        self._accepts = False
        self._counts.release_worker(self._index)

    def _show(self) -> None:
        if self._accepts:
            self._counts.set(self._index, self.taken)
