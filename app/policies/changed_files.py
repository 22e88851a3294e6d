"""Files of policies are read anew once one of them has changed: with all modules of their folder that were loaded, as
these may have names of each other's.

What was made of the old files goes on as it is: only who imports something later, within a call, gets the new one.
"""

import importlib.util
import sys
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

_known: dict[str, dict[Path, bytes]] = {}
"""By the package of a folder: the files of its modules that were loaded, with the digests of their content."""


def remember(package: str) -> None:
    """Note what the loaded modules of a package were made of."""
    before = _known.get(package, {})
    _known[package] = {file: before.get(file) or _digest(file) for file in _files(package)}


def forget_changed(package: str) -> None:
    """Have the modules of a package loaded anew at their next use, if the file of one of them has another content."""
    changed = [file for file, digest in _known.get(package, {}).items() if _digest(file) != digest]
    if not changed:
        return
    del _known[package]
    for name in _modules(package):
        del sys.modules[name]
    for file in changed:
        # Python takes bytecode for that of a file of the same size and second. One that keeps none cannot name it.
        with suppress(OSError, NotImplementedError):
            Path(importlib.util.cache_from_source(str(file))).unlink(missing_ok=True)
    importlib.invalidate_caches()


def loaded_files() -> list[Path]:
    """The files of all policies' modules that are in use."""
    return [file for files in _known.values() for file in files]


def _modules(package: str) -> list[str]:
    return [name for name in tuple(sys.modules) if name == package or name.startswith(f"{package}.")]


def _files(package: str) -> list[Path]:
    found = (getattr(sys.modules[name], "__file__", None) for name in _modules(package))
    return [Path(file) for file in found if file is not None]


def _digest(file: Path) -> bytes:
    """The digest of what a file holds; empty where it cannot be read."""
    try:
        return sha256(file.read_bytes()).digest()
    except OSError:
        return b""
