"""What is used of limits outlives the process that counted it, or the gateway says that it does not."""

import json
import signal
import subprocess
from pathlib import Path

from tests.behaviour.clients import CHAT, ask, post
from tests.behaviour.gateway import configuration, simulated
from tests.behaviour.process import COMMAND, Served

_KEY = "sk-flowspan-0123456789abcdefghijklmnopqrstuvwxyz"


def _configuration(folder: Path, on_loss: str) -> str:
    gateway = (
        f"  keys: [{{name: ada, key: {_KEY}, limits: {{requests_per_minute: 2}}}}]\n"
        f"  quotas: {{store: 'sqlite:///{folder}/quotas.db', on_loss: {on_loss}}}\n"
        "  server: {lame_duck: 0}\n"
    )
    return configuration(simulated("echo"), gateway)


def _statuses(served: Served, requests: int) -> list[int]:
    """How so many requests end that come one after the other."""
    key = {"authorization": f"Bearer {_KEY}"}
    return [post(served, CHAT, ask("echo"), key).status for _ in range(requests)]


def test_a_restart_does_not_free_a_limit(tmp_path: Path) -> None:
    with Served(tmp_path, _configuration(tmp_path, "start_at_zero")) as served:
        assert _statuses(served, 1) == [200]
        served.send(signal.SIGTERM)
        log = served.end()
    assert "limits and budgets begin at zero" in log
    assert not [line for line in log.splitlines() if json.loads(line)["level"] == "error"]
    with Served(tmp_path, _configuration(tmp_path, "refuse")) as served:
        assert _statuses(served, 2) == [200, 429]


def test_without_what_was_used_nothing_begins_where_that_is_wanted(tmp_path: Path) -> None:
    file = tmp_path / "flowspan.yaml"
    file.write_text(_configuration(tmp_path, "refuse"))
    command = [*COMMAND, "serve", "--config", str(file), "--port", "0", "--metrics-port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "quotas.db: it is not there; `touch " in ended.stderr
    assert "Traceback" not in ended.stderr
