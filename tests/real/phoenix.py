"""Phoenix, a viewer of traces, as a process beside the tests, and what its own API says of the spans that it got."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.behaviour.gateway import until
from tests.real.fetched import phoenix_server
from tests.real.programs import Process, free_port

_PROJECT = "default"
_START = 120.0


class Phoenix:
    def __init__(self, url: str) -> None:
        self.url = url

    def is_ready(self) -> bool:
        try:
            with urlopen(f"{self.url}/healthz", timeout=1) as reply:
                return bool(reply.status == 200)
        except (URLError, TimeoutError, ConnectionError):
            return False

    def spans(self, count: int) -> list[dict[str, Any]]:
        """Its spans, once it has at least `count` of them. `attributes` are those that its pages show."""

        def found() -> list[dict[str, Any]]:
            spans = self._data(f"projects/{_PROJECT}/spans?limit=1000")
            return spans if len(spans) >= count else []

        spans: list[dict[str, Any]] = until(found, f"Phoenix has {count} spans", 30)
        return spans

    def sessions(self) -> list[dict[str, Any]]:
        return self._data(f"projects/{_PROJECT}/sessions")

    def _data(self, path: str) -> list[dict[str, Any]]:
        try:
            with urlopen(f"{self.url}/v1/{path}", timeout=10) as reply:
                found: list[dict[str, Any]] = json.load(reply)["data"]
                return found
        except URLError:
            # Before the first span there is no project.
            return []


@contextmanager
def phoenix(folder: Path) -> Iterator[Phoenix]:
    ports = {"PHOENIX_PORT": str(free_port()), "PHOENIX_GRPC_PORT": str(free_port())}
    settings: Mapping[str, str] = {
        **ports,
        "PHOENIX_HOST": "127.0.0.1",
        "PHOENIX_WORKING_DIR": str(folder),
        "PHOENIX_TELEMETRY_ENABLED": "false",
        "PATH": os.environ.get("PATH", ""),
    }
    server = Phoenix(f"http://127.0.0.1:{ports['PHOENIX_PORT']}")
    with Process([phoenix_server(), "serve"], folder / "phoenix.log", settings) as process:
        process.until(server.is_ready, "ready", _START)
        yield server
