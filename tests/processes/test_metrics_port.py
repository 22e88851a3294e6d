"""The metrics port of `flowspan serve`: an address, a token and names of its own."""

import http.client
import signal
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from app.main import secrets_of
from app.settings import ServerSettings, Settings
from tests.behaviour.gateway import configuration, simulated
from tests.behaviour.process import Served

KEY, TOKEN = "sk-0123456789abcdef", "metrics-canary-0123456789"


def scraped(served: Served, address: str = "127.0.0.1", headers: Mapping[str, str] | None = None) -> int:
    with closing(http.client.HTTPConnection(address, served.metrics_port, timeout=10)) as connection:
        connection.request("GET", "/metrics", headers=dict(headers or {}))
        return connection.getresponse().status


def test_the_metrics_port_has_a_token_and_an_address_of_its_own(tmp_path: Path) -> None:
    server = f"{{metrics_host: 127.0.0.2, metrics_token: {TOKEN}, lame_duck: 0}}"
    text = configuration(simulated("echo"), f"  keys: [{KEY}]\n  server: {server}")
    with Served(tmp_path, text) as served:
        assert scraped(served, "127.0.0.2") == 401
        assert scraped(served, "127.0.0.2", {"authorization": f"Bearer {KEY}"}) == 401
        assert scraped(served, "127.0.0.2", {"authorization": f"Bearer {TOKEN}"}) == 200
        with pytest.raises(ConnectionRefusedError):
            scraped(served)
        served.send(signal.SIGTERM)
        assert TOKEN not in served.end()


def test_without_a_token_it_is_for_this_machine_and_the_names_that_are_allowed(tmp_path: Path) -> None:
    text = configuration(simulated("echo"), "  server: {allowed_hosts: [gateway.local], lame_duck: 0}")
    with Served(tmp_path, text) as served:
        assert scraped(served) == 200
        assert scraped(served, headers={"host": "gateway.local:9464"}) == 200
        assert scraped(served, headers={"host": "rebound.example"}) == 403


def test_the_token_is_among_the_secrets_that_no_log_and_no_span_shows() -> None:
    assert TOKEN in secrets_of(Settings(server=ServerSettings(metrics_token=TOKEN)))
