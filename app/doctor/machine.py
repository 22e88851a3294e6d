"""What the machine gives a gateway: Python, open files, memory of ports, and who has a port that is taken."""

import asyncio
import errno
import os
import platform
import resource
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from app.doctor.findings import Finding
from app.edge.listener import listening_sockets
from app.edge.unix_sockets import bound_unix_socket, identity_of, remove_unix_socket
from telemetry.hosts import in_url

_FILES = 4096
"""Open files that a gateway of some use needs: a stream takes two."""
_LISTENING = "0A"
"""The state of a listening socket in /proc/net/tcp."""


def about() -> list[Finding]:
    _, files = resource.getrlimit(resource.RLIMIT_NOFILE)
    python = f"Python {platform.python_version()} in {sys.prefix}"
    unlimited = files == resource.RLIM_INFINITY
    most = "any number of open files" if unlimited else f"{files:,} open files at most"
    few = not unlimited and files < _FILES
    hint = ": a stream takes two of them, so raise it with `ulimit -Hn`" if few else ""
    return [
        Finding("good", f"Flowspan {metadata.version('flowspan')}, {python}"),
        Finding("good", f"{platform.system()} {platform.release()}, {os.cpu_count()} processors"),
        Finding("warning" if few else "good", most + hint),
    ]


def port(name: str, host: str, number: int, *, may_take_another: bool) -> Finding:
    """Whether a port can be listened on."""
    if number == 0:
        return Finding("good", f"{name}: takes a free port of {host}")
    try:
        for one in asyncio.run(listening_sockets(host, number)):
            one.close()
    except OSError as error:
        holder = _holder(number) if error.errno == errno.EADDRINUSE else None
        taken = f"{name}: {in_url(host)}:{number} cannot be had: {_reason(error)}{f', by {holder}' if holder else ''}"
        if error.errno != errno.EADDRINUSE:
            return Finding("fault", taken)
        if may_take_another:
            return Finding("warning", f"{taken}; a free port is taken instead")
        return Finding("fault", f"{taken}; if that is the gateway itself, it runs already")
    return Finding("good", f"{name}: {in_url(host)}:{number} is free")


def unix_socket(name: str, path: str) -> Finding:
    """Whether a Unix socket can be bound to a path."""
    try:
        bound_unix_socket(path, 0o600).close()
        remove_unix_socket(path, identity_of(path))
    except OSError as error:
        return Finding("fault", f"{name}: unix:{path} cannot be had: {error.strerror or error}")
    return Finding("good", f"{name}: unix:{path} is free")


def _reason(error: OSError) -> str:
    return os.strerror(error.errno) if error.errno else str(error)


def _holder(number: int) -> str | None:
    """The name and id of a process that listens on a port, where the system lets it be seen."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(number)}
    for folder in Path("/proc").glob("[0-9]*") if sockets else ():
        try:
            if any(os.readlink(handle) in sockets for handle in (folder / "fd").iterdir()):
                return f"{(folder / 'comm').read_text().strip()} (process {folder.name})"
        except OSError:
            continue
    return None


def _listening_inodes(number: int) -> Iterator[str]:
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for fields in map(str.split, lines):
            if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == number:
                yield fields[9]
