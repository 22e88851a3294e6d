"""The gateway on a Unix socket: who asks there, and what becomes of the socket's file."""

import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.behaviour.clients import CHAT, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until
from tests.behaviour.process import COMMAND, Served
from tests.behaviour.unix_sockets import UnixConnection, ask_at

FORWARDED = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}


def settings_with(path: Path, rest: str = "") -> str:
    return configuration(
        simulated("echo", "slow-start-9"), f"  server: {{uds: {path}, lame_duck: 0, drain_timeout: 1{rest}}}"
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
def gateway(path: Path) -> Iterator[RunningGateway]:
    with RunningGateway(settings_with(path)) as running:
        yield running


def test_both_the_port_and_the_socket_are_served_and_a_proxy_there_is_believed(
    gateway: RunningGateway, path: Path
) -> None:
    reply = ask_at(path, "POST", CHAT, ask("echo"), FORWARDED)
    transaction = gateway.transaction(reply.request_id)
    assert transaction["client.address"] == "203.0.113.9"
    assert transaction["url.scheme"] == "https"
    assert transaction["server.address"] == str(path)
    assert transaction.get("server.port") is None
    assert post(gateway, CHAT, ask("echo")).status == 200


def test_who_is_not_believed_has_no_address(path: Path) -> None:
    with RunningGateway(settings_with(path, ", forwarded_allow_ips: [127.0.0.1]")) as gateway:
        reply = ask_at(path, "POST", CHAT, ask("echo"), FORWARDED)
        transaction = gateway.transaction(reply.request_id)
        assert transaction.get("client.address") is None
        assert transaction["url.scheme"] == "http"


def test_clients_of_the_socket_are_not_taken_for_one_address(path: Path) -> None:
    text = settings_with(path, ", max_connections: 8, address_share: 0.25")
    with RunningGateway(text):
        connections = [UnixConnection(path) for _ in range(8)]
        for one in connections:
            one.request("GET", "/livez")
            assert one.getresponse().status == 200
        assert ask_at(path, "GET", "/livez").status == 503
        for one in connections:
            one.close()


def test_a_client_that_goes_is_noticed_while_nothing_is_read_from_it(gateway: RunningGateway, path: Path) -> None:
    seen = gateway.wait_until_idle()
    connection = UnixConnection(path)
    connection.request("POST", CHAT, json.dumps(ask("slow-start-9", stream=True)), {"content-type": "application/json"})
    # What comes behind a request is held until that one is answered, and reading is paused.
    connection.sock.sendall(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n")
    until(gateway.in_flight, "it is asked")
    connection.close()
    assert gateway.next_transaction(seen).outcome == "client_disconnect"


def test_the_file_of_a_process_that_died_is_replaced_and_removed_at_the_end(path: Path, tmp_path: Path) -> None:
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(path))
    left.close()
    with Served(tmp_path, settings_with(path)) as served:
        assert ask_at(path, "GET", "/readyz").status == 200
        assert path.stat().st_mode & 0o777 == 0o660
        served.process.terminate()
        log = served.end()
    assert f" and unix:{path}" in log
    assert not path.exists()


def test_one_that_another_process_serves_is_refused(path: Path, gateway: RunningGateway, tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(settings_with(path))
    command = [*COMMAND, "serve", str(file), "--port", "0", "--metrics-port", "0"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert f"cannot listen on the Unix socket {path}: another process serves it" in ended.stderr
    assert ask_at(path, "GET", "/readyz").status == 200
