"""A gateway with an admin API: asked as a program asks, and by the command."""

import http.client
import json
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from app.cli import main
from app.serving.administration import administration_of
from tests.behaviour.gateway import RunningGateway

ADMIN_KEY = "gate-of-admin-mulberry"


class AdminApi:
    """The admin API at a port, or at a Unix socket."""

    def __init__(self, at: int | Path) -> None:
        self.at = at

    def ask(
        self,
        method: str,
        path: str,
        fields: object = None,
        *,
        key: str | None = ADMIN_KEY,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[int, dict[str, Any]]:
        """The status and the JSON of an answer."""
        connection = self._connection()
        presented = {"authorization": f"Bearer {key}"} if key is not None else {}
        try:
            body = None if fields is None else json.dumps(fields).encode()
            connection.request(method, path, body, {**presented, **(headers or {})})
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()

    def act(self, method: str, path: str, fields: object = None) -> dict[str, Any]:
        """What became of an act that is performed."""
        status, outcome = self.ask(method, path, fields)
        assert status == 200, outcome
        return outcome

    def command(self, *words: str) -> Result:
        """What `flowspan admin` says."""
        where = ["--socket", str(self.at)] if isinstance(self.at, Path) else ["--url", f"http://127.0.0.1:{self.at}"]
        return CliRunner(env={"FLOWSPAN_ADMIN_KEY": ADMIN_KEY}).invoke(main, ["admin", *where, *words])

    def _connection(self) -> http.client.HTTPConnection:
        if isinstance(self.at, int):
            return http.client.HTTPConnection("127.0.0.1", self.at, timeout=15)
        connection = http.client.HTTPConnection("localhost", timeout=15)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.connect(str(self.at))
        return connection


@contextmanager
def administered(configuration: str) -> Iterator[tuple[RunningGateway, AdminApi]]:
    """A gateway that runs, with the admin API that its configuration asks for."""
    with RunningGateway(configuration) as gateway:
        administration = administration_of(gateway.app)
        try:
            assert administration.server is not None
            path = gateway.settings.admin.socket
            yield gateway, AdminApi(administration.server.port if path is None else Path(path))
        finally:
            administration.close()
