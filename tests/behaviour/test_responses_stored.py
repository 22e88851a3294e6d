"""What a provider keeps of responses: the calls about one go to the deployment that made it, and to nobody else."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.behaviour.clients import RESPONSES, RawClient, ask, post, request
from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.provider import Provider
from tests.behaviour.responses import events, models, reply, text, whole_text
from tests.behaviour.scripted import PROVIDER_KEY, content_of
from tests.unit.dialects.openai_responses.events import FRAME
from tests.upstream import Body, Fin, Head, Script, Sleep, Stall, json_reply, openai_error

KEPT = f"{RESPONSES}/resp_1"
POLICY = "  policies: [{use: redact, config: {patterns: [email]}}]"


@pytest.fixture(scope="module")
def other() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def two_accounts(provider: Provider, other: Provider, gateway: str = POLICY) -> RunningGateway:
    second = f"second: {{model: openai/responses/gpt-2, api_base: '{other.url}/v1', api_key: {PROVIDER_KEY}}}"
    return RunningGateway(configuration([models(provider)[0], second], gateway))


@pytest.fixture(scope="module")
def gateway(provider: Provider, other: Provider) -> Iterator[RunningGateway]:
    with two_accounts(provider, other) as running:
        yield running


@pytest.fixture
def sdk(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as client:
        yield client


def make(gateway: RunningGateway, provider: Provider, model: str = "res", stream: bool = False) -> None:
    """A response with the id `resp_1`, kept by `provider`."""
    provider.play(events(text()) if stream else reply(whole_text()))
    assert post(gateway, RESPONSES, ask(model, RESPONSES, stream=stream)).status == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["res", "second"])
def test_the_sdks_calls_reach_the_one_who_made_the_response(
    gateway: RunningGateway, provider: Provider, other: Provider, sdk: openai.OpenAI, model: str, stream: bool
) -> None:
    origin, stranger = (provider, other) if model == "res" else (other, provider)
    make(gateway, origin, model, stream)
    stranger.play([])
    origin.play(reply({**whole_text(), "background": True}))
    assert sdk.responses.retrieve("resp_1", include=["reasoning.encrypted_content"]).background is True
    assert sdk.responses.cancel("resp_1").id == "resp_1"
    items = {
        "object": "list",
        "data": [{"id": "m", "type": "message", "role": "user", "content": []}],
        "has_more": False,
    }
    origin.play(json_reply(items))
    assert [item.id for item in sdk.responses.input_items.list("resp_1", limit=3)] == ["m"]
    origin.play(json_reply({"id": "resp_1", "object": "response", "deleted": True}))
    sdk.responses.delete("resp_1")
    with pytest.raises(openai.NotFoundError):
        sdk.responses.retrieve("resp_1")
    assert stranger.requests == []


def test_what_comes_back_is_the_providers_byte_for_byte_and_told_like_any_other_transaction(
    gateway: RunningGateway, provider: Provider
) -> None:
    make(gateway, provider)
    body = b'{"id": "resp_1",   "text": "canary@example.org", "status":"failed", "error": {"message": "x"}}'
    length = {"content-length": str(len(body))}
    provider.play([Head(200, length, "application/json", chunked=False), Body(body)])
    skipped = gateway.sample("flowspan_policy_skipped_total", policy="redact")
    answer = request(gateway, "GET", f"{KEPT}?include[]=a&include[]=b&stream=false&api_key=x")
    assert (answer.status, answer.body) == (200, body)
    sent = provider.received()
    assert (sent.method, sent.path) == ("GET", f"{KEPT}?include%5B%5D=a&include%5B%5D=b&stream=false")
    assert sent.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    ended = gateway.transaction(answer.request_id)
    assert (ended.outcome, ended.span.name) == ("ok", "GET /v1/responses/{response_id}")
    assert ended["flowspan.model"] == "res"
    assert [attempt.name for attempt in ended.attempts] == ["stored_response gpt-scripted"]
    assert gateway.sample("flowspan_policy_skipped_total", policy="redact") == skipped + 1


def test_a_stream_of_a_kept_response_is_the_providers_byte_for_byte(
    gateway: RunningGateway, provider: Provider, sdk: openai.OpenAI
) -> None:
    make(gateway, provider)
    body = text("canary@example.org")
    provider.play(events(body))
    answer = request(gateway, "GET", f"{KEPT}?stream=true&starting_after=3")
    assert answer.body == body.body
    assert provider.received().path == f"{KEPT}?stream=true&starting_after=3"
    assert gateway.transaction(answer.request_id).outcome == "ok"
    kinds = [event.type for event in sdk.responses.retrieve("resp_1", stream=True)]
    assert kinds[-1] == "response.completed"


def test_a_stream_of_a_kept_response_that_is_cut_off_is_an_error(gateway: RunningGateway, provider: Provider) -> None:
    make(gateway, provider)
    provider.play([*list(events(text()))[:5], Sleep(0.05), Fin()])
    answer = request(gateway, "GET", f"{KEPT}?stream=true")
    assert content_of(RESPONSES, answer.body)[2] is not None
    assert gateway.transaction(answer.request_id).outcome == "upstream_error"


def test_leaving_a_stream_of_a_kept_response_closes_the_upstream(gateway: RunningGateway, provider: Provider) -> None:
    make(gateway, provider)
    provider.play([*list(events(text()))[:6], Stall()])
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.send(f"GET {KEPT}?stream=true HTTP/1.1\r\nhost: localhost\r\n\r\n".encode())
        client.read_until(b"Hel")
        client.reset()
        provider.left_within(1)
    assert gateway.next_transaction(seen).outcome == "client_disconnect"


@pytest.mark.parametrize(
    ("script", "status", "outcome"),
    [
        (openai_error(404, "Response with id 'resp_1' not found."), 404, "client_error"),
        (openai_error(500, "down"), 500, "upstream_error"),
        ([Head(200, {"content-length": "9"}, "text/html", chunked=False), Body(b"<p>No</p>")], 502, "upstream_error"),
        (
            [Head(200, {"content-length": "40"}, "application/json", chunked=False), Body(b'{"id"'), Fin()],
            502,
            "upstream_error",
        ),
    ],
)
def test_what_goes_wrong_at_the_provider_is_an_error_here(
    gateway: RunningGateway, provider: Provider, script: Script, status: int, outcome: str
) -> None:
    make(gateway, provider)
    provider.play(script)
    answer = request(gateway, "GET", KEPT)
    assert answer.status == status
    assert answer.json()["error"]["message"]
    assert gateway.transaction(answer.request_id).outcome == outcome


def test_an_id_that_nobody_gave_is_not_found_and_nobody_is_asked(
    gateway: RunningGateway, provider: Provider, other: Provider
) -> None:
    provider.play([])
    other.play([])
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/cancel"), ("GET", "/input_items")):
        answer = request(gateway, method, f"{RESPONSES}/resp_unknown{path}")
        assert answer.status == 404
        assert answer.json()["error"]["type"] == "not_found_error"
        ended = gateway.transaction(answer.request_id)
        assert (ended.outcome, ended["error.type"]) == ("client_error", "unknown_response")
    assert provider.requests == other.requests == []


@pytest.mark.parametrize(
    "id", ["..", "%2e%2e", "a%20b", "a%2fb", "a%3Fb=c", "a%0d%0ax:y", "é".encode().hex("%"), "x" * 300]
)
def test_an_id_never_becomes_another_address(provider: Provider, other: Provider, id: str) -> None:
    provider.play([])
    with RunningGateway(configuration(models(provider)[:1])) as gateway:
        answer = request(gateway, "GET", f"{RESPONSES}/{id}")
        assert answer.status in (404, 405)
    assert provider.requests == []


@pytest.mark.parametrize(
    ("method", "path"), [("POST", ""), ("PUT", ""), ("GET", "/cancel"), ("DELETE", "/input_items")]
)
def test_a_method_that_a_route_does_not_have_is_refused(gateway: RunningGateway, method: str, path: str) -> None:
    assert request(gateway, method, KEPT + path).status == 405


def test_an_earlier_response_is_followed_where_it_was_made(
    gateway: RunningGateway, provider: Provider, other: Provider
) -> None:
    make(gateway, provider)
    follow: dict[str, Any] = {"previous_response_id": "resp_1"}
    assert post(gateway, RESPONSES, ask("res", RESPONSES, **follow)).status == 200
    assert json.loads(provider.received(2).body)["previous_response_id"] == "resp_1"
    elsewhere = post(gateway, RESPONSES, ask("second", RESPONSES, **follow))
    assert (elsewhere.status, elsewhere.json()["error"]["param"]) == (404, "previous_response_id")
    assert FRAME["id"] == "resp_1"


def test_after_a_restart_the_only_account_there_is_is_asked(provider: Provider) -> None:
    provider.play(reply(whole_text()))
    with RunningGateway(configuration(models(provider)[:1])) as gateway:
        assert request(gateway, "GET", f"{RESPONSES}/resp_of_yesterday").status == 200
    assert provider.received().path == f"{RESPONSES}/resp_of_yesterday"


@pytest.fixture(scope="module")
def tenants(provider: Provider) -> Iterator[RunningGateway]:
    with RunningGateway(configuration(models(provider)[:1], f"  keys: [{', '.join(KEYS)}]")) as running:
        yield running


KEYS = ("first-tenants-key", "second-tenants-key")
CALLS = (("GET", ""), ("GET", "?stream=true"), ("GET", "/input_items"), ("POST", "/cancel"), ("DELETE", ""))


def presenting(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


@pytest.mark.parametrize("stream", [False, True])
def test_a_response_is_the_tenants_who_made_it(tenants: RunningGateway, provider: Provider, stream: bool) -> None:
    owner, foreign = map(presenting, KEYS)
    provider.play(events(text()) if stream else reply(whole_text()))
    assert post(tenants, RESPONSES, ask("res", RESPONSES, stream=stream), owner).status == 200
    provider.play(reply(whole_text()))
    for method, rest in CALLS:
        others = request(tenants, method, KEPT + rest, headers=foreign)
        unknown = request(tenants, method, f"{RESPONSES}/resp_9{rest}", headers=owner)
        assert others.status == unknown.status == 404
        assert others.body == unknown.body.replace(b"resp_9", b"resp_1")
        ended = tenants.transaction(others.request_id)
        assert (ended.outcome, ended["error.type"], ended.attempts) == ("client_error", "unknown_response", [])
    follow = ask("res", RESPONSES, previous_response_id="resp_1")
    assert post(tenants, RESPONSES, follow, foreign).status == 404
    assert provider.requests == []
    assert request(tenants, "GET", KEPT, headers=owner).status == 200
    assert post(tenants, RESPONSES, follow, owner).status == 200


def test_tenants_may_share_what_is_kept(provider: Provider) -> None:
    shared = f"  keys: [{', '.join(KEYS)}]\n  router: {{share_stored_responses: true}}"
    provider.play(reply(whole_text()))
    with RunningGateway(configuration(models(provider)[:1], shared)) as gateway:
        for key in KEYS:
            assert request(gateway, "GET", KEPT, headers=presenting(key)).status == 200
