"""`GET /health/deployments`: each deployment is really asked, and none is blamed."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, ask, post, request
from tests.behaviour.gateway import RunningGateway

KEY, OTHER_KEY = "sk-operator-0123456789abcdef", "sk-tenant-0123456789abcdef"
CHECKED = f"""
model_list:
  - {{model_name: good, litellm_params: {{model: simulated/lorem-3, input_cost_per_token: 1}}}}
  - {{model_name: down, litellm_params: {{model: simulated/status-503}}}}
  - {{model_name: picky, litellm_params: {{model: simulated/status-400}}}}
  - {{model_name: any/*, litellm_params: {{model: simulated/*}}}}
  - {{model_name: theirs, credentials: client, litellm_params: {{model: anthropic/claude-x}}}}
gateway:
  keys: [{{name: operator, key: {KEY}}}, {{name: tenant, key: {OTHER_KEY}, models: [good]}}]
  breakers: {{upstream: {{threshold: 2, cooldown: 60s}}}}
"""


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(CHECKED) as running:
        yield running


def check(gateway: RunningGateway, query: str = "", key: str = KEY) -> dict[str, Any]:
    reply = request(gateway, "GET", f"/health/deployments{query}", headers={"authorization": f"Bearer {key}"})
    assert reply.status == 200
    body: dict[str, Any] = reply.json()
    return {**body, "id": reply.request_id}


def test_each_deployment_that_can_be_asked_says_how_it_is(gateway: RunningGateway) -> None:
    body = check(gateway)
    found = {one["deployment"]: (one["result"], one["error"], one["status"]) for one in body["deployments"]}
    assert found == {
        "good": ("ok", None, None),
        "down": ("failed", "upstream_error", 503),
        "picky": ("refused", "upstream_rejected", 400),
        "any/*": ("not_asked", "wildcard", None),
        "theirs": ("not_asked", "credential", None),
    }
    assert {name: body[name] for name in ("ok", "refused", "failed", "not_asked")} == {
        "ok": 1,
        "refused": 1,
        "failed": 1,
        "not_asked": 2,
    }
    ended = gateway.transaction(body["id"])
    assert len(ended.attempts) == 3
    assert ended["flowspan.key.name"] == "operator"
    assert ended["flowspan.cost_usd"] > 0
    assert gateway.sample("flowspan_upstream_attempts_total", deployment="good", reason="probe") >= 1


def test_it_asks_those_that_are_named_and_knows_no_others(gateway: RunningGateway) -> None:
    assert [one["deployment"] for one in check(gateway, "?model=good")["deployments"]] == ["good"]
    assert [one["deployment"] for one in check(gateway, "?deployment=down")["deployments"]] == ["down"]
    headers = {"authorization": f"Bearer {KEY}"}
    unknown = request(gateway, "GET", "/health/deployments?model=nope", headers=headers)
    assert (unknown.status, unknown.json()["error"]["param"]) == (400, "model")


def test_a_caller_may_check_what_it_may_ask_for_and_nobody_may_without_a_key(gateway: RunningGateway) -> None:
    assert [one["deployment"] for one in check(gateway, key=OTHER_KEY)["deployments"]] == ["good"]
    headers = {"authorization": f"Bearer {OTHER_KEY}"}
    assert request(gateway, "GET", "/health/deployments?model=down", headers=headers).status == 400
    assert request(gateway, "GET", "/health/deployments").status == 401
    assert request(gateway, "POST", "/health/deployments", headers={"authorization": f"Bearer {KEY}"}).status == 405


def test_checks_open_no_breaker_and_an_open_one_keeps_no_check_out(gateway: RunningGateway) -> None:
    for _ in range(4):
        check(gateway, "?deployment=down")
    headers = {"authorization": f"Bearer {KEY}"}
    assert post(gateway, CHAT, ask("down"), headers).status == 503
    assert gateway.sample("flowspan_breaker_trips_total", breaker="down") == 0
    for _ in range(2):
        post(gateway, CHAT, ask("down"), headers)
    [result] = check(gateway, "?deployment=down")["deployments"]
    assert result["error"] == "upstream_error", "it was asked"
