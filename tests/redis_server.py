"""A Redis server of Debian's for tests: in memory, on a free port."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager

PASSWORD = "never-to-be-printed"
_PROGRAM = "redis-server"


def program() -> str | None:
    """The server's path; None where it is not installed."""
    return shutil.which(_PROGRAM)


class RedisServer:
    """A server that is running. `url` has the password."""

    def __init__(self, port: int, folder: str) -> None:
        self._port = port
        self._folder = folder
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{port}/0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ("--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--requirepass", PASSWORD)
        self._process = subprocess.Popen(
            [program() or _PROGRAM, "--port", str(self._port), "--dir", self._folder, *options],
            stdout=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 20
        while not self._listens():
            assert self._process.poll() is None, "redis-server has ended"
            assert time.monotonic() < deadline, "redis-server does not listen"
            time.sleep(0.02)

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    def stop(self) -> None:
        """Kill it; all that it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        """Have it reply no more, with its connections open."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Have it go on, with what it was sent meanwhile first."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)


@contextmanager
def running() -> Iterator[RedisServer]:
    """A new, empty server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="flowspan-redis-") as folder:
        server = RedisServer(port, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
