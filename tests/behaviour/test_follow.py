"""`flowspan watch --follow` before a gateway that records: what is said is written as it is said."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from msgspec.structs import replace

from app.console import Console, ConsoleServer
from app.settings import ConsoleSettings
from tests.behaviour.clients import MESSAGES, RawClient, ask
from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.process import COMMAND

MODEL = "talker: {model: simulated/lorem, texts: ['This is written while it is said, word by word.'], delay: 0.1}"


@pytest.fixture(scope="module", params=["", "  policies: [redact]"], ids=["plain", "redacted"])
def gateway(request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    with RunningGateway(configuration([MODEL], f"  recorder: memory\n{request.param}")) as running:
        yield running


@contextmanager
def following(running: RunningGateway) -> Iterator["subprocess.Popen[bytes]"]:
    gateway = running.app.gateway
    settings = replace(running.settings, console=ConsoleSettings(port=0))
    console = Console(settings, gateway.telemetry, gateway.recorder, gateway.policy_names, gateway.capture)
    with closing(ConsoleServer(console)) as server:
        command = [*COMMAND, "watch", server.url, "--follow", "latest"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "LANG": "C.UTF-8"}) as process:
            yield process
            process.send_signal(signal.SIGINT)
            assert process.wait(10) == 0


def written(process: "subprocess.Popen[bytes]", part: str) -> str:
    """What was written up to and with `part`."""
    assert process.stdout is not None
    data = b""
    while not data.endswith(part.encode()):
        byte = process.stdout.read(1)
        assert byte, data
        data += byte
    return data.decode()


def test_an_answer_is_written_while_it_comes_and_what_is_masked_is_never_written(gateway: RunningGateway) -> None:
    with following(gateway) as process, RawClient(gateway) as client:
        written(process, "waiting for a conversation")
        client.post(MESSAGES, ask("talker", MESSAGES, "mail ada@example.com \x1b]52;c;aGk=\x07", stream=True))
        text = written(process, "This is")
        assert gateway.in_flight() == 1
        text += written(process, "── ok")
        client.read_all()
    assert "written while it is said, word by word." in text
    assert "␛]52;c;aGk=␇" in text
    assert ("ada@example.com" in text) is not bool(gateway.settings.policies)
    assert "\x1b" not in text
