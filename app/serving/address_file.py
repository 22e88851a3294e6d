"""The file in which a gateway writes where it listens, for probes that run beside it.

The port may be any free one, and may come from the command line or from the configuration; a probe that guesses would
ask somebody else, or nobody.
"""

import logging
import os
import socket
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from app.edge.unix_sockets import identity_of
from telemetry.hosts import in_url

_log = logging.getLogger("flowspan")
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Where one who listens on all addresses can be asked by the same machine."""


class AddressFile:
    """A file with one line, such as `http://127.0.0.1:8080`, `https://127.0.0.1:8443` or `unix:/run/flowspan.sock`,
    from when the gateway listens until it has ended."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._identity: tuple[int, int] | None = None

    def write(self, listening: Sequence[socket.socket], scheme: str = "http") -> None:
        """Write the address of the first socket, or that of a Unix socket where the port speaks TLS, which may ask for
        a certificate. Where that cannot be done the log says so and the gateway serves, as its clients need no such
        file; who probes finds none, or an old one at whose address nobody listens."""
        unix = [one for one in listening if one.family == socket.AF_UNIX]
        url = _address_of(unix[0] if scheme == "https" and unix else listening[0], scheme)
        # The name appears with the whole line in it.
        temporary = f"{self._path}.{os.getpid()}"
        try:
            Path(temporary).write_text(f"{url}\n", "utf-8")
            self._identity = identity_of(temporary)
            os.replace(temporary, self._path)
        except OSError as error:
            _log.error("the address file %s cannot be written: %s", self._path, error.strerror)

    def remove(self) -> None:
        """Remove the file, unless another gateway has written one of this name since."""
        with suppress(OSError):
            if identity_of(self._path) == self._identity:
                os.unlink(self._path)


def address_of(host: str, port: int, scheme: str = "http") -> str:
    """The URL at which a gateway that listens on this host and port can be asked by its own machine."""
    return f"{scheme}://{in_url(_LOOPBACK.get(host, host))}:{port}"


def _address_of(listening: socket.socket, scheme: str) -> str:
    name = listening.getsockname()
    return f"unix:{name}" if listening.family == socket.AF_UNIX else address_of(name[0], name[1], scheme)
