"""The sockets that the gateway is served on: a port, a Unix socket, both, or what another process has handed over."""

import socket
from collections.abc import Sequence

from app.edge.inherited import InheritedSockets
from app.edge.listener import listening_sockets, not_listening
from app.edge.unix_sockets import bound_unix_socket, identity_of, remove_unix_socket
from app.settings import ServerSettings
from telemetry.hosts import in_url


class CannotListen(Exception):
    """An address cannot be had; the text says which one, why, and which settings choose another."""


class Listening:
    """Bound sockets. `made` are files of Unix sockets, by their paths, that are removed at the end."""

    def __init__(
        self, sockets: Sequence[socket.socket], made: dict[str, tuple[int, int]] | None = None, scheme: str = "http"
    ) -> None:
        self.sockets = tuple(sockets)
        self._scheme = scheme
        self._made = made or {}

    @property
    def port(self) -> int:
        """The port of the first socket that has one; 0 where none has."""
        return next((int(one.getsockname()[1]) for one in self.sockets if one.family != socket.AF_UNIX), 0)

    def __str__(self) -> str:
        """Where clients find the gateway, for people: `http://127.0.0.1:8080 and unix:/run/flowspan/http.sock`."""
        return " and ".join(dict.fromkeys(_address(one, self._scheme) for one in self.sockets))

    def hand_over(self) -> None:
        """Leave the files of Unix sockets to another process, which has the same sockets."""
        self._made = {}

    def close(self) -> None:
        """Close the sockets, and remove their files. Further calls change nothing."""
        for one in self.sockets:
            one.close()
        for path, identity in self._made.items():
            remove_unix_socket(path, identity)
        self._made = {}


async def listen(server: ServerSettings) -> Listening:
    """Bind what the settings name. Raises CannotListen."""
    sockets: list[socket.socket] = []
    made = {}
    try:
        if server.port is not None:
            sockets += await _port(server.host, server.port, server.reuse_port)
        if server.uds is not None:
            sockets.append(_unix_socket(server.uds, server.uds_mode))
            made[server.uds] = identity_of(server.uds)
    except CannotListen:
        for one in sockets:
            one.close()
        raise
    return Listening(sockets, made, scheme_of(server))


def scheme_of(server: ServerSettings) -> str:
    """`https` where the port speaks TLS, else `http`."""
    return "https" if server.tls.is_on else "http"


async def listen_or_take(server: ServerSettings, inherited: InheritedSockets) -> Listening:
    """The sockets that the process was started with, or else what the settings name. Raises CannotListen."""
    sockets = inherited.of("gateway")
    if not sockets:
        return await listen(server)
    unix = [one.getsockname() for one in sockets if one.family == socket.AF_UNIX]
    if not inherited.owns_files("gateway"):
        unix = []
    try:
        return Listening(sockets, {path: identity_of(path) for path in unix}, scheme_of(server))
    except OSError as error:
        raise CannotListen(f"the file of a Unix socket that was handed over is gone: {error}") from None


async def _port(host: str, port: int, reuse_port: bool) -> list[socket.socket]:
    try:
        return await listening_sockets(host, port, reuse_port=reuse_port)
    except OSError as error:
        raise CannotListen(not_listening(host, port, error)) from None


def _unix_socket(path: str, mode: int) -> socket.socket:
    try:
        return bound_unix_socket(path, mode)
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"cannot listen on the Unix socket {path}: {reason} (set by --uds, or uds in gateway.server)"
        raise CannotListen(message) from None


def _address(bound: socket.socket, scheme: str) -> str:
    name = bound.getsockname()
    if bound.family == socket.AF_UNIX:
        return f"unix:{name}"
    return f"{scheme}://{in_url(name[0])}:{name[1]}"
