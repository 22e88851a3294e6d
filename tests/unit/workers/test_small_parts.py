"""The parts of the supervisor that need no processes: delays, cores, the folder, the relay, whole lines, balance."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from app.peers.news import BreakerNews, ConversationNews, ResponseForgotten, ResponseNews
from app.settings import WorkerProcess
from app.workers.balance import BalancedSlots
from app.workers.cores import usable_cores
from app.workers.folder import shared_folder
from app.workers.handle import reason_of
from app.workers.messages import decode_for_worker
from app.workers.relay import Relay
from app.workers.restarts import Restarts
from app.workers.whole_lines import whole_lines


def test_the_first_death_is_followed_at_once_and_the_next_ones_later_and_later() -> None:
    restarts = Restarts()
    assert [restarts.delay(1) for _ in range(10)] == [0, 0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]
    # One that has served for a while has not died for what killed those before it.
    assert [restarts.delay(served) for served in (3600, 1, 1)] == [0, 0.25, 0.5]


@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000\n", 64), ("150000 100000\n", 2), ("10000 100000", 1), ("nonsense", 64), (None, 64)],
)
def test_auto_is_what_a_container_leaves_time_for(
    limit: str | None, cores: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)))
    file = tmp_path / "cpu.max"
    if limit is not None:
        file.write_text(limit)
    assert usable_cores(file) == cores


def test_the_folder_is_private_and_removed_and_what_a_killed_gateway_left_goes_first(tmp_path: Path) -> None:
    left, foreign = tmp_path / "flowspan-left", tmp_path / "flowspan-whatever"
    for folder in (left, foreign):
        folder.mkdir()
    (left / "lock").touch()
    (foreign / "data").touch()
    with shared_folder(tmp_path) as one, shared_folder(tmp_path) as other:
        assert not left.exists()
        # Of this nobody knows whether it is one.
        assert foreign.exists()
        # The second gateway has left the first one's alone.
        assert one.path.exists()
        assert other.path.stat().st_mode & 0o777 == 0o700
    assert not one.path.exists()
    assert not other.path.exists()


def test_the_folder_of_a_killed_supervisor_stays_while_a_worker_has_its_lock(tmp_path: Path) -> None:
    folder = tmp_path / "flowspan-killed"
    folder.mkdir()
    inherited = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(inherited, fcntl.LOCK_EX)
    with shared_folder(tmp_path):
        assert folder.exists()
    os.close(inherited)
    with shared_folder(tmp_path):
        assert not folder.exists()


def test_a_worker_that_starts_later_is_told_what_the_others_know_within_bounds() -> None:
    relay = Relay(responses=2, conversations=1)
    for id in ("a", "b", "c"):
        relay.note(ResponseNews(id, "d", ""))
    relay.note(ResponseForgotten("b"))
    relay.note(ConversationNews("a", "conv_1"))
    relay.note(ConversationNews("c", "conv_2"))
    relay.note(BreakerNews())
    assert [decode_for_worker(message) for message in relay.messages()] == [
        ResponseNews("c", "d", ""),
        ConversationNews("c", "conv_2"),
    ]


def test_what_several_write_at_a_time_stays_whole(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    lines = 50
    with open(writing, "w") as stream:
        streams = [whole_lines(stream, tmp_path) for _ in range(2)]

        def write(of: int) -> None:
            for _ in range(lines):
                # More than a pipe takes at a time.
                streams[of].write(f"{of}" * 150_000 + "\n")

        writers = [threading.Thread(target=write, args=(of,)) for of in range(2)]
        for writer in writers:
            writer.start()
        with open(reading) as read:
            found = [read.readline() for _ in range(2 * lines)]
        for writer in writers:
            writer.join()
        assert streams[0].isatty() is stream.isatty()
    assert sorted(found) == ["0" * 150_000 + "\n"] * lines + ["1" * 150_000 + "\n"] * lines


def test_a_worker_with_clearly_more_connections_than_another_is_ahead(tmp_path: Path) -> None:
    one, other = (BalancedSlots(1000, 1, WorkerProcess(index, 4, str(tmp_path))) for index in (0, 2))
    assert not one.is_ahead()
    one.acquire("a")
    assert one.is_ahead()
    assert not other.is_ahead()
    for _ in range(32):
        other.acquire("b")
    for _ in range(33):
        one.acquire("a")
    # By one in sixteen it may be.
    assert not one.is_ahead()
    one.acquire("a")
    assert one.is_ahead()
    one.release("a")
    assert not one.is_ahead()


def test_nobody_waits_for_a_worker_that_accepts_no_more(tmp_path: Path) -> None:
    one, other = (BalancedSlots(10, 1, WorkerProcess(index, 2, str(tmp_path))) for index in (0, 1))
    one.acquire("a")
    other.stop()
    other.acquire("b")
    other.release("b")
    assert not one.is_ahead()


def test_an_end_is_called_by_its_signal_or_status() -> None:
    assert [reason_of(status) for status in (0, 2, -9, -250)] == [
        "exit status 0",
        "exit status 2",
        "SIGKILL",
        "signal 250",
    ]
