"""A port that somebody else listens on."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.behaviour.gateway import configuration, simulated


@pytest.mark.parametrize("option", ["--port", "--metrics-port"])
def test_a_process_whose_port_is_taken_says_so_and_ends(tmp_path: Path, option: str) -> None:
    file = tmp_path / "flowspan.yaml"
    file.write_text(configuration(simulated("echo"), "  keys: [k]"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"--port": "0", "--metrics-port": "0", option: str(taken.getsockname()[1])}
        command = [sys.executable, "-c", "from app.cli import main; main()", "serve", "--config", str(file)]
        command += [word for pair in ports.items() for word in pair]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert ports[option] in ended.stderr
    assert "address already in use" in ended.stderr.lower()
    assert "Traceback" not in ended.stderr
