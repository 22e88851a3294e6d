"""The fleet with real workers: one that hangs is replaced, and what is asked of all is answered as one."""

import asyncio
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.admin.acts import Act, Outcome, Refused
from app.configuration import Source, load
from app.settings import WorkerProcess
from app.workers.fleet import SLOTS_PER_WORKER, Fleet
from app.workers.folder import SharedFolder, shared_folder
from app.workers.handle import Worker
from app.workers.live import LiveFleet
from app.workers.messages import Begin, raw
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
    count: int, file: Path, folder: SharedFolder, listening: socket.socket, counted: Counted, metrics: MergedMetrics
) -> Fleet:
    """Workers that are looked at twelve times a second, and may not stand still for longer than half of one."""
    settings = load(file, environ={}).settings

    def launch(index: int) -> Worker:
        process = WorkerProcess(index, count * SLOTS_PER_WORKER, str(folder.path))
        source = raw(Source(str(file)))
        begin = Begin(VERSION, source, raw(settings), {}, 1, 0.0, process, (listening.fileno(),))
        return Worker(begin, (listening.fileno(), folder.lock))

    return Fleet(count, launch, shared=[counted, metrics], metrics=metrics.workers, merged=merged, hang_limit=0.5)


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
