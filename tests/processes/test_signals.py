"""SIGTERM, SIGINT and SIGHUP to a process: unready at once, then drained, and ended with 0 whatever holds it."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, ask, post, request
from tests.behaviour.gateway import configuration, simulated, until
from tests.behaviour.process import COMMAND, Served

MODELS = simulated("stall-2", "echo")
BLOCKS_A_THREAD = "tests.behaviour.policies:BlocksAThread"


def outcomes(lines: str) -> list[str]:
    logged = [json.loads(line) for line in lines.splitlines() if line.startswith("{")]
    return [line["outcome"] for line in logged if "outcome" in line]


@pytest.mark.parametrize("signal_sent", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_is_told_to_stop_drains_and_ends_well(tmp_path: Path, signal_sent: signal.Signals) -> None:
    text = configuration(MODELS, "  server: {lame_duck: 200ms, drain_timeout: 500ms}")
    with Served(tmp_path, text) as served, RawClient(served) as client, RawClient(served) as keeping:
        keeping.send(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n")
        keeping.read_until(b"ready")
        client.post(CHAT, ask("stall-2", stream=True))
        client.read_until(b"lorem")
        served.send(signal_sent)
        assert b"shutting down" in client.read_all()
        lines = served.end()
        assert served.process.returncode == 0
    assert outcomes(lines) == ["drained"]
    assert "Traceback" not in lines


def test_after_sigterm_it_is_unready_and_serves_on_until_the_lame_duck_is_over(tmp_path: Path) -> None:
    text = configuration(MODELS, "  server: {lame_duck: 60s, drain_timeout: 200ms}")
    with Served(tmp_path, text) as served:
        assert served.is_ready()
        served.send(signal.SIGTERM)
        until(lambda: not served.is_ready(), "it is unready")
        for path in (CHAT, MESSAGES, RESPONSES):
            for stream in (True, False):
                reply = post(served, path, ask("echo", path, stream=stream))
                assert reply.status == 200
                # Nobody is to send the next request where the listener closes soon.
                assert reply.headers["connection"] == "close"
        assert request(served, "GET", "/livez").status == 200
        served.send(signal.SIGTERM)
        lines = served.end()
        assert served.process.returncode == 0
    assert outcomes(lines) == ["ok"] * 6


def test_the_lame_duck_ends_by_itself(tmp_path: Path) -> None:
    with Served(tmp_path, configuration(MODELS, "  server: {lame_duck: 1s, drain_timeout: 200ms}")) as served:
        begun = time.monotonic()
        served.send(signal.SIGTERM)
        served.end()
        assert served.process.returncode == 0
        assert time.monotonic() - begun >= 1


def test_who_waits_at_a_terminal_waits_for_no_lame_duck(tmp_path: Path) -> None:
    with Served(tmp_path, configuration(MODELS, "  server: {lame_duck: 1h, drain_timeout: 200ms}")) as served:
        served.send(signal.SIGINT)
        served.end()
        assert served.process.returncode == 0


def test_a_hangup_ends_nothing(tmp_path: Path) -> None:
    with Served(tmp_path, configuration(MODELS, "  server: {lame_duck: 0, drain_timeout: 200ms}")) as served:
        served.send(signal.SIGHUP)
        assert post(served, CHAT, ask("echo")).status == 200
        served.send(signal.SIGTERM)
        lines = served.end()
        assert served.process.returncode == 0
    assert "SIGHUP" in lines


def test_a_hangup_during_the_start_ends_nothing(tmp_path: Path) -> None:
    file = tmp_path / "flowspan.yaml"
    os.mkfifo(file)
    started = subprocess.Popen([*COMMAND, "serve", "--config", str(file)], stderr=subprocess.PIPE)
    # Opened once the process opens it to read its configuration.
    with file.open("w") as writing:
        started.send_signal(signal.SIGHUP)
        writing.write("nothing: [")
    _, lines = started.communicate(timeout=60)
    assert started.returncode == 2, lines


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
def test_an_end_during_the_start_is_a_success(tmp_path: Path, ending: signal.Signals) -> None:
    file = tmp_path / "flowspan.yaml"
    os.mkfifo(file)
    started = subprocess.Popen([*COMMAND, "serve", "--config", str(file)], stderr=subprocess.PIPE)
    with file.open("w"):
        started.send_signal(ending)
        _, lines = started.communicate(timeout=60)
    assert (started.returncode, lines) == (0, b"")


def test_a_thread_that_hangs_does_not_keep_the_process(tmp_path: Path) -> None:
    hung = tmp_path / "hung"
    text = configuration(
        simulated("echo"),
        f"  policies: [{{use: '{BLOCKS_A_THREAD}', config: {{hook: on_request, mark: '{hung}'}}}}]\n"
        "  server: {lame_duck: 0, drain_timeout: 200ms}",
    )
    with Served(tmp_path, text) as served, RawClient(served) as client:
        client.post(CHAT, ask("echo"))
        until(hung.exists, "the policy hangs")
        served.send(signal.SIGTERM)
        assert b"shutting down" in client.read_all()
        lines = served.end()
        assert served.process.returncode == 0
    assert outcomes(lines) == ["drained"]
    assert "ended without waiting for threads" in lines


def test_a_stranger_who_reads_nothing_does_not_keep_the_process(tmp_path: Path) -> None:
    text = configuration(
        ["big: {model: simulated/lorem, texts: ['%s']}" % ("x" * 8_000_000)],
        "  server: {lame_duck: 0, drain_timeout: 200ms}",
    )
    with Served(tmp_path, text) as served, RawClient(served, receive_buffer=4096) as client:
        client.post(CHAT, ask("big"))
        client.socket.recv(1)
        served.send(signal.SIGTERM)
        served.end(40)
        assert served.process.returncode == 0
