"""Each row's gateway as a running server on a core of its own."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from bench.configurations import MODELS, Provider, command
from bench.peers import Peers
from bench.processes import cpu_seconds, is_zombie, resident_bytes, tree
from bench.rows import Row

GATEWAY_CORE, LOAD_CORE = 0, 1
_START_LIMIT = 180.0
"""Seconds that a gateway may take to start."""
_QUIET, _QUIET_SHARE = 0.5, 0.1
"""A gateway that has started uses no more than this share of a core for so many seconds."""


class NotStarted(Exception):
    """A gateway did not come to serve."""


@dataclass
class Server:
    """A running gateway. Times in seconds, memory in bytes."""

    port: int
    pid: int
    start_seconds: float
    idle_bytes: int

    def cpu_seconds(self) -> float:
        return sum(map(cpu_seconds, tree(self.pid)))

    def resident_bytes(self) -> int:
        return sum(map(resident_bytes, tree(self.pid)))


class Servers:
    """The mock provider and the gateways of some rows: `with Servers(rows) as running: running["floor"].port`."""

    def __init__(
        self,
        rows: Sequence[Row],
        models: Sequence[str] = MODELS,
        keys: int = 0,
        *,
        pinned: bool = True,
        peers: Peers | None = None,
        under: Sequence[str] = (),
    ) -> None:
        """`pinned` gives the gateways one core, and clients and provider the other; `peers` is where other gateways
        are installed; `under` is the command that starts each of them, which stands before its own."""
        self._rows = rows
        self._models = models
        self._keys = keys
        self._pinned = pinned
        self._peers = peers or Peers()
        self._under = under
        self._stack = ExitStack()
        self.upstream = free_port()
        self.upstream_pid = 0
        self.running: dict[str, Server] = {}

    def __enter__(self) -> "Servers":
        folder = Path(self._stack.enter_context(TemporaryDirectory()))
        if self._pinned:
            os.sched_setaffinity(0, {LOAD_CORE % _cores()})
        provider = Provider(self.upstream, free_port(), _certificate(folder))
        ports = [str(provider.port), str(provider.tls_port)]
        asked = [sys.executable, "-m", "bench.upstream", *ports, str(provider.certificate)]
        self.upstream_pid = self._start(asked, LOAD_CORE, {})
        _wait_until_ready(self.upstream, self.upstream_pid)
        for row in self._rows:
            self.running[row.name] = self._server(row, provider, folder)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _server(self, row: Row, provider: Provider, folder: Path) -> Server:
        if row.kind == "none":
            return Server(self.upstream, os.getpid(), 0.0, 0)
        port = free_port()
        file = folder / f"{port}.yaml"
        serving = command(row, port, provider, file, self._models, self._keys, self._peers)
        starting = [*self._under, *serving]
        began = time.monotonic()
        environment = {name: value.format(upstream=self.upstream) for name, value in row.environment.items()}
        pid = self._start(starting, GATEWAY_CORE, environment)
        try:
            if row.kind == "tensorzero":
                port = _announced(file.with_suffix(".port"))
            _wait_until_ready(port, pid)
            took = time.monotonic() - began
            _wait_until_quiet(pid)
        except NotStarted as why:
            raise NotStarted(f"{row.name}: {why}\n{_last_words(starting, environment)}") from None
        return Server(port, pid, took, sum(map(resident_bytes, tree(pid))))

    def _start(self, command: Sequence[str], core: int, environment: Mapping[str, str]) -> int:
        child = subprocess.Popen(
            command,
            env=_environment(environment),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=(lambda: os.sched_setaffinity(0, {core % _cores()})) if self._pinned else None,
        )
        self._stack.callback(_end, child)
        return child.pid


def _certificate(folder: Path) -> Path:
    """A new certificate for this machine, in one file with its key, by openssl."""
    file = folder / "provider.pem"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", str(file)]
    subprocess.run(
        ["openssl", "req", "-x509", *key, "-days", "2", *names, "-out", str(folder / "only.pem")],
        check=True,
        capture_output=True,
    )
    file.write_bytes(file.read_bytes() + (folder / "only.pem").read_bytes())
    return file


def _environment(further: Mapping[str, str]) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return {**clean, "PATH": _path(), **further}


def _last_words(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """What a gateway that did not start writes when it is started once more; else its log is thrown away."""
    try:
        ended = subprocess.run(command, env=_environment(environment), capture_output=True, timeout=30, check=False)
        return ended.stderr[-2000:].decode(errors="replace")
    except subprocess.TimeoutExpired as still_running:
        return (still_running.stderr or b"")[-2000:].decode(errors="replace")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _announced(file: Path) -> int:
    until = time.monotonic() + _START_LIMIT
    while not file.exists():
        if time.monotonic() > until:
            raise NotStarted(f"nobody wrote {file.name}")
        time.sleep(0.02)
    return int(file.read_text())


def _path() -> str:
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"


def _wait_until_ready(port: int, pid: int) -> None:
    until = time.monotonic() + _START_LIMIT
    while time.monotonic() < until:
        if not Path(f"/proc/{pid}/stat").exists() or is_zombie(pid):
            raise NotStarted(f"the process on port {port} did not come up")
        if asyncio.run(_answers(port)):
            return
        time.sleep(0.02)
    raise NotStarted(f"nobody answers on port {port}")


def _wait_until_quiet(pid: int) -> None:
    """Wait until all processes of a gateway have started: they use next to nothing for half a second."""
    until = time.monotonic() + _START_LIMIT
    while time.monotonic() < until:
        before = sum(map(cpu_seconds, tree(pid)))
        time.sleep(_QUIET)
        if sum(map(cpu_seconds, tree(pid))) - before < _QUIET * _QUIET_SHARE:
            return
    raise NotStarted(f"the process {pid} and its children do not come to rest")


async def _answers(port: int) -> bool:
    """Whether the gateway is ready: any status but 503, which one that listens before it is ready answers with."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.write(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
    try:
        line = await asyncio.wait_for(reader.readline(), 5)
    except (OSError, TimeoutError):
        return False
    finally:
        writer.close()
    return line.startswith(b"HTTP/1.1 ") and not line.startswith(b"HTTP/1.1 503")


def _end(child: "subprocess.Popen[bytes]") -> None:
    # Not SIGTERM: a gateway would serve on for a while.
    child.send_signal(signal.SIGINT)
    try:
        child.wait(10)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _cores() -> int:
    return os.cpu_count() or 1
