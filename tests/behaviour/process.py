"""`flowspan serve` as a process of its own."""

import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from http.client import HTTPSConnection
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.behaviour.clients import request
from tests.behaviour.gateway import until
from tests.behaviour.unix_sockets import ask_at

COMMAND = (sys.executable, "-c", "from app.cli import main; main()")
SCRIPT = (str(Path(sys.executable).with_name("flowspan")),)


class Served:
    """`port` is answered to once it is made. Killed at the end of the block, if it has not ended by then."""

    def __init__(
        self,
        directory: Path,
        text: str,
        command: Sequence[str] = COMMAND,
        cwd: Path | None = None,
        metrics_port: int | None = None,
        variables: Mapping[str, str] | None = None,
        options: Sequence[str] = (),
        uds: Path | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Where its port speaks TLS, `uds` is a Unix socket that it is to answer at, or `tls` what the port is asked
        with."""
        self.file = file = directory / "flowspan.yaml"
        file.write_text(text)
        self.port, self.metrics_port = free_port(), metrics_port or free_port()
        words = ["serve", "--config", str(file), "--port", str(self.port), "--metrics-port", str(self.metrics_port)]
        words += options
        self._uds, self._tls = uds, tls
        environment = {**os.environ, "FLOWSPAN_KEY": "", **(variables or {})}
        self.process = subprocess.Popen([*command, *words], stderr=subprocess.PIPE, env=environment, cwd=cwd)
        try:
            until(self._is_alive, "the process answers", 60)
        except BaseException:
            self.__exit__(None, None, None)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.communicate()

    def send(self, signal_sent: signal.Signals) -> None:
        self.process.send_signal(signal_sent)

    def is_ready(self) -> bool:
        return request(self, "GET", "/readyz").status == 200

    def end(self, timeout: float = 20) -> str:
        """What it logged until its end."""
        _, lines = self.process.communicate(timeout=timeout)
        return lines.decode()

    def _is_alive(self) -> bool:
        try:
            if self._uds is not None:
                return ask_at(self._uds, "GET", "/livez").status == 200
            if self._tls is not None:
                return self._encrypted_status("/livez") == 200
            return request(self, "GET", "/livez").status == 200
        except OSError:
            assert self.process.poll() is None
            return False

    def _encrypted_status(self, path: str) -> int:
        with closing(HTTPSConnection("localhost", self.port, timeout=15, context=self._tls)) as connection:
            connection.request("GET", path)
            return connection.getresponse().status


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
