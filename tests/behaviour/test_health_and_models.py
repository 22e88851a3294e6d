"""The routes beside the model routes, and what a request meets that goes to none."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, COUNT, MESSAGES, RawClient, post, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until

NAMES = ("echo", "lorem", "lorem-30")
ANTHROPIC = {"anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(configuration([*simulated(*NAMES), "vendor/model-1: {model: simulated/echo}"])) as running:
        yield running


def test_a_gateway_is_alive_and_ready(gateway: RunningGateway) -> None:
    assert request(gateway, "GET", "/readyz").json() == {"status": "ready"}
    for method in ("GET", "HEAD"):
        assert request(gateway, method, "/").status == 200
        assert request(gateway, method, "/livez").status == 200
    with RawClient(gateway) as client:
        client.send(b"HEAD /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
        head, body = client.read_all().split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert body == b""


@pytest.mark.parametrize("path", ["/v1/models/", "/livez/", "/readyz/"])
def test_no_path_leads_to_another_one(gateway: RunningGateway, path: str) -> None:
    """The address of a redirect would be made of what the caller says is the gateway's name."""
    assert request(gateway, "GET", path).status == 404


def test_models_come_in_the_shape_of_the_asker(gateway: RunningGateway) -> None:
    openai: Any = request(gateway, "GET", "/v1/models").json()
    assert openai["object"] == "list"
    assert [model["id"] for model in openai["data"]] == [*NAMES, "vendor/model-1"]
    anthropic: Any = request(gateway, "GET", "/v1/models?limit=1000", headers=ANTHROPIC).json()
    assert [model["id"] for model in anthropic["data"]] == [*NAMES, "vendor/model-1"]
    assert anthropic["has_more"] is False


def test_a_models_name_may_hold_a_slash(gateway: RunningGateway) -> None:
    assert request(gateway, "GET", "/v1/models/vendor/model-1").json()["id"] == "vendor/model-1"
    assert request(gateway, "GET", "/v1/models/vendor%2Fmodel-1").json()["id"] == "vendor/model-1"


@pytest.mark.parametrize("query", ["limit=0", "limit=-1", "limit=x", "limit=1001", "after_id=nothing"])
def test_a_page_that_cannot_be_is_refused(gateway: RunningGateway, query: str) -> None:
    reply = request(gateway, "GET", f"/v1/models?{query}", headers=ANTHROPIC)
    assert reply.status == 400
    assert reply.json()["error"]["type"] == "invalid_request_error"


def test_an_unknown_route_is_not_found_in_the_askers_dialect(gateway: RunningGateway) -> None:
    assert set(post(gateway, "/v1/moderations", {}).json()) == {"error"}
    reply = post(gateway, "/v1/complete", {}, ANTHROPIC)
    assert (reply.status, reply.json()["type"]) == (404, "error")
    assert post(gateway, "/v1/messages/batches", {}).json()["type"] == "error"
    assert "" not in reply.headers.values()


@pytest.mark.parametrize("path", [CHAT, MESSAGES, COUNT, "/v1/completions", "/v1/embeddings"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_another_method_is_not_allowed_counted_and_has_a_span(gateway: RunningGateway, path: str, method: str) -> None:
    reply = request(gateway, method, path, b"{}")
    assert (reply.status, reply.headers["allow"]) == (405, "POST")
    if method != "HEAD":
        assert ("type" in reply.json()) == path.startswith(MESSAGES)
        assert reply.json()["error"]["message"]
    ended = gateway.transaction(reply.request_id)
    assert (ended.outcome, ended["error.type"]) == ("client_error", "method_not_allowed")
    assert ended.span.name == f"{method} {path}"


def test_another_method_elsewhere_is_not_allowed_either(gateway: RunningGateway) -> None:
    reply = post(gateway, "/v1/models", {})
    assert (reply.status, set(reply.headers["allow"].split(", "))) == (405, {"GET", "HEAD"})


def test_other_routes_have_a_span_too_and_health_has_none(gateway: RunningGateway) -> None:
    seen = len(gateway.spans())
    request(gateway, "GET", "/readyz")
    request(gateway, "GET", "/livez")
    request(gateway, "HEAD", "/")
    request(gateway, "GET", "/v1/models")
    until(lambda: gateway.spans()[seen:], "the span of /v1/models")
    assert [span.name for span in gateway.spans()[seen:]] == ["GET /v1/models"]
