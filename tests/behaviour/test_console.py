"""The console of a served gateway: what was said to the gateway a moment ago can be looked at."""

import re
import signal
import socket
from pathlib import Path

import httpx

from tests.behaviour.gateway import configuration, simulated, until
from tests.behaviour.process import Served

QUESTION = {"model": "echo", "messages": [{"role": "user", "content": "What does a heron eat?"}], "stream": True}


def test_what_was_said_is_seen_in_the_console(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    section = f"  recorder: memory\n  console: {{port: {port}}}"
    url = f"http://127.0.0.1:{port}"
    with Served(tmp_path, configuration(simulated("echo"), section)) as served:
        answer = httpx.post(f"http://127.0.0.1:{served.port}/v1/chat/completions", json=QUESTION)
        id = answer.headers["x-request-id"]
        until(lambda: id in httpx.get(f"{url}/transactions").text, "the transaction is listed")
        page = httpx.get(f"{url}/transactions").text
        assert "What does a heron eat?" in page
        assert re.search(rf'id="m-\w+".*?/transactions/{id}"', httpx.get(url).text, re.DOTALL)
        assert httpx.get(f"{url}/transactions/{id}").status_code == 200
        served.send(signal.SIGINT)
        log = served.end()
    assert f"console on {url}" in log
