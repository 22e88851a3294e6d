"""Gateways whose callers have limits and budgets, and what they are told of these."""

import json
from collections.abc import Iterable
from typing import Any

from tests.behaviour.clients import CHAT, MESSAGES, Reply, post, request
from tests.behaviour.gateway import RunningGateway, configuration, until
from tests.behaviour.provider import Provider

KEY, OTHER = "gate-of-ci-mulberry-0123456789", "gate-of-cd-mulberry-0123456789"
PRICE = "input_cost_per_token: 0.001, output_cost_per_token: 0.002"
ECHO = f"echo: {{model: simulated/echo, {PRICE}}}"


def models_of(provider: Provider) -> list[str]:
    """`chat` speaks chat completions, `ant` Anthropic's API; both have a price, and `free` has none."""
    return [
        f"chat: {{model: openai/gpt-x, api_base: '{provider.url}/v1', api_key: sk-p, {PRICE}}}",
        f"ant: {{model: anthropic/claude-x, api_base: '{provider.url}', api_key: sk-p, {PRICE}}}",
    ]


def limited(models: Iterable[str], key: str, rest: str = "") -> RunningGateway:
    """A gateway with the keys `ci`, of these options, and `cd`, which may do anything."""
    keys = f"  keys:\n  - {{name: ci, key: {KEY}, {key}}}\n  - {{name: cd, key: {OTHER}}}\n"
    return RunningGateway(configuration(models, keys + rest))


def headers(path: str = CHAT, key: str = KEY) -> dict[str, str]:
    return {"x-api-key": key} if path.startswith(MESSAGES) else {"authorization": f"Bearer {key}"}


def asked(gateway: RunningGateway, body: object, path: str = CHAT, key: str = KEY) -> Reply:
    return post(gateway, path, body, headers(path, key))


def usage(gateway: RunningGateway, key: str = KEY) -> dict[str, Any]:
    """What a key is told of itself."""
    answer = request(gateway, "GET", "/v1/usage", headers=headers(key=key))
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json()
    return found


def limit(gateway: RunningGateway, name: str, key: str = KEY) -> dict[str, Any]:
    """What a key is told of one of its limits."""
    [found] = [one for one in usage(gateway, key)["limits"] if one["limit"] == name]
    return dict(found)


def all_given_back(gateway: RunningGateway) -> None:
    """Wait until nothing is open or reserved any more."""

    def is_free() -> bool:
        limits = usage(gateway)["limits"]
        return all(not one["reserved"] and (one["limit"] != "streams" or not one["used"]) for one in limits)

    until(is_free, "all that was reserved is given back")


def error_of(answer: Reply) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(answer.body)["error"]
    return found
