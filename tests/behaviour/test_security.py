"""A client never chooses destination or credential, and no key ever leaves."""

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.canary import Canary
from tests.behaviour.clients import CHAT, MESSAGES, ask, post, request
from tests.behaviour.gateway import RunningGateway, configuration, until
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import BACKENDS, PROVIDER_KEY, content_of, models, text_reply, text_stream
from tests.upstream import anthropic_error, openai_error

CALLER_KEY = "sk-caller-canary-0123456789abcdef"
PAIRS = [(path, model) for path in (CHAT, MESSAGES) for model in ("oai", "ant")]
pairs = pytest.mark.parametrize(("path", "model"), PAIRS)
AUTH = {"authorization": f"Bearer {CALLER_KEY}"}


@pytest.fixture(scope="module", params=BACKENDS)
def gateway(provider: Provider, request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    rest = f"litellm_settings: {{num_retries: 0}}\ngeneral_settings: {{master_key: {CALLER_KEY}}}"
    with RunningGateway(
        configuration(
            models(provider, request.param), "  breakers: {upstream: {threshold: 1000, min_requests: 1000}}", rest
        )
    ) as running:
        yield running


def orders(canary: Canary) -> dict[str, Any]:
    """Every field by which a library would let its caller choose where to go, as whom, or not to go at all."""
    url = f"http://127.0.0.1:{canary.port}"
    return {
        "api_base": url,
        "base_url": url,
        "api_key": "sk-client-chosen-0123456789",
        "api_version": "2099-01-01",
        "organization": "org-client",
        "extra_headers": {"x-injected": "yes", "authorization": "Bearer sk-client-chosen-0123456789"},
        "headers": {"x-injected": "yes"},
        "default_headers": {"x-injected": "yes"},
        "extra_body": {"injected": True},
        "extra_query": {"injected": "yes"},
        "custom_llm_provider": "ollama",
        "model_list": [{"model_name": "oai", "litellm_params": {"model": "openai/x", "api_base": url}}],
        "fallbacks": [{"model": "openai/x", "api_base": url}],
        "context_window_fallback_dict": {"oai": "other"},
        "mock_response": "mocked by the client",
        "mock_tool_calls": [{"id": "m", "type": "function", "function": {"name": "m", "arguments": "{}"}}],
        "mock_timeout": True,
        "mock_delay": 60,
        "timeout": 0.000001,
        "stream_timeout": 0.000001,
        "num_retries": 9,
        "max_retries": 9,
        "litellm_metadata": {"injected": True},
        "litellm_credential_name": "other",
        "litellm_logging_obj": {"injected": True},
        "logger_fn": "print",
        "callbacks": ["langfuse"],
        "success_callback": ["langfuse"],
        "langfuse_host": url,
        "aws_bedrock_runtime_endpoint": url,
        "vertex_project": "injected",
        "azure_ad_token": "injected",
        "ssl_verify": False,
        "proxy": url,
        "http_client": "injected",
        "client": "injected",
        "acompletion": False,
        "input_cost_per_token": 100,
        "cache": {"no-cache": True},
        "caching": True,
        "guardrails": ["none"],
        "prompt_id": "injected",
        "user_continue_message": {"role": "user", "content": "injected"},
        "hf_model_name": "injected",
        "drop_params": False,
        "additional_drop_params": ["messages"],
        "allowed_openai_params": ["injected"],
        "use_litellm_proxy": True,
        "no-log": True,
        "ensure_alternating_roles": True,
    }


@pairs
def test_orders_to_the_library_in_a_body_change_nothing(
    gateway: RunningGateway, provider: Provider, canary: Canary, path: str, model: str
) -> None:
    stream = path == CHAT
    is_direct = gateway.settings.deployments[0].backend != "litellm"
    for name, value in orders(canary).items():
        provider.play(text_stream(model) if stream else text_reply(model))
        reply = post(gateway, path, {**ask(model, path, stream=stream), name: value}, AUTH)
        assert reply.status == 200, (name, reply.body)
        assert b"mocked" not in reply.body, name
        asked = provider.received()
        key = asked.headers.get("authorization", asked.headers.get("x-api-key", ""))
        assert PROVIDER_KEY in key, name
        # A field that no library knows may go on in the body: it is the provider's to refuse.
        head = f"{asked.path} {asked.headers}"
        assert "injected" not in head, name
        assert str(canary.port) not in head, name
        assert "client-chosen" not in head, name
        assert is_direct or b"client-chosen" not in asked.body, name
        assert len(provider.requests) == 1, name
    assert canary.visits == 0


@pairs
def test_all_orders_at_once_change_nothing(
    gateway: RunningGateway, provider: Provider, canary: Canary, path: str, model: str
) -> None:
    provider.play(text_stream(model))
    reply = post(gateway, path, {**ask(model, path, stream=True), **orders(canary)}, AUTH)
    assert content_of(path, reply.body)[0] == "Hello, world"
    assert canary.visits == 0
    assert len(provider.requests) == 1


@pairs
def test_headers_of_a_client_do_not_reach_the_provider(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play(text_stream(model))
    hostile = {
        "x-api-base": "http://127.0.0.1:1",
        "x-litellm-api-base": "http://127.0.0.1:1",
        "x-forwarded-host": "evil.example",
        "host": "evil.example",
        "cookie": "session=canary",
        "x-custom": "canary",
        "api-key": "canary",
    }
    assert post(gateway, path, ask(model, path, stream=True), AUTH | hostile).status == 200
    asked = provider.received()
    assert "canary" not in str({name: value for name, value in asked.headers.items() if PROVIDER_KEY not in value})
    assert "evil.example" not in str(asked.headers)
    assert CALLER_KEY not in str(asked.headers)


@pairs
def test_images_are_not_fetched_on_a_clients_order(
    gateway: RunningGateway, provider: Provider, canary: Canary, path: str, model: str
) -> None:
    """A URL is the provider's to fetch, or refused: the gateway's own network is not the client's to look into."""
    url = f"http://127.0.0.1:{canary.port}/image.png"
    image: dict[str, Any] = {"type": "image_url", "image_url": {"url": url}}
    if path == MESSAGES:
        image = {"type": "image", "source": {"type": "url", "url": url}}
    provider.play(text_reply(model))
    body = {**ask(model, path), "messages": [{"role": "user", "content": [image]}]}
    reply = post(gateway, path, body, AUTH)
    assert reply.status < 500 or reply.status == 502
    assert canary.visits == 0


@pairs
@pytest.mark.parametrize("status", [400, 401, 500])
def test_a_providers_error_that_repeats_the_key_does_not_leave_with_it(
    gateway: RunningGateway, provider: Provider, path: str, model: str, status: int
) -> None:
    message = f"Incorrect API key provided: {PROVIDER_KEY}; you sent Authorization: Bearer {PROVIDER_KEY}"
    failure = openai_error(status, message) if model == "oai" else anthropic_error(status, message=message)
    provider.play(failure)
    for stream in (True, False):
        reply = post(gateway, path, ask(model, path, stream=stream), AUTH)
        assert PROVIDER_KEY.encode() not in reply.body
        assert b"canary" not in reply.body


def test_after_all_this_no_key_is_anywhere(gateway: RunningGateway, provider: Provider) -> None:
    """Logs, spans, metrics, models: searched for the gateway's keys, callers' keys and ones that were tried."""
    tried = "sk-wrong-canary-0123456789abcdef"
    post(gateway, CHAT, ask("oai"), {"authorization": f"Bearer {tried}"})
    post(gateway, f"{CHAT}?api_key={tried}", ask(tried), AUTH)
    last = post(gateway, MESSAGES, ask("ant", MESSAGES), {"x-api-key": CALLER_KEY, "user-agent": f"agent {tried}"})
    gateway.transaction(last.request_id)
    until(lambda: last.request_id in gateway.log.getvalue(), "the last access line")
    spans = [
        (
            span.name,
            dict(span.attributes or {}),
            span.status.description,
            [dict(one.attributes or {}) for one in span.events],
        )
        for span in gateway.spans()
    ]
    listed = request(gateway, "GET", "/v1/models", headers=AUTH).body.decode()
    metrics = str([sample for family in gateway.telemetry.registry.collect() for sample in family.samples])
    for text in (str(spans), gateway.log.getvalue(), metrics, listed):
        for key in (PROVIDER_KEY, CALLER_KEY, tried):
            assert key not in text, key


def test_a_password_in_a_base_address_reaches_the_provider_alone(provider: Provider) -> None:
    """Whatever becomes of the request, and wherever its provider repeats what it was told."""
    password = "pass-canary-0123456789"
    base = provider.url.replace("http://", f"http://user:{password}@") + "/v1"
    basic = b64encode(f"user:{password}".encode()).decode()
    with RunningGateway(configuration([f"oai: {{model: openai/gpt, api_base: '{base}'}}"])) as gateway:
        provider.play(text_reply("oai"))
        assert post(gateway, CHAT, ask("oai")).status == 200
        assert provider.received().headers["authorization"] == f"Basic {basic}"
        provider.play(openai_error(400, f"no such user: {password}, {basic}"))
        refused = post(gateway, CHAT, ask("oai"))
        assert refused.status == 400
        gateway.transaction(refused.request_id)
        recorded = gateway.log.getvalue() + "".join(span.to_json() for span in gateway.spans())
        for secret in (password, basic):
            assert secret not in recorded
            assert secret.encode() not in refused.body
