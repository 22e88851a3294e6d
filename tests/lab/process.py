"""`flowspan serve` as a process of its own: its ports, its log, its metrics, and what it uses."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.behaviour.gateway import until
from tests.lab.account import Sheet

_ROOT = Path(__file__).parents[2]
_LISTENS = re.compile(r"(listening|metrics) on http://[^:]+:(\d+)")
_START, _END = 60.0, 60.0
"""Seconds."""


@dataclass(frozen=True)
class Used:
    """Memory in bytes, time in seconds; the loop's lag is the greatest bucket of the histogram that was hit."""

    resident: int
    peak: int
    descriptors: int
    threads: int
    cpu: float


class ServedGateway:
    """`with ServedGateway(configuration) as gateway:`; other than 0 at its end is a failure."""

    def __init__(self, configuration: str, environment: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._file = Path(self._folder.name) / "gateway.yaml"
        self._file.write_text(configuration)
        self._log = Path(self._folder.name) / "log"
        self._read = 0
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "FLOWSPAN_"))}
        self._environment = {**clean, **(environment or {})}
        self.port = self.metrics_port = 0

    def __enter__(self) -> "ServedGateway":
        command = [str(Path(sys.executable).parent / "flowspan"), "serve", "--config", str(self._file)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [*command, "--port", "0", "--metrics-port", "0"], stderr=log, env=self._environment, cwd=_ROOT
            )
        until(self._listens, "the gateway listens", _START)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._folder.cleanup()

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def used(self) -> Used:
        process = Path(f"/proc/{self._process.pid}")
        status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        times = (process / "stat").read_text().rpartition(")")[2].split()[11:13]
        return Used(
            resident=int(status["VmRSS"].split()[0]) * 1024,
            peak=int(status["VmHWM"].split()[0]) * 1024,
            descriptors=len(list((process / "fd").iterdir())),
            threads=int(status["Threads"]),
            cpu=sum(map(int, times)) / os.sysconf("SC_CLK_TCK"),
        )

    def forget_peak(self) -> None:
        """The peak of memory counts from now on."""
        Path(f"/proc/{self._process.pid}/clear_refs").write_text("5")

    def sheet(self) -> Sheet:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=30) as answer:
            return Sheet(text_string_to_metric_families(answer.read().decode()))

    def wait_until_idle(self, timeout: float = 30) -> Sheet:
        """The metrics, once no transaction is open."""

        def sheet() -> Sheet | None:
            found = self.sheet()
            return None if found.sum("flowspan_streams_in_flight") else found

        idle: Sheet = until(sheet, "all transactions have ended", timeout)
        return idle

    def new_lines(self) -> list[dict[str, Any]]:
        """Lines of the log since the last call; one that is no JSON becomes a line with nothing but its text."""
        with self._log.open("rb") as log:
            log.seek(self._read)
            data = log.read()
        data = data[: data.rfind(b"\n") + 1]
        self._read += len(data)
        return [_line(line) for line in data.decode(errors="replace").splitlines()]

    def _listens(self) -> bool:
        if not self.is_running:
            raise AssertionError(f"the gateway ended: {self._log.read_text()[-2000:]}")
        ports = dict(_LISTENS.findall(self._log.read_text()))
        self.port, self.metrics_port = int(ports.get("listening", 0)), int(ports.get("metrics", 0))
        return bool(self.port and self.metrics_port)


def _line(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {"text": text}
    return found if isinstance(found, dict) else {"text": text}
