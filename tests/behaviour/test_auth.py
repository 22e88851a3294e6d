"""One key for every route but the health ones, in either header, checked before anything of a request is read."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from starlette.routing import Route

from app.cli import main
from app.configuration import ConfigurationRefused, parse
from app.gateway.routes import ROUTES
from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, ask, post, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated

KEY, SECOND = "sk-first-0123456789abcdef", "sk-second-0123456789abcdef"
CONFIGURATION = configuration(simulated("echo"), f"  keys: [{SECOND}]", f"general_settings: {{master_key: {KEY}}}")
STORED = {
    ("GET", f"{RESPONSES}/resp_1"),
    ("DELETE", f"{RESPONSES}/resp_1"),
    ("POST", f"{RESPONSES}/resp_1/cancel"),
    ("GET", f"{RESPONSES}/resp_1/input_items"),
}
OPEN_PATHS = (
    *("/", "/livez", "/readyz", "/api/hello"),
    *("/health/liveliness", "/health/liveness", "/health/readiness"),
)
OPEN = {(method, path) for method in ("GET", "HEAD") for path in OPEN_PATHS}


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(CONFIGURATION) as running:
        yield running


def routes(gateway: RunningGateway) -> set[tuple[str, str]]:
    """Every method and path that the application answers."""
    found = {(method, route.path.replace("{response_id}", "resp_1")) for route in ROUTES for method in route.methods}
    for route in gateway.app.others.routes:
        assert isinstance(route, Route), f"a route of a kind that this test does not know: {route!r}"
        found |= {(method, route.path) for method in route.methods or ()}
    return found


def test_the_routes_are_the_known_ones(gateway: RunningGateway) -> None:
    """A new route has to be thought about here."""
    assert {path for _, path in routes(gateway)} == {
        CHAT,
        MESSAGES,
        RESPONSES,
        *(path for _, path in STORED),
        "/v1/completions",
        "/v1/embeddings",
        "/v1/messages/count_tokens",
        "/v1/models",
        "/v1/models/{name:path}",
        "/v1/usage",
        "/health",
        "/health/deployments",
        *OPEN_PATHS,
    }


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer wrong"},
        {"x-api-key": "wrong"},
        {"authorization": f"Basic {KEY}"},
        {"authorization": KEY},
        {"authorization": "Bearer "},
        {"authorization": "Bearer wrong", "x-api-key": "wrong"},
        {"x-api-key": KEY[:-1]},
        {"x-api-key": f"{KEY}x"},
        {"x-api-key": "' OR '1'='1"},
        {"x-api-key": "\xff\xfe"},
        {"api-key": KEY},
        {"cookie": f"key={KEY}"},
    ],
    ids=str,
)
def test_no_route_but_the_health_ones_is_open(gateway: RunningGateway, headers: dict[str, str]) -> None:
    for method, path in sorted(routes(gateway) - OPEN):
        reply = request(gateway, method, path.replace("{name:path}", "echo"), b"{}", headers)
        assert reply.status == 401, (method, path)
        if method != "HEAD":
            assert reply.json()["error"]["type"] == "authentication_error"


@pytest.mark.parametrize("path", ["/v1/nothing", "/docs", "/openapi.json", "/metrics", "/v1/chat/completions/", "//"])
def test_paths_that_do_not_exist_ask_for_the_key_too(gateway: RunningGateway, path: str) -> None:
    assert request(gateway, "GET", path).status == 401
    assert request(gateway, "POST", path).status == 401


@pytest.mark.parametrize(
    "path", ["/livez/", "/livez/../v1/models", "/livez%2f..%2fv1/models", "/.//v1/models", "/v1/../v1/models"]
)
def test_no_spelling_of_a_path_gets_past_the_door(gateway: RunningGateway, path: str) -> None:
    assert request(gateway, "GET", path).status in (401, 404)


def test_health_needs_no_key_and_may_be_asked_by_any_name(gateway: RunningGateway) -> None:
    for method, path in OPEN:
        reply = request(gateway, method, path, headers={"host": "10.1.2.3:8080"})
        assert reply.status == 200
        assert method == "GET" or reply.body == b""


def test_who_is_refused_on_another_route_has_an_id_and_a_line(gateway: RunningGateway) -> None:
    reply = request(gateway, "GET", "/v1/models", headers={"authorization": "Bearer sk-wrong-0123456789"})
    line = gateway.log_line(request_id=reply.request_id)
    assert (line["status"], line["error_type"], line["level"]) == (401, "authentication", "info")
    assert "sk-wrong" not in gateway.log.getvalue()


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES, f"{RESPONSES}/resp_1", "/v1/models", "/v1/nothing"])
@pytest.mark.parametrize("name", ["authorization", "x-api-key", "host"])
def test_of_two_credentials_or_hosts_none_counts(gateway: RunningGateway, path: str, name: str) -> None:
    """A proxy before the gateway may have looked at the other one."""
    key = f"Bearer {KEY}" if name == "authorization" else KEY
    with RawClient(gateway) as client:
        client.send(f"GET {path} HTTP/1.1\r\nhost: a\r\n{name}: {key}\r\n{name}: {key}\r\n\r\n".encode())
        raw = client.read_until(b"\r\n\r\n")
    assert raw.startswith(b"HTTP/1.1 400 ")


def test_a_key_that_is_very_long_is_a_wrong_one(gateway: RunningGateway) -> None:
    assert post(gateway, CHAT, ask("echo"), {"x-api-key": KEY * 1000}).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Bearer {KEY}"},
        {"authorization": f"bearer  {KEY} "},
        {"x-api-key": KEY},
        {"x-api-key": SECOND},
        {"authorization": f"Bearer {SECOND}"},
    ],
    ids=str,
)
def test_each_key_is_accepted_in_each_header(gateway: RunningGateway, headers: dict[str, str]) -> None:
    assert post(gateway, CHAT, ask("echo"), headers).status == 200
    assert post(gateway, MESSAGES, ask("echo", MESSAGES), headers).status == 200
    assert post(gateway, RESPONSES, ask("echo", RESPONSES), headers).status == 200
    assert request(gateway, "GET", "/v1/models", headers=headers).status == 200


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_the_key_is_checked_before_the_body_is_read(gateway: RunningGateway, path: str) -> None:
    with RawClient(gateway) as client:
        client.head(path, content_length="1000000")
        raw = client.read_until(b"}")
    assert raw.startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_who_is_turned_away_is_counted_and_has_a_span(gateway: RunningGateway, path: str) -> None:
    reply = post(gateway, path, b"not even json", {"x-api-key": "sk-wrong-canary-0123456789"})
    ended = gateway.transaction(reply.request_id)
    assert ended.outcome == "client_error"
    assert ended["error.type"] == "authentication"
    assert gateway.log_line(transaction_id=reply.request_id)["status"] == 401
    assert "canary" not in gateway.log.getvalue()


def test_a_websocket_is_not_let_in(gateway: RunningGateway) -> None:
    with RawClient(gateway) as client:
        client.send(
            b"GET /v1/messages HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n\r\n"
        )
        assert client.socket.recv(4096).split(b" ")[1] in (b"401", b"403", b"404")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "gateway.example", ""])
def test_a_public_address_without_a_key_is_refused(host: str) -> None:
    without_key = configuration(simulated("echo"), f"  server: {{host: '{host}'}}")
    with pytest.raises(ConfigurationRefused, match="no key is set"):
        parse(without_key, environ={})
    with_key = configuration(simulated("echo"), f"  server: {{host: '{host}'}}\n  keys: [{KEY}]")
    assert parse(with_key, environ={}).settings.server.host == host


def test_the_command_line_cannot_open_what_the_file_keeps_closed(tmp_path: Path) -> None:
    file = tmp_path / "flowspan.yaml"
    file.write_text(configuration(simulated("echo")))
    result = CliRunner().invoke(main, ["serve", "--config", str(file), "--host", "0.0.0.0"], env={"FLOWSPAN_KEY": ""})
    assert result.exit_code == 2
    assert "no key is set" in result.output
