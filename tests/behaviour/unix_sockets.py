"""A client that comes by a Unix socket."""

import http.client
import json
import socket
from collections.abc import Mapping
from pathlib import Path

from tests.behaviour.clients import Reply


class UnixConnection(http.client.HTTPConnection):
    """A connection to the socket at `path`."""

    def __init__(self, path: Path, timeout: float = 15) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


def ask_at(
    path: Path, method: str, target: str, body: object = None, headers: Mapping[str, str] | None = None
) -> Reply:
    """One request by a connection of its own; `body` goes as JSON."""
    connection = UnixConnection(path)
    try:
        data = None if body is None else json.dumps(body).encode()
        connection.request(method, target, data, {"content-type": "application/json", **(headers or {})})
        reply = connection.getresponse()
        content = reply.read()
        return Reply(reply.status, {name.lower(): value for name, value in reply.getheaders()}, content)
    finally:
        connection.close()
