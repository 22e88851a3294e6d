"""What docs/upstream-statuses.md says of each status, by a provider that answers so."""

from collections.abc import Iterator

import pytest

from app.upstream_statuses import LISTED
from tests.behaviour.clients import CHAT, MESSAGES, ask, post
from tests.behaviour.gateway import RunningGateway
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import gateway_before, text_reply
from tests.unit.backends.status_page import row
from tests.upstream import Fin, Script, anthropic_error, json_reply, openai_completion, openai_error

UNMOVED = "  breakers: {upstream: {threshold: 10000, min_requests: 10000}}"


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    with gateway_before(provider, UNMOVED, "litellm_settings: {num_retries: 1}", backend="direct") as running:
        yield running


@pytest.mark.parametrize("status", [*LISTED, 405, 418, 501, 502])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_status_becomes_what_the_page_says(
    gateway: RunningGateway, provider: Provider, path: str, status: int
) -> None:
    expected = row(status)
    provider.play(openai_error(status, "no"))
    reply = post(gateway, path, ask("oai", path))
    assert reply.status == (expected.anthropic if path == MESSAGES else expected.same_dialect)
    assert len(provider.requests) == 1 + expected.asked_again
    ended = gateway.transaction(reply.request_id)
    assert ended.outcome == ("client_error" if expected.fault == "caller" else "upstream_error")


@pytest.mark.parametrize("status", [600, 999])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_status_that_is_none_of_http_is_a_502_with_the_providers_body(
    gateway: RunningGateway, provider: Provider, path: str, status: int
) -> None:
    provider.play(openai_error(status, "no") if path == CHAT else anthropic_error(status, message="no"))
    reply = post(gateway, path, ask("oai" if path == CHAT else "ant", path))
    assert (reply.status, reply.json()["error"]["message"]) == (502, "no")
    assert gateway.transaction(reply.request_id).outcome == "upstream_error"


@pytest.mark.parametrize(
    ("script", "status_class", "outcome", "attempts"),
    [
        (text_reply("oai"), "2xx", "ok", 1),
        (openai_error(400), "4xx", "refused", 1),
        (openai_error(401), "4xx", "unauthorized", 1),
        (openai_error(429), "429", "rate_limited", 2),
        (openai_error(500), "5xx", "error", 2),
        (openai_error(302), "3xx", "error", 2),
        ([Fin()], "none", "error", 2),
    ],
    ids=["200", "400", "401", "429", "500", "302", "no response"],
)
def test_each_attempt_is_counted_at_its_deployment_by_status_and_outcome(
    gateway: RunningGateway, provider: Provider, script: Script, status_class: str, outcome: str, attempts: int
) -> None:
    def counts() -> tuple[float, ...]:
        return (
            gateway.sample("flowspan_upstream_responses_total", deployment="oai", status_class=status_class),
            gateway.sample("flowspan_upstream_responses_total", deployment="oai"),
            gateway.sample("flowspan_upstream_outcomes_total", deployment="oai", outcome=outcome),
            gateway.sample("flowspan_upstream_outcomes_total", deployment="oai"),
        )

    before = counts()
    provider.play(script)
    gateway.transaction(post(gateway, CHAT, ask("oai", CHAT)).request_id)
    assert tuple(now - then for now, then in zip(counts(), before, strict=True)) == (attempts,) * 4
    assert gateway.sample("flowspan_upstream_in_flight") == 0


def test_what_a_provider_says_of_its_limits_is_shown_by_deployment(gateway: RunningGateway, provider: Provider) -> None:
    def value_of(name: str, deployment: str, limit: str) -> float | None:
        return gateway.telemetry.registry.get_sample_value(name, {"deployment": deployment, "limit": limit})

    limits = {"x-ratelimit-limit-requests": "60", "x-ratelimit-remaining-requests": "59"}
    provider.play(
        json_reply(openai_completion({"content": "A"}), headers={**limits, "x-ratelimit-remaining-tokens": ""})
    )
    gateway.transaction(post(gateway, CHAT, ask("oai", CHAT)).request_id)
    assert value_of("flowspan_upstream_limit", "oai", "requests") == 60
    assert value_of("flowspan_upstream_limit_remaining", "oai", "requests") == 59
    assert value_of("flowspan_upstream_limit_remaining", "oai", "tokens") is None
    provider.play(anthropic_error(429, headers={"anthropic-ratelimit-input-tokens-remaining": "0"}))
    gateway.transaction(post(gateway, CHAT, ask("ant", CHAT)).request_id)
    assert value_of("flowspan_upstream_limit_remaining", "ant", "input_tokens") == 0
    assert value_of("flowspan_upstream_limit", "ant", "input_tokens") is None
