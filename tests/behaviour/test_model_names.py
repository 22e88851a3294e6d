"""Wildcards, aliases and unknown names of models, over real sockets and in telemetry."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, ask, post, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY, text_reply, text_stream

ROUTER = """router_settings:
  num_retries: 0
  model_group_alias: {fast: gpt-mini, quiet: {model: gpt-mini, hidden: true}, opus: anthropic/claude-opus-4-8}
  fallbacks: [{down: [anthropic/claude-fallback]}]
"""
ANTHROPIC = {"anthropic-version": "2023-06-01"}


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    models = [
        f"anthropic/*: {{model: anthropic/*, api_base: '{provider.url}', api_key: {PROVIDER_KEY}}}",
        f"openai/*: {{model: openai/*, api_base: '{provider.url}/v1', api_key: {PROVIDER_KEY}}}",
        f"gpt-mini: {{model: openai/gpt-mini, api_base: '{provider.url}/v1', api_key: {PROVIDER_KEY}}}",
        "down: {model: simulated/status-503}",
        *simulated("echo"),
    ]
    with RunningGateway(configuration(models, rest=ROUTER)) as running:
        yield running


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("path", "asked", "sent", "name"),
    [
        (MESSAGES, "anthropic/claude-x", "claude-x", "anthropic/*"),
        (MESSAGES, "claude-opus-4-8[1m]", "claude-opus-4-8", "anthropic/*"),
        (MESSAGES, "opus", "claude-opus-4-8", "anthropic/*"),
        (MESSAGES, "down", "claude-fallback", "down"),
        (CHAT, "openai/gpt-5", "gpt-5", "openai/*"),
        (CHAT, "fast", "gpt-mini", "gpt-mini"),
        (CHAT, "quiet", "gpt-mini", "gpt-mini"),
    ],
)
def test_a_provider_is_asked_for_the_model_that_is_meant(
    gateway: RunningGateway, provider: Provider, path: str, asked: str, sent: str, name: str, stream: bool
) -> None:
    kind = "ant" if path == MESSAGES else "oai"
    provider.play(text_stream(kind) if stream else text_reply(kind))
    reply = post(gateway, path, ask(asked, path, stream=stream))
    assert reply.status == 200, reply.body
    assert provider.received().json()["model"] == sent
    ended = gateway.transaction(reply.request_id)
    assert ended["flowspan.model"] == name
    assert dict(ended.attempts[-1].attributes or {})["gen_ai.request.model"] == sent


def test_names_of_strangers_are_no_labels(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(text_reply("ant"))
    for number in range(30):
        assert post(gateway, MESSAGES, ask(f"anthropic/stranger-{number}", MESSAGES)).status == 200
        assert post(gateway, MESSAGES, ask(f"stranger-{number}", MESSAGES)).status == 404
    labels = {
        value
        for family in gateway.telemetry.registry.collect()
        for sample in family.samples
        for value in sample.labels.values()
    }
    assert not [label for label in labels if "stranger" in label]
    assert "anthropic/*" in labels


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_an_unknown_model_is_told_what_there_is(gateway: RunningGateway, path: str) -> None:
    reply = post(gateway, path, ask("gtp-mini", path))
    assert reply.status == 404
    message = reply.json()["error"]["message"]
    assert "`gtp-mini` does not exist here. Did you mean `gpt-mini`?" in message
    assert "`anthropic/*`" in message
    assert "quiet" not in message
    line = gateway.log_line(transaction_id=reply.request_id)
    assert line["detail"] == "asked for 'gtp-mini'"


def test_a_hostile_name_is_logged_within_bounds(gateway: RunningGateway) -> None:
    reply = post(gateway, CHAT, ask("\x1b[31m\nevil" + "A" * 10_000))
    detail = gateway.log_line(transaction_id=reply.request_id)["detail"]
    assert len(detail) < 300
    assert detail.isprintable()


def test_a_gateway_of_wildcards_alone_lists_what_is_known_of_its_providers() -> None:
    with RunningGateway(
        configuration([f"claude-*: {{model: anthropic/claude-*, api_key: {PROVIDER_KEY}}}"])
    ) as running:
        with openai.OpenAI(base_url=f"{running.url}/v1", api_key="any") as sdk:
            assert "claude-sonnet-4-5" in [model.id for model in sdk.models.list()]
        page: Any = request(running, "GET", "/v1/models?limit=1000", headers=ANTHROPIC).json()
        assert "claude-sonnet-4-5" in [model["id"] for model in page["data"]]


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/gpt-mini"])
def test_a_list_may_be_asked_for_by_head(gateway: RunningGateway, path: str) -> None:
    reply = request(gateway, "HEAD", path)
    assert (reply.status, reply.body, reply.headers["content-type"]) == (200, b"", "application/json")


def test_a_list_shows_names_and_aliases(gateway: RunningGateway) -> None:
    expected = ["gpt-mini", "down", "echo", "fast", "opus"]
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any") as sdk:
        assert [model.id for model in sdk.models.list()] == expected
        assert sdk.models.retrieve("anthropic/claude-x").id == "anthropic/claude-x"
        assert sdk.models.retrieve("quiet").id == "quiet"
        with pytest.raises(openai.NotFoundError, match="Did you mean `gpt-mini`"):
            sdk.models.retrieve("gtp-mini")
    page: Any = request(gateway, "GET", "/v1/models?limit=2", headers=ANTHROPIC).json()
    assert [model["display_name"] for model in page["data"]] == expected[:2]
    assert (page["has_more"], page["first_id"], page["last_id"]) == (True, "gpt-mini", "down")
