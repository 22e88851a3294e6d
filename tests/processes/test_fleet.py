"""The fleet with real workers: one that hangs is replaced, and what is asked of all is answered as one."""

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.admin.acts import Act, ListKeys, NotPerformed, Outcome, Refused, RevokeKey
from app.configuration import Source, load
from app.settings import WorkerProcess
from app.workers.fleet import SLOTS_PER_WORKER, Fleet
from app.workers.folder import SharedFolder, shared_folder
from app.workers.handle import Worker
from app.workers.live import LiveFleet
from app.workers.messages import Begin, Perform, decode_outcome, raw
from telemetry import MergedMetrics
from telemetry.names.resource import VERSION
from tests.behaviour.gateway import until
from tests.support import run

CONFIGURATION = """
model_list:
  - {model_name: echo, litellm_params: {model: simulated/echo}}
gateway:
  server: {lame_duck: 0, drain_timeout: 100ms}
  telemetry: {log_level: error}
"""


class Wave(Act, frozen=True):
    """An act that no worker knows."""


class Counted:
    """What each worker has a share of."""

    def __init__(self) -> None:
        self.released: list[int] = []

    def release_worker(self, index: int) -> None:
        self.released.append(index)


def merged(act: Act, outcomes: Sequence[Outcome]) -> Outcome:
    return {"workers": len(outcomes)}


def fleet_of(
    count: int,
    file: Path,
    folder: SharedFolder,
    listening: socket.socket,
    counted: Counted,
    metrics: MergedMetrics,
    hang_limit: float = 0.5,
) -> Fleet:
    """Workers that may not stand still for longer than `hang_limit` seconds. They serve the file as it is when they
    start."""

    def launch(index: int) -> Worker:
        settings = load(file, environ={}).settings
        process = WorkerProcess(index, count * SLOTS_PER_WORKER, str(folder.path))
        source = raw(Source(str(file)))
        begin = Begin(VERSION, source, raw(settings), {}, 1, 0.0, process, (listening.fileno(),))
        return Worker(begin, (listening.fileno(), folder.lock))

    return Fleet(
        count, launch, shared=[counted, metrics], metrics=metrics.workers, merged=merged, hang_limit=hang_limit
    )


def test_a_worker_that_hangs_is_ended_and_replaced(tmp_path: Path) -> None:
    file = tmp_path / "flowspan.yaml"
    file.write_text(CONFIGURATION)
    counted = Counted()

    def deaths(metrics: MergedMetrics) -> float | None:
        return metrics.registry.get_sample_value("flowspan_worker_restarts_total", {"reason": "killed"})

    async def main(folder: SharedFolder, listening: socket.socket) -> None:
        metrics = MergedMetrics(folder.path)
        fleet = fleet_of(1, file, folder, listening, counted, metrics)
        await fleet.start()
        [hanging] = fleet.serving
        os.kill(hanging.pid, signal.SIGSTOP)
        await asyncio.to_thread(until, lambda: deaths(metrics) and fleet.serving, "it is replaced", 30)
        # It could not even say where it was.
        assert deaths(metrics) == 1
        assert counted.released == [0]
        with pytest.raises(Refused, match="there is no such act"):
            await fleet.perform(Wave(), "test")
        live = LiveFleet(fleet)
        assert (await live.look()).opened == 0
        fleet.leave(signal.SIGINT)
        await fleet.ended(10)
        with pytest.raises(Refused, match="no worker serves"):
            await fleet.perform(Wave(), "test")

    with shared_folder(tmp_path) as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        run(main(folder, listening), 60)


KEYS = """
  keys: [{name: ci, key: a-key-of-machines}, {name: people, key: a-key-of-people}]
"""


async def revoked(worker: Worker) -> list[str]:
    """The names of the keys that a worker takes for revoked."""
    outcome = decode_outcome(await worker.ask(lambda number: Perform(number, raw(ListKeys()), "test")))
    return [key["name"] for key in outcome["keys"] if key["revoked"]]


def test_what_is_done_comes_to_a_worker_that_is_late_and_to_one_that_starts(tmp_path: Path) -> None:
    file = tmp_path / "flowspan.yaml"
    file.write_text(CONFIGURATION + KEYS)

    async def main(folder: SharedFolder, listening: socket.socket) -> None:
        fleet = fleet_of(2, file, folder, listening, Counted(), MergedMetrics(folder.path), hang_limit=60)
        await fleet.start()
        await asyncio.to_thread(until, lambda: len(fleet.serving) == 2, "both serve", 30)
        one, other = fleet.serving
        os.kill(other.pid, signal.SIGSTOP)
        with pytest.raises(
            NotPerformed, match=rf"worker 1 \(pid {other.pid}\) has not done it within 1.5 s, of 2 workers"
        ):
            await fleet.perform(RevokeKey("ci"), "test")
        assert await revoked(one) == ["ci"]
        os.kill(other.pid, signal.SIGCONT)
        assert await revoked(other) == ["ci"]

        # Nobody is in time, and one ends without having done it.
        for worker in (one, other):
            os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(NotPerformed, match=r"workers 0 .*, 1 .* have not done it"):
            await fleet.perform(RevokeKey("people"), "test")
        with pytest.raises(NotPerformed, match=r"have not done it within 1.5 s, of 2 workers; what it changes comes"):
            await fleet.perform(RevokeKey("nobody"), "test")
        with pytest.raises(NotPerformed, match=r"have not done it within 1.5 s, of 2 workers$"):
            await fleet.perform(ListKeys(), "test")
        os.kill(other.pid, signal.SIGKILL)
        os.kill(one.pid, signal.SIGCONT)
        assert await revoked(one) == ["ci", "people"]

        def replacement() -> Worker | None:
            return next((each for each in fleet.serving if each not in (one, other)), None)

        new = await asyncio.to_thread(until, replacement, "it is replaced", 30)
        assert await revoked(new) == ["ci", "people"]

        # What all refuse is in force nowhere, also when there comes to be such a name.
        with pytest.raises(Refused, match="there is no key nobody"):
            await fleet.perform(RevokeKey("nobody"), "test")
        file.write_text(CONFIGURATION + KEYS.replace("people,", "nobody,"))
        assert await fleet.roll() == 2
        for worker in fleet.serving:
            assert await revoked(worker) == ["ci", "nobody"]
        fleet.leave(signal.SIGINT)
        await fleet.ended(10)

    with shared_folder(tmp_path) as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        run(main(folder, listening), 60)
