"""`flowspan serve --workers N`: several processes serve one port, and the rest does not feel what befalls one."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest

from tests.behaviour.clients import CHAT, RawClient, ask, dechunked, post, request
from tests.behaviour.gateway import configuration, simulated, until
from tests.behaviour.process import Served

STREAM = "lorem-30+pace-50"
MODELS = simulated(STREAM, "echo", "stall-2")
SERVER = "  server: {workers: 2, lame_duck: 200ms, drain_timeout: %s}\n  console: off"
REPLACED_WITHIN = 2.0


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
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    text = configuration(MODELS, SERVER % "20s")
    with Workers(tmp_path_factory.mktemp("workers"), text) as served:
        yield served


def both(served: Workers) -> set[int]:
    """The workers, once there are two."""
    return set(until(lambda: len(served.accepting) == 2 and served.accepting, "there are two workers"))


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
    with ExitStack() as stack:
        clients = open_streams(workers, stack, 50)
        taken = workers.connections(victim)
        assert 50 - taken == workers.connections(other)
        assert min(taken, 50 - taken) >= 15
        os.kill(victim, signal.SIGKILL)
        killed_at = time.monotonic()
        until(lambda: victim not in workers.pids, "it is dead")
        # Nothing is refused meanwhile.
        assert post(workers, CHAT, ask("echo")).status == 200
        both(workers)
        assert time.monotonic() - killed_at < REPLACED_WITHIN
        whole = [is_whole(client.read_all()) for client in clients]
    assert whole.count(False) == taken


def test_a_rolling_restart_loses_nothing(workers: Workers) -> None:
    before = both(workers)
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
        until(lambda: len(workers.pids - before) == 2, "there are two new workers")
        until(lambda: not workers.pids & before, "the old ones have ended")
        ends.set()
        for thread in asking:
            thread.join(10)
        assert all(is_whole(client.read_all()) for client in clients)
    assert set(statuses) == {200}
    assert request(workers, "GET", "/readyz").status == 200


def test_a_rolling_restart_with_a_faulty_configuration_replaces_nobody(tmp_path: Path) -> None:
    text = configuration(MODELS, SERVER % "200ms")
    with Workers(tmp_path, text) as served:
        before = both(served)
        (tmp_path / "flowspan.yaml").write_text("model_list: [")
        served.send(signal.SIGUSR2)
        # One that dies is replaced by one that serves what the other does.
        os.kill(min(before), signal.SIGKILL)
        until(lambda: len(served.pids) == 2 and min(before) not in served.pids, "it is replaced")
        assert post(served, CHAT, ask("echo")).status == 200
        served.send(signal.SIGTERM)
        lines = served.end()
    assert "the workers are not replaced" in lines
    assert served.process.returncode == 0


def test_streams_may_finish_when_the_gateway_is_told_to_stop(tmp_path: Path) -> None:
    with Workers(tmp_path, configuration(MODELS, SERVER % "10s")) as served, ExitStack() as stack:
        both(served)
        clients = open_streams(served, stack, 8)
        served.send(signal.SIGTERM)
        until(lambda: not served.is_ready(), "it is unready")
        assert all(is_whole(client.read_all()) for client in clients)
        lines = served.end()
    assert served.process.returncode == 0
    assert lines.count('"outcome":"ok"') == 8
    assert "Traceback" not in lines


def test_what_is_left_at_the_end_is_drained(tmp_path: Path) -> None:
    with Workers(tmp_path, configuration(MODELS, SERVER % "200ms")) as served, RawClient(served) as client:
        client.post(CHAT, ask("stall-2", stream=True))
        client.read_until(b"lorem")
        served.send(signal.SIGINT)
        body, complete = dechunked(b"\r\n\r\n" + client.read_all())
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
        until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "the workers have ended")
        with socket.create_server(("127.0.0.1", served.port)):
            pass


def test_workers_that_cannot_start_end_the_start(tmp_path: Path) -> None:
    text = configuration(MODELS, f"{SERVER % '1s'}\n  recorder: {{store: 'sqlite:///{tmp_path}/no/where'}}")
    with pytest.raises(AssertionError):
        Workers(tmp_path, text)
