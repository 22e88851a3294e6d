"""The real programs that these tests start: Prometheus, Alertmanager, the collector, and what checks their files.

Where one is missing a test is skipped and says how to get it; on CI it fails, for there a skip would look like success.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = (ROOT / ".tools").resolve()
"""Resolved, since npm does not know a folder again that it was led to by a link."""
HOW = {
    "prometheus": "apt-get install prometheus",
    "promtool": "apt-get install prometheus",
    "prometheus-alertmanager": "apt-get install prometheus-alertmanager",
    "amtool": "apt-get install prometheus-alertmanager",
    "nginx": "apt-get install --no-install-recommends nginx",
    "haproxy": "apt-get install --no-install-recommends haproxy",
    "tinyproxy": "apt-get install --no-install-recommends tinyproxy-bin",
    "chromium": "apt-get install --no-install-recommends chromium",
    "docker": "apt-get install --no-install-recommends docker.io",
    "curl": "apt-get install curl",
    "openssl": "apt-get install openssl",
    "buildah": "apt-get install --no-install-recommends buildah",
    "bwrap": "apt-get install --no-install-recommends bubblewrap",
    "debootstrap": "apt-get install debootstrap",
    "nsenter": "apt-get install util-linux",
    "systemd-analyze": "apt-get install systemd",
    "systemd-socket-activate": "apt-get install systemd",
    "otelcol": "make .tools/otelcol (needs Go)",
    "compose-config": "make .tools/compose-config (needs Go)",
}


def without(reason: str) -> NoReturn:
    """Skip the test for want of what the reason names; on CI it fails."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def need(program: str) -> str:
    """Its path."""
    found = shutil.which(program, path=f"{TOOLS}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is not None:
        return found
    without(f"{program} is missing: {HOW[program]}")


def output_of(program: str, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
    """What it prints; a failure of the program is one of the test."""
    done = subprocess.run(
        [need(program), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    assert done.returncode == 0, f"{program} {' '.join(arguments)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether a connection to this machine's port is accepted."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


class Process:
    """`with Process(command, log): ...`; what it says goes to the file `log`."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._command = command
        self._log = log
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Process":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=self._environment, cwd=ROOT)

    def stop(self) -> None:
        """Asked to end, and made to after ten seconds. Further calls change nothing."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def send(self, sig: signal.Signals) -> None:
        """Send a signal; nothing where it does not run."""
        if self._process is not None:
            self._process.send_signal(sig)

    def until(self, fulfilled: Callable[[], bool], what: str, timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while not fulfilled():
            running = self._process is not None and self._process.poll() is None
            if not running or time.monotonic() > deadline:
                log = self._log.read_text(errors="replace")[-3000:]
                raise AssertionError(f"{self._command[0]}: {what} not within {timeout:g} s\n{log}")
            time.sleep(0.1)
