"""What a start tells: ports that somebody else listens on, and where the keys are."""

import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.behaviour.gateway import configuration, simulated
from tests.behaviour.process import Served

OPTIONS = {"--port": "gateway.server", "--metrics-port": "metrics_port in gateway.server"}


@pytest.mark.parametrize("options", [["--port"], ["--metrics-port"], ["--port", "--metrics-port"]])
def test_a_process_whose_ports_are_taken_names_each_with_its_options_and_ends(
    tmp_path: Path, options: list[str]
) -> None:
    file = tmp_path / "flowspan.yaml"
    file.write_text(configuration(simulated("echo"), "  keys: [k]"))
    with ExitStack() as stack:
        taken = {option: stack.enter_context(socket.create_server(("127.0.0.1", 0))) for option in options}
        ports = {option: str(one.getsockname()[1]) for option, one in taken.items()}
        command = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--config", str(file)]
        command += [word for pair in ({"--port": "0", "--metrics-port": "0"} | ports).items() for word in pair]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    lines = [line for line in ended.stderr.splitlines() if "address already in use" in line.lower()]
    assert len(lines) == len(options)
    for option, port in ports.items():
        (line,) = (line for line in lines if f" {port} " in line)
        assert f" and {option}, " in line
        assert OPTIONS[option] in line
    assert "Traceback" not in ended.stderr


def test_the_start_tells_where_the_keys_are_and_shows_none(tmp_path: Path) -> None:
    with Served(tmp_path, configuration(simulated("echo"), "  keys: [sk-hidden-0123456789]")) as served:
        served.send(signal.SIGINT)
        log = served.end()
    assert "callers need a key: 1 key from the configuration" in log
    assert "sk-hidden" not in log
