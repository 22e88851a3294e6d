"""What files are like, without a look at what they hold: enough to see that one has changed."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

Stamps = Mapping[Path, tuple[int, ...]]


def stamps(files: Iterable[Path]) -> Stamps:
    """Which file each of them is, its size, and when it changed; nothing of one that is not there. Symbolic links are
    followed, so that one that leads elsewhere is another file."""
    return {file: _stamp(file) for file in files}


def _stamp(file: Path) -> tuple[int, ...]:
    try:
        found = os.stat(file)
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_size
