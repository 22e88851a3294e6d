"""Another process in the place of one that serves: no connection is refused or reset, and no stream is lost."""

import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.behaviour.clients import CHAT, ask, post, request
from tests.behaviour.gateway import configuration, simulated, until
from tests.behaviour.process import free_port
from tests.behaviour.started import Started
from tests.behaviour.unix_sockets import ask_at

MODELS = simulated("echo", "lorem-80+pace-50")
STREAMS = 12


@dataclass
class At:
    port: int


@dataclass
class Load:
    """Clients that ask one thing after the other, each by new connections or by one that is kept."""

    port: int
    asked: int = 0
    failures: list[str] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def running(self, clients: int = 4) -> Iterator[None]:
        with ThreadPoolExecutor(clients) as pool:
            runs = [pool.submit(self._ask_on, number % 2 == 0) for number in range(clients)]
            try:
                yield
            finally:
                self._over.set()
                for run in runs:
                    run.result()

    def _ask_on(self, keeps: bool) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        body = json.dumps(ask("echo"))
        while not self._over.is_set():
            self.asked += 1
            try:
                connection.request("POST", CHAT, body, {"content-type": "application/json"})
                reply = connection.getresponse()
                content = reply.read()
                if reply.status != 200 or b"hello there" not in content:
                    self.failures.append(f"{reply.status} {content[:100]!r}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(repr(error))
                connection.close()
            if not keeps:
                connection.close()
        connection.close()


def stream(port: int) -> bytes:
    """The whole of a stream of four seconds."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        body = json.dumps(ask("lorem-80+pace-50", stream=True))
        connection.request("POST", CHAT, body, {"content-type": "application/json"})
        return connection.getresponse().read()


def text(rest: str = "") -> str:
    return configuration(MODELS, f"  server: {{lame_duck: 1, drain_timeout: 10{rest}}}")


def ports() -> tuple[int, list[str]]:
    port, others = free_port(), [free_port() for _ in range(2)]
    names = ("--port", "--metrics-port", "--console-port")
    words = [word for name, number in zip(names, (port, *others), strict=True) for word in (name, str(number))]
    return port, words


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("sent", "options"),
    [(signal.SIGUSR2, []), (signal.SIGUSR1, ["--workers", "2"])],
    ids=["one process", "a supervisor and its workers"],
)
def test_under_load_nobody_notices(tmp_path: Path, sent: signal.Signals, options: Sequence[str]) -> None:
    port, words = ports()
    load = Load(port)
    with Started(tmp_path, text(), [*words, *options]) as first:
        first.until_logged("listening on")
        if options:
            until(lambda: first.log.count(' serves"') == 2, "its workers serve")
        with load.running(), ThreadPoolExecutor(STREAMS) as pool:
            streams = [pool.submit(stream, port) for _ in range(STREAMS)]
            until(lambda: load.asked > 50, "there is a load")
            first.process.send_signal(sent)
            until(first.successors, "another process serves", 60)
            served = load.asked
            assert first.process.wait(30) == 0
            until(lambda: load.asked > served + 50, "the successor serves")
            whole = [one.result() for one in streams]
            [successor] = first.successors()
            os.kill(successor, sent)
            until(lambda: len(first.successors()) == 2, "and has one of its own", 60)
            until(lambda: not Path(f"/proc/{successor}/cmdline").exists() or _is_gone(successor), "it ends", 30)
        assert load.failures == []
        assert all(one.rstrip().endswith(b"data: [DONE]") for one in whole)
        # What is served beside the API is where it was.
        for number in (int(words[3]), int(words[5])):
            assert request(At(number), "GET", "/metrics" if number == int(words[3]) else "/").status == 200
        os.kill(first.successors()[-1], signal.SIGTERM)
        until(lambda: _is_gone(first.successors()[-1]), "the last one ends", 30)


def _is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_successor_that_cannot_start_changes_nothing(tmp_path: Path) -> None:
    port, words = ports()
    with Started(tmp_path, text(), words) as first:
        first.until_logged("listening on")
        (tmp_path / "flowspan.yaml").write_text("model_list: 7\n")
        first.process.send_signal(signal.SIGUSR2)
        first.until_logged("no other process takes the place of this one, which serves on: it has ended with status")
        assert post(At(port), CHAT, ask("echo")).status == 200
        (tmp_path / "flowspan.yaml").write_text(text())
        first.process.send_signal(signal.SIGUSR2)
        until(first.successors, "the next try goes well", 60)
        assert post(At(port), CHAT, ask("echo")).status == 200


def test_a_unix_socket_goes_to_the_successor_with_its_file(tmp_path: Path) -> None:
    path, admin = tmp_path / "s", tmp_path / "a"
    _, words = ports()
    configured = text(f", uds: {path}") + f"  admin: {{socket: {admin}}}\n"
    with Started(tmp_path, configured, words) as first:
        first.until_logged("listening on")
        before = path.stat().st_ino, admin.stat().st_ino
        first.process.send_signal(signal.SIGUSR2)
        until(first.successors, "another process serves", 60)
        assert first.process.wait(30) == 0
        assert (path.stat().st_ino, admin.stat().st_ino) == before
        assert ask_at(path, "GET", "/readyz").status == 200
        assert ask_at(admin, "GET", "/v1/status").status in (200, 404)
        os.kill(first.successors()[0], signal.SIGTERM)
        until(lambda: not path.exists() and not admin.exists(), "the last one removes the files", 30)
