"""A gateway without keys is for programs of its machine. A browser would let pages of any site reach it, too."""

from collections.abc import Iterator

import pytest

from tests.behaviour.clients import CHAT, COUNT, MESSAGES, RESPONSES, ask, post, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated

POSTED = (CHAT, "/v1/completions", "/v1/embeddings", RESPONSES, MESSAGES, COUNT)
ASKED = ("/", "/livez", "/readyz", "/v1/models", "/v1/models/echo", f"{RESPONSES}/resp_1", "/v1/nothing", "/docs")
FOREIGN = [
    {"host": "rebound.example:8080"},
    {"host": "127.0.0.1.evil.example"},
    {"origin": "https://evil.example"},
    {"origin": "null"},
    {"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
]
foreign = pytest.mark.parametrize("headers", FOREIGN, ids=str)


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(
        configuration(simulated("echo"), "  server: {allowed_hosts: [host.docker.internal]}")
    ) as running:
        yield running


@foreign
def test_other_sites_are_refused_on_every_route_in_the_dialect_of_the_caller(
    gateway: RunningGateway, headers: dict[str, str]
) -> None:
    for path in POSTED:
        reply = post(gateway, path, ask("echo", path), headers)
        assert reply.status == 403, path
        assert reply.json()["error"]["type"] == "permission_error"
        assert ("type" in reply.json()) == path.startswith(MESSAGES)
        assert "gateway.server.allowed_hosts" in reply.json()["error"]["message"]
    for path in ASKED:
        assert request(gateway, "GET", path, headers=headers).status == 403, path


@foreign
def test_a_preflight_of_another_site_is_refused_and_allows_nothing(
    gateway: RunningGateway, headers: dict[str, str]
) -> None:
    asks = {"access-control-request-method": "POST", "access-control-request-headers": "content-type"}
    for path in POSTED + ASKED:
        reply = request(gateway, "OPTIONS", path, headers={**headers, **asks})
        assert reply.status == 403, path
        assert not any(name.startswith("access-control") for name in reply.headers)


def test_who_is_refused_is_counted_and_has_a_span(gateway: RunningGateway) -> None:
    ended = gateway.transaction(post(gateway, CHAT, ask("echo"), {"host": "evil.example"}).request_id)
    assert (ended.outcome, ended["error.type"]) == ("client_error", "permission")


@pytest.mark.parametrize("host", ["localhost", "127.9.9.9:1", "[::1]:8080", "host.docker.internal:8080"])
def test_a_request_that_names_this_machine_is_served(gateway: RunningGateway, host: str) -> None:
    assert post(gateway, CHAT, ask("echo"), {"host": host}).status == 200
    assert request(gateway, "GET", "/readyz", headers={"host": host}).status == 200


def test_a_page_of_this_machine_is_served(gateway: RunningGateway) -> None:
    same_origin = {"origin": "http://localhost:5173", "sec-fetch-site": "same-origin"}
    assert post(gateway, CHAT, ask("echo"), same_origin).status == 200


def test_with_a_key_any_name_will_do() -> None:
    key = "sk-0123456789abcdef"
    with RunningGateway(configuration(simulated("echo"), f"  keys: [{key}]")) as gateway:
        for headers in FOREIGN:
            assert post(gateway, CHAT, ask("echo"), {**headers, "x-api-key": key}).status == 200
