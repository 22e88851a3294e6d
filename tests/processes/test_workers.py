"""`flowspan serve --workers N`: several processes serve one port, and the rest does not feel what befalls one."""

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.behaviour.clients import CHAT, RESPONSES, RawClient, ask, dechunked, post, request
from tests.behaviour.gateway import configuration, simulated, until
from tests.behaviour.process import COMMAND, Served
from tests.behaviour.provider import Provider
from tests.behaviour.responses import models, reply, whole_text
from tests.upstream import json_reply, openai_completion, openai_error

STREAM = "lorem-30+pace-50"
MODELS = simulated(STREAM, "echo", "stall-2")
SERVER = "  server: {workers: 2, lame_duck: 200ms, drain_timeout: %s}\n  console: off"
COUNT = re.compile(r"\w+_(total|bucket|count|sum)\b")
"""Series that only ever rise."""
REPLACED_WITHIN = 10.0
"""Seconds on a machine that does other things; on one with an idle core it is one."""


class Workers(Served):
    """A gateway with workers. `pids` are those of the workers that live."""

    @property
    def pids(self) -> set[int]:
        pid = self.process.pid
        return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}

    @property
    def accepting(self) -> set[int]:
        """The workers that accept connections."""
        return {pid for pid in self.pids if any("connections.table" in link for link in links(pid))}

    def connections(self, pid: int) -> int:
        """How many sockets a worker has that are connected to the gateway's port."""
        inodes = {
            line.split()[9]
            for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
            if line.split()[1].endswith(f":{self.port:04X}") and line.split()[3] == "01"
        }
        return sum(f"socket:[{inode}]" in links(pid) for inode in inodes)


def links(pid: int) -> set[str]:
    """What the descriptors of a process are."""
    found = set()
    with suppress(OSError):
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            with suppress(OSError):
                found.add(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    return found


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory, provider: Provider) -> Iterator[Workers]:
    # Two accounts: who made a response has to be known.
    second = f"second: {{model: openai/responses/gpt-2, api_base: '{provider.url}/v1', api_key: another}}"
    breakers = "  breakers: {upstream: {threshold: 4, cooldown: 1s}}"
    seen = "  recorder: {store: memory}\n  console: {port: 0}"
    server = (SERVER % "20s").partition("\n")[0]
    text = configuration([*MODELS, *models(provider), second], f"{server}\n{breakers}\n{seen}")
    with Workers(tmp_path_factory.mktemp("workers"), text) as served:
        yield served


@pytest.fixture
def file(workers: Workers) -> Iterator[Path]:
    """The configuration of `workers`, which is as it was afterwards."""
    text = workers.file.read_text()
    yield workers.file
    workers.file.write_text(text)
    before = generation(workers)
    workers.send(signal.SIGHUP)
    until(lambda: generation(workers) != before, "it is as it was", 30)


def generation(served: Workers) -> int:
    """The generation of the configuration that is in use in the worker that happens to be asked."""
    return int(request(served, "GET", "/").json()["configuration_generation"])


def both(served: Workers) -> set[int]:
    """The workers, once there are two."""
    return set(until(lambda: len(served.accepting) == 2 and served.accepting, "there are two workers", 30))


@dataclass
class At:
    port: int


class Scrapes:
    """Reads the metrics now and then, and sees that no count of what has happened falls."""

    def __init__(self, served: Workers) -> None:
        self._metrics = At(served.metrics_port)
        self._before: dict[str, float] = {}
        self.read()

    def read(self) -> dict[str, float]:
        """All counts, by the name and the labels of their series."""
        lines = request(self._metrics, "GET", "/metrics", headers={"host": "localhost"}).body.decode().splitlines()
        series = (line.rpartition(" ") for line in lines if not line.startswith("#"))
        found = {name: float(value) for name, _, value in series if COUNT.match(name)}
        assert {name: value for name, value in self._before.items() if found.get(name, -1.0) < value} == {}
        self._before = found
        return found

    def ended(self) -> int:
        """How many requests have ended, however they did."""
        return int(sum(value for name, value in self.read().items() if name.startswith("flowspan_requests_total{")))


def open_streams(served: Workers, stack: ExitStack, count: int) -> list[RawClient]:
    """Streams that have begun, each on a connection of its own."""
    clients = [stack.enter_context(RawClient(served)) for _ in range(count)]
    for client in clients:
        client.post(CHAT, ask(STREAM, stream=True))
    for client in clients:
        client.read_until(b"lorem")
    return clients


def is_whole(rest: bytes) -> bool:
    """Whether a stream of which this is the rest came to its proper end."""
    return rest.rstrip().endswith(b"0") and b"[DONE]" in rest


def test_killed_worker_takes_its_own_streams_with_it_and_is_replaced(workers: Workers) -> None:
    victim, other = sorted(both(workers))
    scrapes = Scrapes(workers)
    ended = scrapes.ended()
    with ExitStack() as stack:
        clients = open_streams(workers, stack, 50)
        taken = workers.connections(victim)
        assert 50 - taken == workers.connections(other)
        assert 0 < taken < 50
        os.kill(victim, signal.SIGKILL)
        killed_at = time.monotonic()
        until(lambda: victim not in workers.pids, "it is dead")
        scrapes.read()
        # Nothing is refused meanwhile.
        assert post(workers, CHAT, ask("echo")).status == 200
        both(workers)
        scrapes.read()
        assert time.monotonic() - killed_at < REPLACED_WITHIN
        whole = [is_whole(client.read_all()) for client in clients]
    assert whole.count(False) == taken
    # Those that the killed one had under way have not ended; the other one's have, and so has the one meanwhile.
    until(lambda: scrapes.ended() >= ended + whole.count(True) + 1, "all are counted")
    assert scrapes.ended() == ended + whole.count(True) + 1
    assert scrapes.read()['flowspan_worker_restarts_total{reason="killed"}'] == 1


def test_a_rolling_restart_loses_nothing(workers: Workers, provider: Provider) -> None:
    before = both(workers)
    provider.play(reply(whole_text()))
    assert post(workers, RESPONSES, ask("res", RESPONSES)).status == 200
    scrapes = Scrapes(workers)
    ended = scrapes.ended()
    statuses: list[int] = []
    ends = threading.Event()

    def keep_asking() -> None:
        while not ends.is_set():
            statuses.append(post(workers, CHAT, ask("echo")).status)

    asking = [threading.Thread(target=keep_asking) for _ in range(4)]
    with ExitStack() as stack:
        clients = open_streams(workers, stack, 50)
        for thread in asking:
            thread.start()
        workers.send(signal.SIGUSR2)
        until(lambda: len(workers.pids - before) == 2, "there are two new workers", 30)
        until(lambda: scrapes.read() and not workers.pids & before, "the old ones have ended", 30)
        ends.set()
        for thread in asking:
            thread.join(10)
        assert all(is_whole(client.read_all()) for client in clients)
    assert set(statuses) == {200}
    until(lambda: scrapes.ended() >= ended + len(statuses) + 50, "all are counted")
    assert scrapes.ended() == ended + len(statuses) + 50
    assert workers.is_ready()
    # They know what the old ones have let each other know.
    assert request(workers, "GET", f"{RESPONSES}/resp_1").status == 200
    assert request(workers, "GET", f"{RESPONSES}/resp_2").status == 404


@contextmanager
def one_to_each(served: Workers) -> Iterator[list[HTTPConnection]]:
    """A kept connection to each of the two workers."""
    workers = both(served)
    until(lambda: not any(map(served.connections, workers)), "earlier connections are closed")
    found: dict[int, HTTPConnection] = {}
    with ExitStack() as stack:
        while len(found) < 2:
            before = {pid: served.connections(pid) for pid in workers}
            connection = stack.enter_context(closing(HTTPConnection("127.0.0.1", served.port, timeout=15)))
            assert status_of(connection, "GET", "/livez") == 200
            [worker] = [pid for pid in workers if served.connections(pid) > before[pid]]
            found.setdefault(worker, connection)
        yield list(found.values())


def status_of(connection: HTTPConnection, method: str, path: str, body: object = None) -> int:
    connection.request(method, path, None if body is None else json.dumps(body))
    answer = connection.getresponse()
    answer.read()
    return answer.status


def test_a_breaker_opens_and_closes_in_all_workers(workers: Workers, provider: Provider) -> None:
    down = openai_error(503, "down")
    provider.play(down)
    with one_to_each(workers) as connections:
        for number in range(6):
            # Each learns of the other's failures some milliseconds later.
            assert status_of(connections[number % 2], "POST", CHAT, ask("chat")) == 503
        asked = len(provider.requests)
        assert 4 <= asked < 6
        for connection in connections:
            assert status_of(connection, "POST", CHAT, ask("chat")) == 503
        assert len(provider.requests) == asked
        provider.play(json_reply(openai_completion({"content": "well"})))
        until(lambda: status_of(connections[0], "POST", CHAT, ask("chat")) == 200, "a probe went well")
        assert status_of(connections[1], "POST", CHAT, ask("chat")) == 200


def test_the_console_shows_all_workers_as_one_gateway(workers: Workers) -> None:
    url = until(lambda: request(workers, "GET", "/").json().get("console"), "the console is there")
    console = At(int(urlsplit(url).port or 0))
    with one_to_each(workers) as connections, ExitStack() as stack:
        before = live(console)
        for connection in connections:
            assert status_of(connection, "POST", CHAT, ask("echo", text="a word in a million")) == 200
        open_streams(workers, stack, 6)
        now = until(lambda: (now := live(console))["in_flight"] == {"openai_chat": 6} and now, "six streams are open")
        assert now["outcomes"]["ok"] - before["outcomes"]["ok"] == 2
        assert now["opened"] - before["opened"] == 8
        until(lambda: listed(console, "million") == 2, "what both recorded is there", 20)


def live(console: At) -> Any:
    """The snapshot that the console has as JSON."""
    return request(console, "GET", "/live", headers={"host": "localhost"}).json()["snapshot"]


def listed(console: At, word: str) -> int:
    """How many transactions the console finds by a word."""
    page = request(console, "GET", f"/transactions?q={word}", headers={"host": "localhost"})
    return len(set(re.findall(rb"txn_[0-9a-f]+", page.body)))


def test_a_changed_configuration_is_in_use_in_all_workers_and_in_those_that_start_later(
    workers: Workers, file: Path
) -> None:
    with one_to_each(workers) as connections:
        assert [status_of(each, "POST", CHAT, ask("new")) for each in connections] == [404, 404]
        file.write_text(file.read_text().replace("model_name: echo,", "model_name: new,"))
        workers.send(signal.SIGHUP)
        new = ask("new")
        until(
            lambda: all(status_of(each, "POST", CHAT, new) == 200 for each in connections), "both serve the new model"
        )
        # A faulty one is refused.
        good = file.read_text()
        file.write_text("model_list: [")
        workers.send(signal.SIGHUP)
        assert status_of(connections[0], "POST", CHAT, ask("new")) == 200
        in_use = generation(workers)
        os.kill(min(both(workers)), signal.SIGKILL)
        before = workers.pids
        until(lambda: workers.pids != before, "one is dead", 30)
        both(workers)
        file.write_text(good)
    with one_to_each(workers) as connections:
        for each in connections:
            assert status_of(each, "POST", CHAT, ask("new")) == 200
    assert generation(workers) == in_use


def test_a_stored_response_can_be_asked_about_whichever_worker_made_it(workers: Workers, provider: Provider) -> None:
    provider.play(reply(whole_text()))
    with one_to_each(workers) as connections:
        assert status_of(connections[0], "POST", RESPONSES, ask("res", RESPONSES)) == 200
        for connection in connections:
            assert status_of(connection, "GET", f"{RESPONSES}/resp_1") == 200


def test_workers_that_die_before_they_serve_end_the_start(tmp_path: Path) -> None:
    dies = "import os, sys\nfrom flowspan import Policy\n\nclass Dies(Policy):\n    pass\n\n"
    dies += "if sys.argv[-1].startswith('flowspan worker'):\n    os._exit(7)\n"
    (tmp_path / "dies.py").write_text(dies)
    text = configuration(MODELS, f"{SERVER % '1s'}\n  policies: [{{use: './dies.py:Dies'}}]")
    assert ended_by_itself(tmp_path, text).count("has died: exit status 7") == 3


def ended_by_itself(directory: Path, text: str) -> str:
    """What a gateway logs that cannot start."""
    file = directory / "flowspan.yaml"
    file.write_text(text)
    command = [*COMMAND, "serve", "--config", str(file), "--port", "0", "--metrics-port", "0"]
    ended = subprocess.run(command, stderr=subprocess.PIPE, text=True, timeout=60)
    assert ended.returncode == 2
    return ended.stderr


def test_streams_may_finish_when_all_processes_are_told_to_stop(tmp_path: Path) -> None:
    """As systemd does: the supervisor and each worker get the signal. A faulty file before changes nothing."""
    server = (SERVER % "10s").replace("200ms", "1s")
    with Workers(tmp_path, configuration(MODELS, server)) as served, ExitStack() as stack:
        before = both(served)
        (tmp_path / "flowspan.yaml").write_text("model_list: [")
        served.send(signal.SIGUSR2)
        os.kill(min(before), signal.SIGKILL)
        until(lambda: min(before) not in served.pids, "it is dead")
        # What takes its place serves what the other does.
        pids = both(served)
        assert max(before) in pids
        clients = open_streams(served, stack, 8)
        for pid in (min(pids), served.process.pid, max(pids)):
            os.kill(pid, signal.SIGTERM)
        until(lambda: not served.is_ready(), "it is unready")
        # It serves on until the lame duck is over.
        for _ in range(4):
            assert post(served, CHAT, ask("echo")).status == 200
        assert all(is_whole(client.read_all()) for client in clients)
        lines = served.end()
    assert served.process.returncode == 0
    assert lines.count('"outcome":"ok"') == 12
    assert "the workers are not replaced" in lines
    assert "Traceback" not in lines


def test_what_is_left_at_the_end_is_drained(tmp_path: Path) -> None:
    with Workers(tmp_path, configuration(MODELS, SERVER % "200ms")) as served, RawClient(served) as client:
        client.post(CHAT, ask("stall-2", stream=True))
        first = client.read_until(b"lorem")
        served.send(signal.SIGINT)
        body, complete = dechunked(first + client.read_all())
        assert b"shutting down" in body
        assert complete
        served.end()
    assert served.process.returncode == 0


def test_workers_end_when_their_supervisor_is_killed(tmp_path: Path) -> None:
    with Workers(tmp_path, configuration(MODELS, SERVER % "10s")) as served, ExitStack() as stack:
        pids = both(served)
        clients = open_streams(served, stack, 4)
        served.process.kill()
        assert all(is_whole(client.read_all()) for client in clients)
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "the workers have ended", 30)
        with socket.create_server(("127.0.0.1", served.port)):
            pass


def test_a_store_that_cannot_be_opened_ends_the_start(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("This is no database. " * 500)
    text = configuration(MODELS, f"{SERVER % '1s'}\n  recorder: {{store: 'sqlite:///{tmp_path}/store'}}")
    assert "recordings cannot be kept" in ended_by_itself(tmp_path, text)
