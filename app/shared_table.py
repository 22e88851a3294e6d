"""Numbers that all processes of a gateway read and change together: a table of rows, found by their names.

A row has a number for each column and lies in a file that every process has mapped, so that a change is seen at once
and nothing is lost with a process that is killed. All that happens between `with table:` and its end is one step for
the others: the file is locked by the kernel, which unlocks it when its process dies. A gateway of one process has the
same table in memory of its own, without a lock. No `await` may stand inside such a block.
"""

import fcntl
import mmap
import os
from hashlib import blake2b
from pathlib import Path
from types import TracebackType

_NAME_SIZE = 16
"""Bytes of the hash of a row's name, with which the row begins."""
_NUMBER_SIZE = 8


class TableFull(Exception):
    """There is no row left."""


class SharedTable:
    """`rows` is how many names there may be, which is best twice as many as there are; a `file` that others have made
    keeps the number that it has. The processes that share one have to agree on `columns`. Without a file the table is
    this process's own."""

    def __init__(self, columns: int, rows: int, file: Path | None = None) -> None:
        self._width = _NAME_SIZE // _NUMBER_SIZE + columns
        self._file: int | None = None
        size = self._width * _NUMBER_SIZE * rows
        if file is None:
            self._memory = mmap.mmap(-1, size)
        else:
            self._file = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with self:
                if not os.fstat(self._file).st_size:
                    os.ftruncate(self._file, size)
                size = os.fstat(self._file).st_size
            self._memory = mmap.mmap(self._file, size)
        self.rows = size // (self._width * _NUMBER_SIZE)
        """How many names there may be."""
        self._names = memoryview(self._memory)
        self.numbers = memoryview(self._memory).cast("d")
        """The numbers of all rows; a row's first stands where `row` says. They begin as 0."""
        self._known: dict[str, int] = {}

    def __enter__(self) -> "SharedTable":
        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_EX)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            fcntl.lockf(self._file, fcntl.LOCK_UN)

    def row(self, name: str) -> int:
        """Where the numbers of a row begin; it is made if there is none. To be called inside `with`. Raises
        TableFull."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._find(blake2b(name.encode(), digest_size=_NAME_SIZE).digest())
        return found

    def made(self) -> list[int]:
        """Where the numbers of each row begin that has been made, by any process. To be called inside `with`."""
        size = self._width * _NUMBER_SIZE
        starts = range(0, size * self.rows, size)
        begun = (at // _NUMBER_SIZE for at in starts if any(self._names[at : at + _NAME_SIZE]))
        return [at + _NAME_SIZE // _NUMBER_SIZE for at in begun]

    def close(self) -> None:
        """Give back the memory; the file stays."""
        self.numbers.release()
        self._names.release()
        self._memory.close()
        if self._file is not None:
            os.close(self._file)

    def _find(self, digest: bytes) -> int:
        first = int.from_bytes(digest[:8], "little") % self.rows
        for step in range(self.rows):
            number = (first + step) % self.rows * self._width
            at = number * _NUMBER_SIZE
            held = bytes(self._names[at : at + _NAME_SIZE])
            if held == digest or not any(held):
                self._names[at : at + _NAME_SIZE] = digest
                return number + _NAME_SIZE // _NUMBER_SIZE
        raise TableFull(f"all {self.rows} rows are taken")
