"""SIGTERM: unready at once, open streams may finish for a while, and what is left is told so."""

import json
import os
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, Reply, ask, dechunked, post, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until
from tests.behaviour.process import COMMAND, Served
from tests.behaviour.scripted import content_of

MODELS = simulated("lorem-8+pace-60", "stall-2", "echo")
PROMPT = configuration(MODELS, "  server: {lame_duck: 0, drain_timeout: 200ms}")
BLOCKS_A_THREAD = "tests.behaviour.policies:BlocksAThread"
PATIENT = configuration(MODELS, "  server: {lame_duck: 0, drain_timeout: 10s}")


def terminate(gateway: RunningGateway) -> None:
    """What the signal's handler does."""
    gateway.server.handle_exit(signal.SIGTERM, None)


def in_background(gateway: RunningGateway, path: str, body: Any, replies: list[Reply]) -> threading.Thread:
    thread = threading.Thread(target=lambda: replies.append(post(gateway, path, body)))
    thread.start()
    return thread


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [True, False])
def test_what_is_open_may_finish(path: str, stream: bool) -> None:
    replies: list[Reply] = []
    with RunningGateway(PATIENT) as gateway:
        thread = in_background(gateway, path, ask("lorem-8+pace-60", path, stream=stream), replies)
        until(lambda: gateway.in_flight() == 1, "the request is on its way")
        terminate(gateway)
        thread.join(10)
        gateway.join()
        assert gateway.transactions()[0].outcome == "ok"
    [reply] = replies
    if stream:
        assert content_of(path, reply.body)[2] is None
    assert reply.body.count(b"lorem") + reply.body.count(b"dolor") >= 2


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_a_stream_that_is_left_ends_with_an_error_event(path: str) -> None:
    with RunningGateway(PROMPT) as gateway, RawClient(gateway) as client:
        client.post(path, ask("stall-2", path, stream=True))
        first = client.read_until(b"lorem")
        terminate(gateway)
        body, complete = dechunked(first + client.read_all())
        gateway.join()
        assert complete
        _, _, error = content_of(path, body)
        assert error is not None
        [ended] = gateway.transactions()
        assert ended.outcome == "drained"
        assert gateway.in_flight() == 0


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_whole_answer_that_is_left_is_an_error_status(path: str) -> None:
    replies: list[Reply] = []
    with RunningGateway(PROMPT) as gateway:
        thread = in_background(gateway, path, ask("stall-2", path), replies)
        until(lambda: gateway.in_flight() == 1, "the request is on its way")
        terminate(gateway)
        thread.join(10)
        gateway.join()
        assert gateway.transactions()[0].outcome == "drained"
    assert replies[0].status == (503 if path == CHAT else 529)


def test_the_sdks_raise_when_they_are_drained() -> None:
    hello: Any = [{"role": "user", "content": "hello"}]
    with RunningGateway(PROMPT) as gateway:
        with (
            openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as one,
            anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as other,
            one.chat.completions.create(model="stall-2", messages=hello, stream=True) as chunks,
            other.messages.create(model="stall-2", max_tokens=9, messages=hello, stream=True) as events,
        ):
            next(iter(chunks))
            terminate(gateway)
            with pytest.raises(openai.APIError):
                list(chunks)
            with pytest.raises(anthropic.APIStatusError):
                list(events)
        gateway.join()
        assert gateway.outcomes() == {"drained": 2}


def test_streams_that_are_just_ending_do_not_keep_the_others_from_being_told() -> None:
    """Some of many streams are being left, and take their time, when the limit of the drain is reached."""
    slow = "  policies: [{use: 'tests.behaviour.policies:LeavesSlowly', config: {hook: on_chunk}}]"
    with RunningGateway(configuration(MODELS, f"{slow}\n  server: {{lame_duck: 0, drain_timeout: 200ms}}")) as gateway:
        leaving = [RawClient(gateway) for _ in range(4)]
        waiting = [RawClient(gateway) for _ in range(4)]
        for client, other in zip(leaving, waiting, strict=True):
            client.post(CHAT, ask("echo", stream=True))
            other.post(CHAT, ask("stall-2", stream=True))
            other.read_until(b"lorem")
        until(lambda: gateway.in_flight() == 8, "all are on their way")
        terminate(gateway)
        for client in leaving:
            client.reset()
        for client in waiting:
            with client:
                assert b"shutting down" in client.read_all()
        gateway.join()
        assert gateway.outcomes() == {"client_disconnect": 4, "drained": 4}
        assert not [line for line in gateway.logs() if line["level"] == "error"]


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
