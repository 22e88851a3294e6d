"""The gateway on a Unix socket, asked by curl, and by nginx and HAProxy that stand before it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.behaviour.clients import CHAT, Reply, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated
from tests.real.programs import output_of
from tests.real.proxies import proxy


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
def gateway(path: Path) -> Iterator[RunningGateway]:
    with RunningGateway(configuration(simulated("echo"), f"  server: {{uds: {path}}}")) as running:
        yield running


@dataclass(frozen=True)
class At:
    """Where a proxy is, as clients of the tests have it."""

    port: int


def test_curl_gets_a_stream(gateway: RunningGateway, path: Path) -> None:
    body = json.dumps(ask("echo", stream=True, text="by a Unix socket"))
    words = ("-sS", "--unix-socket", str(path), "-H", "content-type: application/json", "-d", body)
    answer = output_of("curl", *words, f"http://localhost{CHAT}")
    assert answer.count("data: ") > 2
    assert answer.rstrip().endswith("data: [DONE]")


@pytest.mark.parametrize("name", ["nginx", "haproxy"])
def test_many_clients_of_a_proxy_get_their_answers(
    gateway: RunningGateway, path: Path, tmp_path: Path, name: str
) -> None:
    def answer_to(number: int) -> Reply:
        return post(At(port), CHAT, ask("echo", text=f"number {number}"), {"x-forwarded-for": "203.0.113.9"})

    with proxy(name, tmp_path, path) as port, ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(answer_to, range(200)))
    texts = [reply.json()["choices"][0]["message"]["content"] for reply in replies]
    assert texts == [f"number {number}" for number in range(200)]
    # nginx adds the address that it was asked from behind what the client says, and loopback is trusted, too.
    transaction = gateway.transaction(replies[0].request_id)
    assert transaction["client.address"] == "203.0.113.9"
    assert transaction["server.address"] == str(path)
