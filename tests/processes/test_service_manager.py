"""What a service manager is told (sd_notify), by a process that serves alone and by a supervisor."""

import os
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.behaviour.gateway import configuration, simulated, until
from tests.behaviour.process import free_port
from tests.behaviour.started import Started


class Manager:
    """Listens at NOTIFY_SOCKET, as systemd does."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self._socket.settimeout(60)

    def close(self) -> None:
        self._socket.close()

    def next(self) -> str:
        """The next message that is no sign of life."""
        while (message := self._socket.recv(4096).decode()) == "WATCHDOG=1":
            continue
        return message

    def until_life(self) -> None:
        """Return when a sign of life comes."""
        while self._socket.recv(4096) != b"WATCHDOG=1":
            continue


@contextmanager
def managed(folder: Path, options: Sequence[str] = (), **variables: str) -> Iterator[tuple[Manager, Started]]:
    manager = Manager(folder)
    text = configuration(simulated("echo"), "  server: {lame_duck: 0}\n  console: off")
    words = ["--port", str(free_port()), "--metrics-port", str(free_port()), *options]
    try:
        with Started(folder, text, words, environ={"NOTIFY_SOCKET": str(manager.path), **variables}) as started:
            yield manager, started
    finally:
        manager.close()


@pytest.mark.parametrize("options", [[], ["--workers", "2"]], ids=["one process", "a supervisor"])
def test_its_states_are_told_in_order(tmp_path: Path, options: Sequence[str]) -> None:
    with managed(tmp_path, options) as (manager, started):
        assert manager.next() == "READY=1"
        started.process.send_signal(signal.SIGHUP)
        reloading, _, since = manager.next().partition("\nMONOTONIC_USEC=")
        assert reloading == "RELOADING=1"
        assert int(since) > 0
        assert manager.next() == "READY=1"
        started.process.send_signal(signal.SIGTERM)
        assert manager.next() == "STOPPING=1"
        assert started.process.wait(30) == 0


def test_a_successor_is_the_main_process_from_then_on(tmp_path: Path) -> None:
    with managed(tmp_path) as (manager, started):
        assert manager.next() == "READY=1"
        started.process.send_signal(signal.SIGUSR2)
        messages = {manager.next(), manager.next()}
        until(started.successors, "it is succeeded")
        assert messages == {"READY=1", f"MAINPID={started.successors()[0]}"}
        assert started.process.wait(30) == 0
        os.kill(started.successors()[0], signal.SIGTERM)
        # The one before has nothing more to say.
        assert manager.next() == "STOPPING=1"


def test_signs_of_life_come_where_they_are_asked_for(tmp_path: Path) -> None:
    with managed(tmp_path, WATCHDOG_USEC="300000") as (manager, _):
        for _ in range(3):
            manager.until_life()


def test_a_watch_over_another_process_is_not_this_one_s(tmp_path: Path) -> None:
    with managed(tmp_path, WATCHDOG_USEC="300000", WATCHDOG_PID="1") as (manager, started):
        assert manager.next() == "READY=1"
        started.process.send_signal(signal.SIGTERM)
        assert started.process.wait(30) == 0
        assert manager.next() == "STOPPING=1"


def test_a_manager_that_is_gone_is_a_warning(tmp_path: Path) -> None:
    text = configuration(simulated("echo"), "  console: off")
    words = ["--port", str(free_port()), "--metrics-port", str(free_port())]
    with Started(tmp_path, text, words, environ={"NOTIFY_SOCKET": str(tmp_path / "none")}) as started:
        started.until_logged("the service manager cannot be told READY=1: No such file or directory")
        started.until_logged("listening on")
