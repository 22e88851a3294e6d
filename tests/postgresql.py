"""A PostgreSQL server of Debian's for tests: a cluster of its own in a temporary folder, on a free port."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PASSWORD = "never-to-be-printed"


def programs() -> Path | None:
    """The folder of the server's programs, the latest version; None where it is not installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda each: int(each.parts[-3]))
    return found[-1].parent if found else None


class Server:
    """A cluster that is running. `url` has the password."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder = folder
        self.url = f"postgresql://postgres:{PASSWORD}@127.0.0.1:{port}/postgres"
        self._port = port

    def start(self) -> None:
        options = (
            f"-p {self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder} -c fsync=off"
        )
        _run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        _run("pg_ctl", "-D", str(self._folder / "data"), "-w", "-m", "immediate", "stop")


@contextmanager
def running() -> Iterator[Server]:
    """A new, empty server. It does not run as root, who may not."""
    folder = Path(tempfile.mkdtemp(prefix="flowspan-postgresql-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres", "postgres")
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        _run(
            "initdb",
            "-D",
            str(folder / "data"),
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            "--pwfile",
            str(password),
            "-N",
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = Server(folder, port)
        server.start()
        try:
            yield server
        finally:
            subprocess.run(
                _command("pg_ctl", "-D", str(folder / "data"), "-m", "immediate", "stop"), capture_output=True
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run(_command(program, *arguments), capture_output=True, text=True, timeout=60, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr


def _command(program: str, *arguments: str) -> list[str]:
    folder = programs()
    assert folder is not None
    command = [str(folder / program), *arguments]
    return (
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        if os.geteuid() == 0
        else command
    )
