"""`credentials: client`: a caller's own credential reaches its provider, nobody else, and no record."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.behaviour.clients import CHAT, COUNT, MESSAGES, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY, text_reply, text_stream
from tests.upstream import anthropic_error, json_reply

GATEWAY_KEY = "sk-gateway-0123456789abcdef"
TOKEN = "sk-ant-oat01-own-credential-of-the-caller-0123456789"
OAUTH = {"authorization": f"Bearer {TOKEN}", "anthropic-beta": "oauth-2025-04-20"}
CREDENTIAL_HEADERS = ("authorization", "x-api-key")


def models(provider: Provider) -> list[str]:
    return [
        f"own: {{model: anthropic/claude-own, api_base: '{provider.url}', credentials: client}}",
        f"own-openai: {{model: openai/gpt-own, api_base: '{provider.url}/v1', credentials: client}}",
        f"ours: {{model: anthropic/claude-ours, api_base: '{provider.url}', api_key: {PROVIDER_KEY}}}",
        f"elsewhere: {{model: anthropic/x, api_base: 'http://localhost:{provider.url.rpartition(':')[2]}',"
        " credentials: client}",
        *simulated("status-503"),
    ]


FALLBACKS = """router_settings:
  num_retries: 0
  fallbacks: [{status-503: [own]}, {own: [elsewhere, ours]}]
"""


@pytest.fixture(scope="module")
def keyed(provider: Provider) -> Iterator[RunningGateway]:
    gateway = f"  keys: [{GATEWAY_KEY}]\n  telemetry: {{capture_content: both}}"
    with RunningGateway(configuration(models(provider), gateway, FALLBACKS)) as running:
        yield running


@pytest.fixture(scope="module")
def keyless(provider: Provider) -> Iterator[RunningGateway]:
    with RunningGateway(configuration(models(provider), rest=FALLBACKS)) as running:
        yield running


def credentials(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name in CREDENTIAL_HEADERS}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("sent", "handed_on"),
    [
        (OAUTH, {"authorization": f"Bearer {TOKEN}"}),
        ({"x-api-key": TOKEN}, {"x-api-key": TOKEN}),
        ({"x-api-key": TOKEN, "authorization": "Basic eA=="}, {"x-api-key": TOKEN}),
    ],
)
def test_without_keys_a_credential_goes_on_as_it_came(
    keyless: RunningGateway, provider: Provider, sent: dict[str, str], handed_on: dict[str, str], stream: bool
) -> None:
    provider.play(text_stream("ant") if stream else text_reply("ant"))
    assert post(keyless, MESSAGES, ask("own", MESSAGES, stream=stream), sent).status == 200
    received = provider.received().headers
    assert credentials(received) == handed_on
    assert received.get("anthropic-beta") == sent.get("anthropic-beta")


@pytest.mark.parametrize("path", [MESSAGES, COUNT])
@pytest.mark.parametrize(
    ("sent", "handed_on"),
    [
        (OAUTH | {"x-api-key": GATEWAY_KEY}, {"authorization": f"Bearer {TOKEN}"}),
        ({"x-api-key": TOKEN, "authorization": f"Bearer {GATEWAY_KEY}"}, {"x-api-key": TOKEN}),
    ],
)
def test_the_gateways_key_comes_in_the_other_header_and_stays(
    keyed: RunningGateway, provider: Provider, path: str, sent: dict[str, str], handed_on: dict[str, str]
) -> None:
    provider.play(json_reply({"input_tokens": 3}) if path == COUNT else text_reply("ant"))
    assert post(keyed, path, ask("own", path), sent).status == 200
    assert credentials(provider.received().headers) == handed_on


@pytest.mark.parametrize("sent", [{"x-api-key": GATEWAY_KEY}, {"authorization": f"Bearer {GATEWAY_KEY}"}])
def test_the_gateways_key_alone_is_no_credential(
    keyed: RunningGateway, provider: Provider, sent: dict[str, str]
) -> None:
    provider.play(text_reply("ant"))
    for headers in (sent, sent | {"x-api-key": GATEWAY_KEY, "authorization": f"Bearer {GATEWAY_KEY}"}):
        reply = post(keyed, MESSAGES, ask("status-503", MESSAGES), headers)
        assert reply.status == 529
        assert not provider.requests


def test_a_credential_alone_is_no_key(keyed: RunningGateway) -> None:
    assert post(keyed, MESSAGES, ask("own", MESSAGES), OAUTH).status == 401


@pytest.mark.parametrize("path", [MESSAGES, CHAT])
def test_a_deployment_with_a_key_of_its_own_never_gets_it(
    keyless: RunningGateway, provider: Provider, path: str
) -> None:
    provider.play(text_reply("ant"))
    assert post(keyless, path, ask("ours", path), OAUTH).status == 200
    received = provider.received().headers
    assert credentials(received) == {"x-api-key": PROVIDER_KEY}
    assert TOKEN not in str(received)


def test_a_credential_for_one_provider_goes_to_no_other(keyless: RunningGateway, provider: Provider) -> None:
    """The fallback at another address is passed over; what the gateway has a key for is asked with that."""
    provider.play(
        lambda number, request: anthropic_error(503) if "own" in request.json()["model"] else text_reply("ant")
    )
    assert post(keyless, MESSAGES, ask("own", MESSAGES), OAUTH).status == 200
    asked = [(request.json()["model"], credentials(request.headers)) for request in provider.requests]
    assert asked == [
        ("claude-own", {"authorization": f"Bearer {TOKEN}"}),
        ("claude-ours", {"x-api-key": PROVIDER_KEY}),
    ]


@pytest.mark.parametrize(("path", "model"), [(CHAT, "own"), (MESSAGES, "own-openai"), (MESSAGES, "elsewhere")])
def test_a_credential_is_for_the_api_that_it_came_by(
    keyless: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play(text_reply("ant"))
    headers = {} if model == "elsewhere" else OAUTH
    reply = post(keyless, path, ask(model, path), headers)
    if model == "own":
        # Its fallback has a key of the gateway's.
        assert credentials(provider.received().headers) == {"x-api-key": PROVIDER_KEY}
        return
    assert reply.status == 401
    assert "your own credential" in reply.json()["error"]["message"]
    assert not provider.requests


def test_openais_api_gets_a_bearer_token(keyless: RunningGateway, provider: Provider) -> None:
    provider.play(text_reply("oai"))
    assert post(keyless, CHAT, ask("own-openai"), {"x-api-key": TOKEN}).status == 200
    assert credentials(provider.received().headers) == {"authorization": f"Bearer {TOKEN}"}


def test_the_account_of_a_login_goes_with_its_token_to_openais_api_alone(
    keyless: RunningGateway, provider: Provider
) -> None:
    login = {"authorization": f"Bearer {TOKEN}", "chatgpt-account-id": "acc_1"}
    provider.play(text_reply("oai"))
    assert post(keyless, CHAT, ask("own-openai"), login).status == 200
    assert provider.received().headers["chatgpt-account-id"] == "acc_1"
    for api, model, headers in (
        (MESSAGES, "own", login),
        (CHAT, "own-openai", {"x-api-key": TOKEN, "chatgpt-account-id": "acc_1"}),
    ):
        provider.play(text_reply("ant" if api == MESSAGES else "oai"))
        assert post(keyless, api, ask(model, api), headers).status == 200
        assert "chatgpt-account-id" not in provider.received().headers


@pytest.mark.parametrize("status", [401, 403, 429])
def test_what_the_provider_says_of_it_is_between_caller_and_provider(
    keyless: RunningGateway, provider: Provider, status: int
) -> None:
    provider.play(anthropic_error(status, "authentication_error", "invalid bearer token", {"x-should-retry": "false"}))
    for _ in range(8):
        reply = post(keyless, MESSAGES, ask("elsewhere", MESSAGES), OAUTH)
        assert reply.status == status
    assert provider.requests
    opened = keyless.sample("flowspan_breaker_state", breaker="elsewhere", state="open")
    assert opened == 0


def test_it_is_in_no_record(keyed: RunningGateway, provider: Provider) -> None:
    headers = OAUTH | {"x-api-key": GATEWAY_KEY}
    for script in (text_reply("ant"), anthropic_error(401, message=f"bad token {TOKEN}"), anthropic_error(500)):
        provider.play(script)
        post(keyed, MESSAGES, ask("own", MESSAGES), headers)
    last = post(keyed, MESSAGES, b"{", headers)
    keyed.wait_until_idle()
    keyed.log_line(transaction_id=last.request_id)
    spans = [
        (span.name, dict(span.attributes or {}), [dict(event.attributes or {}) for event in span.events])
        for span in keyed.spans()
    ]
    metrics = [sample for family in keyed.telemetry.registry.collect() for sample in family.samples]
    for record in (keyed.log.getvalue(), str(spans), str(metrics)):
        assert record
        assert TOKEN not in record
        assert GATEWAY_KEY not in record


def test_anthropics_sdk_sends_both(keyed: RunningGateway, provider: Provider) -> None:
    provider.play(text_reply("ant"))
    with anthropic.Anthropic(
        base_url=keyed.url, auth_token=TOKEN, default_headers={"x-api-key": GATEWAY_KEY}, max_retries=0
    ) as sdk:
        answer: Any = sdk.messages.create(model="own", max_tokens=9, messages=[{"role": "user", "content": "hi"}])
    assert answer.content
    assert credentials(provider.received().headers) == {"authorization": f"Bearer {TOKEN}"}


def test_the_limits_of_a_callers_account_are_not_shown_as_the_deployments(
    keyless: RunningGateway, provider: Provider
) -> None:
    limits = {"anthropic-ratelimit-requests-remaining": "0"}
    provider.play(anthropic_error(400, headers=limits))
    for model in ("own", "ours"):
        keyless.transaction(post(keyless, MESSAGES, ask(model, MESSAGES), headers=OAUTH).request_id)
    deployments = {
        sample.labels["deployment"]
        for family in keyless.telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "flowspan_upstream_limit_remaining"
    }
    assert deployments == {"ours"}
