"""The recorder on a disk that is really full: recordings are lost and counted, and it goes on when there is room."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from app.recorder.recorder import Recorder
from app.recorder.stores import Filter
from app.recorder.stores.segments import Bounds
from app.recorder.stores.sqlite import SQLiteStore
from app.settings import RecorderSettings
from tests.behaviour.gateway import RunningGateway, until
from tests.real.programs import without
from tests.recordings import EPOCH, TakenRecording, recorded


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        without("a file system cannot be mounted here: that takes root, outside of most containers")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_loses_recordings_and_nothing_else(small_disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SQLiteStore(small_disk / "recordings.db", Bounds(2**30, None), now=lambda: EPOCH)
    recorder = Recorder(store, RecorderSettings(), pause=0)

    def offer(number: int) -> None:
        recorder.offer(TakenRecording(recorded(number, asked=os.urandom(3000).hex())))
        while recorder.waiting_bytes:
            recorder.wait_for_more(recorder.written, 0.01)

    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(2**20))
    number = 0
    while not recorder.losses["store"]:
        number += 1
        offer(number)
    for more in range(1, 5):
        offer(number + more)
    written = recorder.written

    assert recorder.losses["store"] == number + 4 - written
    assert ["full" in record.getMessage() or "I/O" in record.getMessage() for record in caplog.records] == [True]
    assert len(store.entries(Filter(), limit=10_000)) == written
    ballast.unlink()
    offer(number + 5)
    assert recorder.written == written + 1
    assert store.recording(f"txn_{number + 5}") is not None
    assert store.recording("txn_1") is not None
    recorder.close()
    assert recorder.losses["shutdown"] == 0


def test_requests_are_answered_while_the_disk_is_full(small_disk: Path) -> None:
    (small_disk / "ballast").write_bytes(bytes(2**20))
    configuration = f"""
model_list: [{{model_name: m, litellm_params: {{model: simulated/echo}}}}]
gateway: {{recorder: 'sqlite:///{small_disk}/recordings.db'}}
"""
    with RunningGateway(configuration) as gateway:

        def lost() -> float | None:
            registry = gateway.telemetry.registry
            return registry.get_sample_value("flowspan_recordings_lost_total", {"reason": "store"})

        for _ in range(200):
            message = {"role": "user", "content": os.urandom(4000).hex()}
            body = json.dumps({"model": "m", "messages": [message]}).encode()
            request = Request(f"{gateway.url}/v1/chat/completions", body, {"content-type": "application/json"})
            with urlopen(request, timeout=10) as response:
                assert response.status == 200
        until(lost, "a recording that was lost")
