"""The folder in which the processes of a gateway share memory: in a file system of memory, for their user alone.

It is locked by an open file that all of them inherit, and so for as long as one of them lives. What a gateway left that
was killed, with all of its workers, is found by its lock being free.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from msgspec import Struct

_PREFIX = "flowspan-"
_LOCK = "lock"
_MEMORY = Path("/dev/shm")


class SharedFolder(Struct, frozen=True):
    """A folder that is locked. `lock` is the descriptor that keeps it so, also in processes that inherit it."""

    path: Path
    lock: int


@contextmanager
def shared_folder(parent: Path | None = None) -> Iterator[SharedFolder]:
    """Make the folder, and remove it at the end; what is left of others is removed first. Raises OSError."""
    parent = parent or (_MEMORY if os.access(_MEMORY, os.W_OK) else Path(tempfile.gettempdir()))
    _remove_left_overs(parent)
    # Only its user may enter it.
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield SharedFolder(path, lock)
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(lock)


def _remove_left_overs(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if path.lstat().st_uid == os.getuid() and path.is_dir() and not path.is_symlink():
                _remove_unless_locked(path)


def _remove_unless_locked(path: Path) -> None:
    """Raises OSError where it is locked, or was never whole."""
    lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(path, ignore_errors=True)
    finally:
        os.close(lock)
