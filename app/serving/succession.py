"""A process in the place of this one: the same command once more, which is given the listening sockets of this one.

Both accept on the very same sockets until the successor has shown that it serves; only then this one stops. So nothing
that waits in a socket's queue is lost, as it would be where each had a socket of its own on the port. A successor that
does not come to serve changes nothing.
"""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Protocol

from app.configuration import inherited as inherited_variables
from app.edge.inherited import VARIABLE, InheritedSockets, SocketName, described

_log = logging.getLogger("flowspan")
_PREDECESSOR = "FLOWSPAN_PREDECESSOR"
_SERVES = b"serves"
_START_LIMIT = 120.0
"""Seconds for a successor to serve; one with thousands of models, or a full disk's recordings, takes its time."""


class NotSucceeded(Exception):
    """There is no successor; the text says why."""


class HandsOver(Protocol):
    """What is served beside the gateway's own API, and can be served by a successor instead."""

    @property
    def sockets(self) -> Sequence[socket.socket]:
        """What it listens on."""

    def hand_over(self) -> None:
        """Stop listening, and leave the sockets and their files to the successor. It may block for a moment."""


class Predecessor:
    """The process in whose place this one comes, where there is one; `environ` says so, and loses the variable."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        number = environ.pop(_PREDECESSOR, None)
        self._connected: socket.socket | None = None
        if number is not None:
            os.set_inheritable(int(number), False)
            self._connected = socket.socket(fileno=int(number))

    def announce(self) -> None:
        """Let it know that this process serves. Further calls change nothing."""
        connected, self._connected = self._connected, None
        if connected is not None:
            # One that was killed meanwhile needs no news.
            with connected, suppress(OSError):
                connected.sendall(_SERVES)


async def start_successor(sockets: Mapping[SocketName, Sequence[socket.socket]], inherited: InheritedSockets) -> int:
    """Start the successor with these sockets, of which some were `inherited`, and wait until it serves; returns its
    process id. Raises NotSucceeded."""
    ours, theirs = socket.socketpair()
    numbers = [one.fileno() for several in sockets.values() for one in several]
    environ = {**inherited_variables(), VARIABLE: described(sockets, inherited), _PREDECESSOR: str(theirs.fileno())}
    # A service manager's, and for this process alone.
    environ.pop("WATCHDOG_PID", None)
    with ours:
        with theirs:
            process = _launched(environ, (*numbers, theirs.fileno()))
        ours.setblocking(False)
        try:
            async with asyncio.timeout(_START_LIMIT):
                has_served = await asyncio.get_running_loop().sock_recv(ours, len(_SERVES)) == _SERVES
        except TimeoutError:
            process.kill()
            await asyncio.to_thread(process.wait)
            raise NotSucceeded(f"it does not serve within {_START_LIMIT:g} s, and was ended") from None
    if not has_served:
        status = await asyncio.to_thread(process.wait)
        raise NotSucceeded(f"it has ended with status {status} before it served; its log says why")
    _log.info("process %d serves in the place of this one, which lets its streams finish", process.pid)
    # It is nobody's to wait for: this process ends before it.
    process.returncode = 0
    return process.pid


def _launched(environ: Mapping[str, str], descriptors: Sequence[int]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen([sys.executable, *sys.orig_argv[1:]], env=environ, pass_fds=descriptors)
    except OSError as error:
        raise NotSucceeded(f"it cannot be started: {error}") from None
