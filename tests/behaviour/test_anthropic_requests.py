"""What a client of Anthropic's API sends reaches a provider of that API unchanged: headers, query and body."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import COUNT, MESSAGES, RawClient, post, request
from tests.behaviour.gateway import RunningGateway
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY, gateway_before, text_reply, text_stream
from tests.upstream import Sleep, json_reply

AGENT = {
    "anthropic-version": "2023-06-01",
    "anthropic-beta": "claude-code-20250219,context-management-2025-06-27",
    "anthropic-workspace-id": "wrkspc_1",
    "anthropic-not-yet-invented": "x; y=1",
    "anthropic-dangerous-direct-browser-access": "true",
}
KEPT_BACK = {
    "authorization": "Bearer client-key",
    "x-api-key": "client-key",
    "cookie": "a=b",
    "x-stainless-lang": "js",
    "proxy-authorization": "Basic eA==",
    "te": "trailers",
}
BODY: dict[str, Any] = {
    "model": "ant",
    "max_tokens": 100,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1"},
        {"type": "text", "text": "You are an agent.", "cache_control": {"type": "ephemeral"}},
    ],
    "tools": [
        {"name": "Zeta", "input_schema": {"type": "object", "properties": {}}, "new_in_tool": 1},
        {"name": "Alpha", "input_schema": {"type": "object", "properties": {}}, "cache_control": {"type": "ephemeral"}},
        {"type": "tool_of_next_year_20270101", "name": "later"},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]},
        {"role": "assistant", "content": "hello", "new_in_message": True},
        {"role": "user", "content": "go on"},
    ],
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "field_of_next_year": {"deep": [1, 2, {"x": None}]},
    "metadata": {"user_id": "user_1", "more": 1},
}


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    with gateway_before(provider, backend="direct") as running:
        yield running


@pytest.mark.parametrize("stream", [False, True])
def test_every_header_of_the_api_goes_on_and_no_other(
    gateway: RunningGateway, provider: Provider, stream: bool
) -> None:
    provider.play(text_stream("ant") if stream else text_reply("ant"))
    assert post(gateway, MESSAGES, {**BODY, "stream": stream}, AGENT | KEPT_BACK).status == 200
    sent = provider.received().headers
    assert AGENT.items() <= sent.items()
    assert sent["x-api-key"] == PROVIDER_KEY
    assert not (KEPT_BACK.keys() - {"x-api-key"}) & sent.keys()
    assert "client-key" not in str(sent)


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_goes_on_as_it_came(gateway: RunningGateway, provider: Provider, stream: bool) -> None:
    """What begins otherwise than the last time is not found in the provider's cache."""
    provider.play(text_stream("ant") if stream else text_reply("ant"))
    assert post(gateway, MESSAGES, {**BODY, "stream": stream}, AGENT).status == 200
    sent = provider.received().json()
    assert sent.pop("model") == "claude-scripted"
    assert sent.pop("stream", False) is stream
    assert sent == {name: value for name, value in BODY.items() if name != "model"}
    for name in ("system", "tools", "messages"):
        assert str(sent[name]) == str(BODY[name])


def test_a_header_that_is_for_the_gateway_alone_ends_there(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(text_reply("ant"))
    headers = {"connection": "keep-alive, Anthropic-Hop", "anthropic-hop": "1", "anthropic-other": "2"}
    assert post(gateway, MESSAGES, BODY, headers).status == 200
    sent = provider.received().headers
    assert sent["anthropic-other"] == "2"
    assert "anthropic-hop" not in sent


def test_a_header_in_several_lines_goes_on_whole(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(text_reply("ant"))
    body = b'{"model": "ant", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}'
    with RawClient(gateway) as client:
        client.send(
            b"POST /v1/messages HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: %d\r\n"
            b"anthropic-beta: a\r\nanthropic-new: 1\r\nanthropic-beta: b\r\nanthropic-new: 2\r\n\r\n%b"
            % (len(body), body)
        )
        assert client.read_all().startswith(b"HTTP/1.1 200")
    sent = provider.received().headers
    assert (sent["anthropic-beta"], sent["anthropic-new"]) == ("a,b", "1,2")


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("?beta=true", "?beta=true"),
        ("?beta=true&new=a%20b+c&flag", "?beta=true&new=a%20b+c&flag"),
        ("?beta=true&key=client-key&API_KEY=client-key", "?beta=true"),
        ("", ""),
    ],
)
def test_a_query_goes_on(gateway: RunningGateway, provider: Provider, query: str, sent: str) -> None:
    provider.play(text_reply("ant"))
    assert post(gateway, MESSAGES + query, BODY).status == 200
    assert provider.received().path == f"/v1/messages{sent}"
    provider.play(json_reply({"input_tokens": 7}))
    assert post(gateway, COUNT + query, BODY).json() == {"input_tokens": 7}
    assert provider.received().path == f"/v1/messages/count_tokens{sent}"


def test_the_wait_for_a_count_is_the_providers_and_not_the_gateways_own(
    gateway: RunningGateway, provider: Provider
) -> None:
    provider.play([Sleep(0.1), *json_reply({"input_tokens": 7})])
    reply = post(gateway, COUNT, BODY)
    line = gateway.log_line(transaction_id=reply.request_id)
    assert line["time"]["upstream"] >= 0.1
    assert line["time"]["format"] < 0.1


def test_a_count_takes_new_fields_along_with_their_header(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(json_reply({"input_tokens": 7}))
    assert post(gateway, COUNT, BODY, AGENT).status == 200
    sent = provider.received()
    assert AGENT.items() <= sent.headers.items()
    assert sent.json() == {
        name: value for name, value in BODY.items() if name not in ("model", "max_tokens", "metadata")
    } | {"model": "claude-scripted"}


def test_nothing_of_it_goes_to_a_provider_of_another_api(gateway: RunningGateway, provider: Provider) -> None:
    """A capability is a header and a field: one without the other would be refused."""
    provider.play(text_reply("oai"))
    known = {name: value for name, value in BODY.items() if name not in ("tools", "field_of_next_year")}
    assert post(gateway, f"{MESSAGES}?beta=true", {**known, "model": "oai"}, AGENT).status == 200
    sent = provider.received()
    assert sent.path == "/v1/chat/completions"
    assert not [name for name in sent.headers if name.startswith("anthropic")]
    assert "context_management" not in sent.json()


def test_whether_the_address_is_alive_is_told_without_a_key(gateway: RunningGateway) -> None:
    assert request(gateway, "HEAD", "/api/hello").status == 200
    assert request(gateway, "GET", "/api/hello").status == 200
