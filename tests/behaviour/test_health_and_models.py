"""The routes beside the model routes, and what a request meets that goes to none."""

import json
from collections.abc import Iterator
from importlib import metadata
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, COUNT, MESSAGES, RawClient, ask, post, request
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


def test_the_root_says_what_this_is(gateway: RunningGateway) -> None:
    found = request(gateway, "GET", "/").json()
    assert (found["name"], found["version"]) == ("Flowspan", metadata.version("flowspan"))
    assert {"POST /v1/chat/completions", "GET /v1/models", "GET /livez"} <= set(found["routes"])
    assert "console" not in found
    gateway.app.show_console("http://127.0.0.1:4001")
    assert request(gateway, "GET", "/").json()["console"] == "http://127.0.0.1:4001"
    assert b'href="http://127.0.0.1:4001"' in request(gateway, "GET", "/", headers={"accept": "text/html"}).body
    assert not set(NAMES) & set(json.dumps(found).split('"')), "what is configured is nobody's business"


def test_a_browser_gets_the_root_as_a_page_that_loads_and_runs_nothing(gateway: RunningGateway) -> None:
    page = request(gateway, "GET", "/", headers={"accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert b"POST /v1/messages<" in page.body
    assert b"<script" not in page.body


def test_litellms_probes_are_answered_as_there(gateway: RunningGateway) -> None:
    for path in ("/health/liveliness", "/health/liveness"):
        assert request(gateway, "GET", path).json() == "I'm alive!"
    assert request(gateway, "GET", "/health/readiness").json()["status"] == "healthy"


def test_health_lists_what_can_be_asked_and_what_a_breaker_keeps_from_being_asked() -> None:
    models = [*simulated("echo", "status-500"), "away: {model: simulated/status-500}"]
    extra = "  breakers: {upstream: {threshold: 1, cooldown: 1h}}"
    with RunningGateway(configuration(models, extra, "litellm_settings: {num_retries: 0}")) as gateway:
        post(gateway, CHAT, ask("away"))
        found = request(gateway, "GET", "/health").json()
    assert found["unhealthy_endpoints"] == [{"model_name": "away", "model": "simulated/status-500"}]
    assert (found["healthy_count"], found["unhealthy_count"]) == (2, 1)
    assert {one["model_name"] for one in found["healthy_endpoints"]} == {"echo", "status-500"}


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


@pytest.mark.parametrize(
    ("method", "path", "route", "status", "level"),
    [
        ("GET", "/", "/", 200, None),
        ("GET", "/readyz", "/readyz", 200, None),
        ("HEAD", "/api/hello", "/api/hello", 200, None),
        ("GET", "/health/liveness", "/health/liveness", 200, None),
        ("GET", "/health", "/health", 200, "info"),
        ("GET", "/v1/models", "/v1/models", 200, "info"),
        ("GET", "/models", "/v1/models", 200, "info"),
        ("GET", "/v1/models/vendor/model-1", "/v1/models/{name}", 200, "info"),
        ("GET", "/v1/models/nothing", "/v1/models/{name}", 404, "info"),
        ("PUT", "/v1/models", "/v1/models", 405, "info"),
        ("GET", "/v1/canary@example.org/x?key=canary", "other", 404, "info"),
        ("GET", "/wp-login.php", "other", 404, "info"),
    ],
)
def test_a_request_to_no_model_has_an_id_is_counted_and_leaves_a_line(
    gateway: RunningGateway, method: str, path: str, route: str, status: int, level: str | None
) -> None:
    def counted() -> float:
        return gateway.sample("flowspan_other_requests_total", route=route, status=str(status))

    before = counted()
    headers = {"x-client-request-id": "mine", "user-agent": "curl/8.5.0 (canary)", "x-forwarded-for": "203.0.113.9"}
    reply = request(gateway, method, path, headers=headers)
    assert reply.status == status
    assert reply.request_id.startswith("req_")
    assert reply.headers["request-id"] == reply.request_id
    until(lambda: counted() == before + 1, "it is counted")
    if level is None:
        assert not [line for line in gateway.logs() if line.get("request_id") == reply.request_id]
        return
    line = gateway.log_line(request_id=reply.request_id)
    assert (line["level"], line["logger"]) == (level, "flowspan.access.other")
    assert (line["method"], line["route"], line["status"]) == (method, route, status)
    assert (line["client_address"], line["user_agent"]) == ("203.0.113.9", "curl/8.5.0")
    assert line["client_request_id"] == "mine"
    assert "canary" not in gateway.log.getvalue()


def test_an_error_has_the_id_of_its_response(gateway: RunningGateway) -> None:
    reply = post(gateway, "/v1/messages/batches", {}, ANTHROPIC)
    assert reply.json()["request_id"] == reply.request_id


def test_probes_and_what_is_no_request_leave_lines_where_everything_is_logged() -> None:
    with RunningGateway(configuration(simulated("echo"), "  telemetry: {log_level: debug}")) as gateway:
        reply = request(gateway, "GET", "/livez")
        assert gateway.log_line(request_id=reply.request_id)["level"] == "debug"
        with RawClient(gateway) as client:
            client.send(b"GET /livez HTTP/1.1\r\n\r\n")
            fields = dict(line.split(": ", 1) for line in client.read_all().decode().splitlines() if ": " in line)
        line = gateway.log_line(request_id=fields["x-request-id"])
        assert fields["request-id"] == fields["x-request-id"]
        assert (line["level"], line["status"], line["client_address"]) == ("debug", 400, "127.0.0.1")


def test_an_unknown_path_is_told_the_near_one(gateway: RunningGateway) -> None:
    message = post(gateway, "/anthropic/v1/messages", {}, ANTHROPIC).json()["error"]["message"]
    assert message.startswith("Unknown request URL: POST /anthropic/v1/messages. Did you mean /v1/messages? ")
    assert "This is Flowspan" in message


def test_other_routes_have_a_span_too_and_health_has_none(gateway: RunningGateway) -> None:
    seen = len(gateway.spans())
    request(gateway, "GET", "/readyz")
    request(gateway, "GET", "/livez")
    request(gateway, "HEAD", "/")
    request(gateway, "GET", "/v1/models")
    until(lambda: gateway.spans()[seen:], "the span of /v1/models")
    [span] = gateway.spans()[seen:]
    assert span.name == "GET /v1/models"
    assert str((span.attributes or {})["flowspan.request_id"]).startswith("req_")
