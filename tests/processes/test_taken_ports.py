"""What a start tells: ports that somebody else listens on, and where the keys are."""

import json
import re
import signal
import socket
import subprocess
from pathlib import Path

from tests.behaviour.gateway import configuration, simulated
from tests.behaviour.process import COMMAND, Served


def test_a_process_whose_port_is_taken_names_it_with_its_options_and_ends(tmp_path: Path) -> None:
    file = tmp_path / "flowspan.yaml"
    file.write_text(configuration(simulated("echo"), "  keys: [k]"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [*COMMAND, "serve", "--config", str(file), "--port", port, "--metrics-port", "0"]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    (line,) = (line for line in ended.stderr.splitlines() if "address already in use" in line.lower())
    assert f" {port} " in line
    assert " and --port, " in line
    assert "gateway.server" in line
    assert "while attempting" not in line
    assert "Traceback" not in ended.stderr


def test_where_the_metrics_port_is_taken_another_one_is_and_the_log_says_so(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        text = configuration(simulated("echo"), "  server: {lame_duck: 0}")
        with Served(tmp_path, text, metrics_port=port) as served:
            served.send(signal.SIGTERM)
            log = [json.loads(line) for line in served.end().splitlines()]
    (warning,) = (line["message"] for line in log if line["level"] == "warning" and "metrics" in line["message"])
    expected = f"metrics port {port} of 127.0.0.1 is taken by another program: the metrics are on port "
    (instead,) = re.findall(rf"^{re.escape(expected)}(\d+) instead$", warning)
    assert f"metrics on http://127.0.0.1:{instead}/metrics" in [line["message"] for line in log]


def test_a_metrics_address_that_is_none_of_this_machine_ends_the_start(tmp_path: Path) -> None:
    file = tmp_path / "flowspan.yaml"
    file.write_text(configuration(simulated("echo"), "  keys: [k]"))
    command = [*COMMAND, "serve", str(file), "--port", "0", "--metrics-host", "192.0.2.1"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "cannot listen on metrics port 9464 of 192.0.2.1" in ended.stderr


def test_the_start_tells_where_the_keys_are_and_shows_none(tmp_path: Path) -> None:
    with Served(tmp_path, configuration(simulated("echo"), "  keys: [sk-hidden-0123456789]")) as served:
        served.send(signal.SIGINT)
        log = served.end()
    assert "callers need a key: 1 key from the configuration" in log
    assert "sk-hidden" not in log
