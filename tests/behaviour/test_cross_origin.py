"""Pages of other sites: those of listed origins may ask and read, from preflight to the last event; no others."""

import json
from collections.abc import Iterator

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, Reply, ask, post, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated

PAGE, OTHER = "https://app.example.com", "https://evil.example"
KEY = "sk-page-0123456789abcdef"
LISTED = f"  server: {{cors_origins: ['{PAGE}', 'http://localhost:3000']}}"
ASKED = "authorization,content-type,x-api-key,anthropic-version,anthropic-not-yet,x-stainless-lang"


@pytest.fixture(scope="module")
def keyless() -> Iterator[RunningGateway]:
    with RunningGateway(configuration(simulated("echo", "cut-2", "status-429"), LISTED)) as running:
        yield running


@pytest.fixture(scope="module")
def keyed() -> Iterator[RunningGateway]:
    keys = f"  keys: [{KEY}]\n  server: {{cors_origins: ['*']}}"
    with RunningGateway(configuration(simulated("echo"), keys)) as running:
        yield running


def preflight(gateway: RunningGateway, path: str, origin: str, method: str = "POST") -> Reply:
    headers = {"access-control-request-method": method, "access-control-request-headers": ASKED, "origin": origin}
    return request(gateway, "OPTIONS", path, headers=headers)


def page(origin: str = PAGE, **more: str) -> dict[str, str]:
    return {"origin": origin, "sec-fetch-site": "cross-site", **more}


@pytest.mark.parametrize("path", [CHAT, MESSAGES, "/v1/models", "/chat/completions"])
def test_a_preflight_of_a_listed_origin_is_answered_without_a_key(keyless: RunningGateway, path: str) -> None:
    reply = preflight(keyless, path, PAGE)
    assert reply.status == 200
    assert reply.headers["access-control-allow-origin"] == PAGE
    assert reply.headers["access-control-allow-headers"] == ASKED
    assert "POST" in reply.headers["access-control-allow-methods"]
    assert "access-control-allow-credentials" not in reply.headers
    assert keyless.log_line(request_id=reply.request_id)["route"] == "preflight"
    assert "Origin" in reply.headers["vary"]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("origin", [OTHER, "null", f"{PAGE}.evil.example", f"{PAGE}:8443", PAGE.upper()])
def test_other_origins_are_treated_as_before(keyless: RunningGateway, path: str, origin: str) -> None:
    for reply in (preflight(keyless, path, origin), post(keyless, path, ask("echo", path), page(origin))):
        assert reply.status == 403
        assert not [name for name in reply.headers if name.startswith("access-control")]


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["echo", "cut-2", "status-429", "nothing"])
def test_answers_streams_and_errors_can_be_read(keyless: RunningGateway, path: str, model: str, stream: bool) -> None:
    reply = post(keyless, path, ask(model, path, stream=stream), page())
    assert reply.headers["access-control-allow-origin"] == PAGE
    exposed = reply.headers["access-control-expose-headers"]
    for name in ("x-request-id", "request-id", "retry-after"):
        assert name in exposed
    if model == "echo":
        assert reply.status == 200
        assert b"hello" in reply.body


def test_other_answers_can_be_read_as_well(keyless: RunningGateway) -> None:
    for method, path, status in (
        ("GET", "/v1/models", 200),
        ("GET", "/v1/nothing", 404),
        ("PUT", CHAT, 405),
        ("POST", CHAT, 400),
    ):
        reply = request(keyless, method, path, b"{", page())
        assert (reply.status, reply.headers["access-control-allow-origin"]) == (status, PAGE)


def test_a_listed_origin_does_not_open_another_name_of_this_machine(keyless: RunningGateway) -> None:
    assert post(keyless, CHAT, ask("echo"), page(host="rebound.example")).status == 403


def test_every_origin_may_ask_where_a_key_is_needed(keyed: RunningGateway) -> None:
    assert preflight(keyed, CHAT, OTHER).headers["access-control-allow-origin"] == "*"
    refused = post(keyed, CHAT, ask("echo"), page(OTHER))
    assert (refused.status, refused.headers["access-control-allow-origin"]) == (401, "*")
    served = post(keyed, CHAT, ask("echo"), page(OTHER, authorization=f"Bearer {KEY}"))
    assert (served.status, served.headers["access-control-allow-origin"]) == (200, "*")


def test_without_an_origin_nothing_is_added(keyless: RunningGateway) -> None:
    reply = post(keyless, CHAT, json.dumps(ask("echo")).encode())
    assert reply.status == 200
    assert not [name for name in reply.headers if name.startswith("access-control") or name == "vary"]
