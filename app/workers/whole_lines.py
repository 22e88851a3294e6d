"""Lines of several processes on one stderr: what one writes at a time is never in the midst of what another writes."""

import fcntl
import io
import os
from pathlib import Path
from typing import TextIO

_LOCK = "stderr.lock"


class _Locked(io.FileIO):
    """Writes all of what it is given while it holds a lock, which the kernel gives back if the process dies."""

    def __init__(self, descriptor: int, lock: Path) -> None:
        super().__init__(descriptor, "wb", closefd=False)
        # An open file of its own: one that was inherited would be locked for all who have it.
        self._lock = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, data: bytes | bytearray | memoryview) -> int:  # type: ignore[override]  # What is written here.
        left = memoryview(data).cast("B")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        try:
            while left:
                left = left[super().write(left) :]
        finally:
            fcntl.flock(self._lock, fcntl.LOCK_UN)
        return len(data)


def whole_lines(stream: TextIO, folder: Path) -> TextIO:
    """Where `stream` goes, for a process that shares it with others of the same folder. Text is written at once."""
    raw = _Locked(stream.fileno(), folder / _LOCK)
    return io.TextIOWrapper(raw, encoding=stream.encoding, errors=stream.errors, write_through=True)
