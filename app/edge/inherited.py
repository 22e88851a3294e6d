"""Listening sockets that the process was started with: systemd's, by socket activation, or those of the gateway that
it succeeds.

systemd tells them by LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES; a gateway, which does not know the process id of its
successor beforehand, by FLOWSPAN_SOCKETS, as `gateway:3:owned metrics:7:owned`.
"""

import os
import socket
from collections.abc import Collection, Mapping, MutableMapping, Sequence
from typing import Literal, get_args

from telemetry.hosts import is_loopback

SocketName = Literal["gateway", "metrics", "console", "admin"]
NAMES: tuple[SocketName, ...] = get_args(SocketName)
VARIABLE = "FLOWSPAN_SOCKETS"
_FIRST = 3
"""The first descriptor that systemd hands over."""
_OWNED, _KEPT = "owned", "kept"
"""Whether the file of a Unix socket is the gateway's, which removes it, or its manager's."""
_OF_SYSTEMD = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class BadSockets(Exception):
    """What was handed over cannot be served on; the text says why."""


class InheritedSockets:
    """Sockets by what is served on them. The files of those that are `owned` are to be removed at the end."""

    def __init__(
        self, sockets: Mapping[str, Sequence[socket.socket]] | None = None, owned: Collection[str] = ()
    ) -> None:
        self._sockets = dict(sockets or {})
        self._owned = frozenset(owned)

    def owns_files(self, name: SocketName) -> bool:
        """Whether the files of Unix sockets of this name are this process's: nobody else has made them and stays."""
        return name in self._owned or not self.of(name)

    def unix_path(self, name: SocketName) -> str | None:
        """The path of the first Unix socket of this name."""
        return next((one.getsockname() for one in self.of(name) if one.family == socket.AF_UNIX), None)

    def of(self, name: SocketName) -> tuple[socket.socket, ...]:
        """The sockets of this name; none where it has to be bound."""
        return tuple(self._sockets.get(name, ()))

    def one(self, name: SocketName) -> socket.socket | None:
        """The only socket of this name. Raises BadSockets where there are several."""
        found = self.of(name)
        if len(found) > 1:
            raise BadSockets(f"{len(found)} sockets are named {name}, which is served on one")
        return found[0] if found else None

    def address(self, name: SocketName) -> tuple[str, int] | None:
        """The host and port of this name; of several the first that other machines can reach. None where none has a
        port."""
        found = [one.getsockname()[:2] for one in self.of(name) if one.family != socket.AF_UNIX]
        return next((one for one in found if not is_loopback(one[0])), found[0] if found else None)


NO_SOCKETS = InheritedSockets()
"""What a process has that was started from a shell."""


def inherited_sockets(environ: MutableMapping[str, str]) -> InheritedSockets:
    """The sockets that the variables name, which are taken out of `environ`: what this process starts has others.
    Raises BadSockets."""
    handed = environ.pop(VARIABLE, None)
    by_systemd = {name: environ.pop(name, None) for name in _OF_SYSTEMD}
    if handed is not None:
        parts = [part.split(":") for part in handed.split()]
        owned = {name for name, _, owner in parts if owner == _OWNED}
        return InheritedSockets(_opened([(name, int(number)) for name, number, _ in parts]), owned)
    if by_systemd["LISTEN_PID"] != str(os.getpid()) or not by_systemd["LISTEN_FDS"]:
        return NO_SOCKETS
    count = int(by_systemd["LISTEN_FDS"])
    names = (by_systemd["LISTEN_FDNAMES"] or "").split(":")
    if len(names) != count:
        names = ["gateway"] * count
    # Without FileDescriptorName= a socket has the name of its unit, `flowspan.socket`, or `unknown`.
    known = [name if name in NAMES else "gateway" for name in names]
    return InheritedSockets(_opened(list(zip(known, range(_FIRST, _FIRST + count), strict=True))))


def described(sockets: Mapping[SocketName, Sequence[socket.socket]], before: InheritedSockets) -> str:
    """What a process is told that gets these sockets of one which got those `before` itself."""
    return " ".join(
        f"{name}:{one.fileno()}:{_OWNED if before.owns_files(name) else _KEPT}"
        for name, several in sockets.items()
        for one in several
    )


def _opened(handed: Sequence[tuple[str, int]]) -> dict[str, list[socket.socket]]:
    found: dict[str, list[socket.socket]] = {}
    for name, number in handed:
        os.set_inheritable(number, False)
        try:
            one = socket.socket(fileno=number)
        except OSError as error:
            raise BadSockets(f"descriptor {number}, which was handed over for {name}, is no socket: {error}") from None
        if one.type != socket.SOCK_STREAM or not one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            raise BadSockets(f"descriptor {number}, which was handed over for {name}, is no listening stream socket")
        found.setdefault(name, []).append(one)
    return found
