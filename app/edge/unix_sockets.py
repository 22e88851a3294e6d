"""Unix sockets to listen on: who may open one, what is left of a process that ended, and who is at the other end."""

import asyncio
import os
import socket
import stat
import struct
from contextlib import suppress
from errno import EADDRINUSE

from msgspec import Struct

PEER = "flowspan.peer"
"""The extension of an ASGI scope with the `PeerCredentials` of a connection by a Unix socket."""
_CREDENTIALS = struct.Struct("3i")
_PROBE_LIMIT = 1.0


class PeerCredentials(Struct, frozen=True):
    """Which process has opened a connection, as the system knows it."""

    pid: int
    uid: int
    gid: int


def peer_of(transport: asyncio.Transport) -> PeerCredentials | None:
    """Who is at the other end of a Unix socket; None where it is none, or the system does not tell."""
    connected = transport.get_extra_info("socket")
    if connected is None or connected.family != socket.AF_UNIX or not hasattr(socket, "SO_PEERCRED"):
        return None
    data = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return PeerCredentials(*_CREDENTIALS.unpack(data))


def bound_unix_socket(path: str, mode: int) -> socket.socket:
    """A socket that is bound to a path, with these permissions before it listens. One that is left of a process that
    ended is removed. Raises OSError where the path is taken, or cannot be had."""
    _remove_left_over(path)
    bound = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        bound.bind(path)
    except OSError:
        bound.close()
        raise
    try:
        # Nobody can have opened it yet: it does not listen.
        os.chmod(path, mode)
    except OSError:
        bound.close()
        os.unlink(path)
        raise
    return bound


def remove_unix_socket(path: str, identity: tuple[int, int]) -> None:
    """Remove the socket that was bound here, unless another one has its name now."""
    with suppress(OSError):
        if identity_of(path) == identity:
            os.unlink(path)


def identity_of(path: str) -> tuple[int, int]:
    """What tells a file from another one of the same name. Raises OSError."""
    found = os.lstat(path)
    return found.st_dev, found.st_ino


def _remove_left_over(path: str) -> None:
    """Raises OSError where a living process serves the path, or it is no socket."""
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(mode):
        raise OSError(EADDRINUSE, "there is a file of this name that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_PROBE_LIMIT)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            with suppress(FileNotFoundError):
                os.unlink(path)
            return
        except OSError:
            # Busy, or another user's: somebody may be there.
            pass
    raise OSError(EADDRINUSE, "another process serves it")
