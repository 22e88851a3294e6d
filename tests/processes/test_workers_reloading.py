"""A reload of several workers: all serve the new configuration, or all the one before; and it counts once."""

import asyncio
import logging
import signal
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from app.admin.acts import GetStatus, ListKeys, Refused, RevokeKey, SetLogLevel
from app.admin.merging import merged
from app.configuration import Source
from app.quotas import Quotas, rules_of
from app.serving.reloading import ReloadRefused
from app.settings import Limits, Settings, WorkerProcess
from app.workers.administration import FleetOperator
from app.workers.fleet import SLOTS_PER_WORKER, Fleet
from app.workers.folder import SharedFolder, shared_folder
from app.workers.handle import Worker
from app.workers.messages import Begin, raw
from app.workers.reloading import FleetConfiguration, FleetReloads
from telemetry import MergedMetrics
from telemetry.names import RELOAD_RESULTS
from telemetry.names.resource import VERSION
from tests.behaviour.gateway import until
from tests.support import run
from tests.unit.quotas.made import rules

WORKERS = 2
CONFIGURATION = """
model_list:
  - {model_name: echo, litellm_params: {model: simulated/echo}}
gateway:
  server: {lame_duck: 0, drain_timeout: 100ms}
  telemetry: {log_level: error}
"""
_ENTRIES = [
    f"{{name: k{number}, key: a-key-of-a-caller-{number:04}, limits: {{requests_per_minute: 9}}}}"
    for number in range(500)
]
KEYS = f"  keys: [{', '.join(_ENTRIES)}]\n"
POLICY = """
import os
from pathlib import Path

from flowspan import Policy


class Once(Policy):
    def __init__(self) -> None:
        folder = Path(__file__).parent
        (folder / f"taken-by-{os.getpid()}").touch()
        if len(list(folder.glob("taken-by-*"))) > 1:
            raise OSError("another process has it")
"""
"""A policy that can be made by one process alone."""


class Noted:
    """A part of the supervisor that goes by the settings."""

    def __init__(self) -> None:
        self.generations: list[int] = []

    def use_settings(self, settings: Settings, policies: object, generation: int) -> None:
        self.generations.append(generation)


class ReloadedFleet:
    """Workers that serve `file`, and what reloads them."""

    def __init__(self, file: Path, folder: SharedFolder, listening: socket.socket) -> None:
        self.file = file
        self.metrics = MergedMetrics(folder.path)
        source = Source(str(file))
        self.configuration = FleetConfiguration(source, source.load())
        settings = self.configuration.current.settings
        processes = WORKERS * SLOTS_PER_WORKER
        self.quotas = Quotas(rules_of(settings), settings.quotas, WorkerProcess(0, processes, str(folder.path)))
        self.noted = Noted()

        def launch(index: int) -> Worker:
            now = self.configuration.in_use
            process = WorkerProcess(index, processes, str(folder.path))
            serves = raw(now.configuration.settings)
            begin = Begin(VERSION, raw(source), serves, {}, now.generation, now.since, process, (listening.fileno(),))
            return Worker(begin, (listening.fileno(), folder.lock))

        self.fleet = Fleet(WORKERS, launch, shared=[self.metrics], metrics=self.metrics.workers, merged=merged)
        self.reloads = FleetReloads(
            self.configuration, self.fleet, self.metrics.configuration, self.quotas, (self.noted,)
        )

    async def generations(self) -> list[int]:
        """What each worker serves, once all do."""
        await asyncio.to_thread(until, lambda: len(self.fleet.serving) == WORKERS, "all workers serve", 30)
        outcome = await self.fleet.perform(GetStatus(), "test")
        return [process["generation"] for process in outcome["processes"]]

    def counted(self) -> dict[str, float]:
        """How often a reload had which result."""
        values = {
            result: self.metrics.registry.get_sample_value("flowspan_config_reloads_total", {"result": result})
            for result in RELOAD_RESULTS
        }
        return {result: value for result, value in values.items() if value}


def with_fleet(tmp_path: Path, body: Callable[[ReloadedFleet], Awaitable[None]]) -> None:
    file = tmp_path / "flowspan.yaml"
    file.write_text(CONFIGURATION)

    async def main(folder: SharedFolder, listening: socket.socket) -> None:
        served = ReloadedFleet(file, folder, listening)
        try:
            await served.fleet.start()
            assert await served.generations() == [1, 1]
            await body(served)
        finally:
            served.fleet.leave(signal.SIGINT)
            await served.fleet.ended(10)

    with shared_folder(tmp_path) as folder, socket.create_server(("127.0.0.1", 0)) as listening:
        run(main(folder, listening), 60)


def test_a_reload_counts_once_and_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body(served: ReloadedFleet) -> None:
        served.file.write_text(CONFIGURATION.replace("echo,", "second,").replace("error", "warning"))
        outcome = await served.reloads.reload("a test")
        assert outcome["generation"] == 2
        assert [line.split(":")[0] for line in outcome["changed"]][-1] == "gateway.telemetry.log_level"
        assert await served.generations() == [2, 2]
        assert served.counted() == {"applied": 1}
        assert served.noted.generations == [2]
        await served.reloads.reload("a test")
        assert await served.generations() == [2, 2]
        assert served.counted() == {"applied": 1, "unchanged": 1}

    with caplog.at_level(logging.INFO):
        with_fleet(tmp_path, body)
    lines = [record.message for record in caplog.records if record.name == "flowspan.config"]
    assert lines.count("a test: generation 2 of the configuration is in use") == 1
    assert "a test: the configuration is as it was" in lines


def test_limits_for_which_there_is_no_room_change_nothing_anywhere(tmp_path: Path) -> None:
    async def body(served: ReloadedFleet) -> None:
        # The workers never counted for these keys, as those that did have been replaced.
        served.quotas.use(rules(Limits(requests_per_minute=9), names=[f"gone-{number}" for number in range(500)]))
        served.file.write_text(CONFIGURATION + KEYS)
        with pytest.raises(ReloadRefused, match=r"gateway.keys: 500 limits .* restart to have room"):
            await served.reloads.reload("a test")
        assert await served.generations() == [1, 1]
        assert served.counted() == {"refused": 1}
        assert served.noted.generations == []
        assert not served.configuration.current.settings.keys
        # A rolling restart asks for the same room.
        with pytest.raises(Refused, match="restart to have room"):
            await served.reloads.roll("a test")
        assert await served.generations() == [1, 1]
        assert served.counted() == {"refused": 2}

    with_fleet(tmp_path, body)


def test_what_one_worker_refuses_none_serves(tmp_path: Path) -> None:
    (tmp_path / "once.py").write_text(POLICY)

    async def body(served: ReloadedFleet) -> None:
        served.file.write_text(f"{CONFIGURATION}  policies: [{{use: ./once.py:Once}}]\n")
        with pytest.raises(ReloadRefused, match=r"all 2 workers: worker \d: gateway.policies: .*another process"):
            await served.reloads.reload("a test")
        assert await served.generations() == [1, 1]
        assert served.counted() == {"refused": 1}

    with_fleet(tmp_path, body)


def test_the_supervisor_goes_by_what_a_rolling_restart_has_brought(tmp_path: Path) -> None:
    async def body(served: ReloadedFleet) -> None:
        served.file.write_text(CONFIGURATION + KEYS)
        outcome = await served.reloads.roll("a test")
        assert outcome == {"replaced": 2, "generation": 2}
        assert await served.generations() == [2, 2]
        assert served.noted.generations == [2]
        assert served.quotas.is_limited(next(iter(served.configuration.current.settings.keys)).caller)
        assert served.counted() == {"applied": 1}

    with_fleet(tmp_path, body)


def test_the_level_of_the_log_is_that_of_the_supervisor_too(tmp_path: Path) -> None:
    root = logging.getLogger()
    before = root.level

    async def body(served: ReloadedFleet) -> None:
        operator = FleetOperator(served.fleet, served.reloads)
        outcome = await operator.perform(SetLogLevel("debug"), "test")
        assert outcome == {"level": "debug", "seconds_left": None, "then": None}
        assert root.level == logging.DEBUG
        status = await operator.perform(GetStatus(), "test")
        assert [process["log_level"] for process in status["processes"]] == ["debug", "debug"]

    try:
        with_fleet(tmp_path, body)
    finally:
        root.setLevel(before)


def test_a_key_that_was_revoked_is_so_when_it_is_back(tmp_path: Path) -> None:
    async def body(served: ReloadedFleet) -> None:
        async def revoked() -> list[bool]:
            outcome = await served.fleet.perform(ListKeys(), "test")
            return [key["revoked"] for key in outcome["keys"]]

        key = "  keys: [{name: ci, key: a-key-of-machines}]\n"
        served.file.write_text(CONFIGURATION + key)
        await served.reloads.reload("a test")
        await served.fleet.perform(RevokeKey("ci"), "test")
        served.file.write_text(CONFIGURATION)
        await served.reloads.reload("a test")
        # The new workers have never known the key.
        await served.reloads.roll("a test")
        served.file.write_text(CONFIGURATION + key)
        await served.reloads.reload("a test")
        assert await revoked() == [True]

    with_fleet(tmp_path, body)
