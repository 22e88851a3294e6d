"""A client that goes away: its upstream is closed within a second, and what it used up is accounted for."""

from collections.abc import Callable, Iterator

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, ask, post
from tests.behaviour.gateway import RunningGateway, until
from tests.behaviour.policies import Hangs
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import BACKENDS, gateway_before, text_reply, text_stream
from tests.upstream import Body, End, Head, Sleep, Stall, Step, openai_error, openai_events

PAIRS = [(path, model) for path in (CHAT, MESSAGES) for model in ("oai", "ant")]
_LAST = {CHAT: b"data: [DONE]", MESSAGES: b"event: message_stop", RESPONSES: b"event: response.completed"}
pairs = pytest.mark.parametrize(("path", "model"), PAIRS)


def fin(client: RawClient) -> None:
    client.socket.close()


LEAVING: dict[str, Callable[[RawClient], None]] = {"FIN": fin, "RST": RawClient.reset}
leaving = pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING.keys())


@pytest.fixture(scope="module", params=BACKENDS)
def gateway(provider: Provider, request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    with gateway_before(provider, backend=request.param) as running:
        yield running


@pairs
@leaving
def test_leaving_before_the_first_token_closes_the_upstream(
    gateway: RunningGateway, provider: Provider, path: str, model: str, leave: Callable[[RawClient], None]
) -> None:
    provider.play([Head(), Stall()])
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.post(path, ask(model, path, stream=True))
        provider.received()
        leave(client)
        provider.left_within(1)
    ended = gateway.next_transaction(seen)
    assert ended.outcome == "client_disconnect"
    assert ended["http.response.status_code"] == 499
    assert ended["flowspan.client_disconnected"] is True


@pairs
@leaving
def test_leaving_just_before_the_answers_head_closes_the_upstream(
    gateway: RunningGateway, provider: Provider, path: str, model: str, leave: Callable[[RawClient], None]
) -> None:
    """What is given up while it is being asked for is closed, too, though nobody ever began to read it."""
    provider.play([Sleep(0.05), Head(), Stall()])
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.post(path, ask(model, path, stream=True))
        provider.received()
        leave(client)
        provider.left_within(1)
    assert gateway.next_transaction(seen).outcome == "client_disconnect"


@pairs
@leaving
def test_leaving_in_the_stream_closes_the_upstream(
    gateway: RunningGateway, provider: Provider, path: str, model: str, leave: Callable[[RawClient], None]
) -> None:
    steps = list(text_stream(model))
    provider.play([*steps[:4], Stall()])
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.post(path, ask(model, path, stream=True))
        client.read_until(b"Hel")
        leave(client)
        provider.left_within(1)
    ended = gateway.next_transaction(seen)
    assert ended.outcome == "client_disconnect"
    assert ended["flowspan.chunks_out"] >= 1
    assert "client.disconnected" in ended.events


def test_usage_that_was_told_before_the_client_left_is_accounted(gateway: RunningGateway, provider: Provider) -> None:
    """Anthropic says at the start what the input costs."""
    provider.play([*list(text_stream("ant"))[:4], Stall()])
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.post(MESSAGES, ask("ant", MESSAGES, stream=True))
        client.read_until(b"Hel")
    [attempt] = gateway.next_transaction(seen).attempts
    assert (attempt.attributes or {})["gen_ai.usage.input_tokens"] == 9
    assert (attempt.attributes or {})["error.type"] == "cancelled"


@pairs
@leaving
def test_leaving_a_call_that_is_not_streamed_closes_the_upstream(
    gateway: RunningGateway, provider: Provider, path: str, model: str, leave: Callable[[RawClient], None]
) -> None:
    provider.play([Stall()])
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.post(path, ask(model, path))
        provider.received()
        leave(client)
        provider.left_within(1)
    assert gateway.next_transaction(seen).outcome == "client_disconnect"


def test_leaving_while_the_body_is_sent_is_a_disconnect(gateway: RunningGateway) -> None:
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.head(CHAT, content_length="1000")
        client.send(b'{"model": ')
        until(lambda: gateway.in_flight() == 1, "the request has begun")
    assert gateway.next_transaction(seen).outcome == "client_disconnect"


def test_nothing_is_left_in_flight(gateway: RunningGateway) -> None:
    until(lambda: gateway.in_flight() == 0, "all requests have ended")
    left = gateway.sample("flowspan_client_disconnects_total")
    assert left == gateway.outcomes()["client_disconnect"]
    assert gateway.sample("flowspan_client_disconnects_total", phase="streaming") > 0
    assert gateway.sample("flowspan_client_disconnects_total", phase="before_first_byte") > 0


@pytest.mark.parametrize("hook", ["on_request", "on_chunk", "on_content_delta", "on_stream_complete"])
@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_leaving_in_a_hook_of_a_policy_cancels_it_and_closes_the_upstream(
    provider: Provider, hook: str, path: str
) -> None:
    hangs = f"  policies: [{{use: 'tests.behaviour.policies:Hangs', config: {{hook: {hook}}}}}]"
    steps = list(text_stream("oai"))
    provider.play(steps if hook == "on_stream_complete" else [*steps[:4], Stall()])
    Hangs.entered.clear()
    with gateway_before(provider, hangs) as gateway, RawClient(gateway) as client:
        client.post(path, ask("oai", path, stream=True))
        until(Hangs.entered.is_set, "the hook is called")
        client.reset()
        if hook in ("on_chunk", "on_content_delta"):
            provider.left_within(1)
        assert gateway.next_transaction(0).outcome == "client_disconnect"


@pytest.fixture(scope="module")
def finishing(provider: Provider) -> Iterator[RunningGateway]:
    limits = "  pipeline: {on_disconnect: finish}\n  breakers: {upstream: {threshold: 100}}"
    with gateway_before(provider, limits) as running:
        yield running


@pytest.mark.parametrize("stream", [True, False])
def test_on_disconnect_finish_lets_the_provider_finish(
    finishing: RunningGateway, provider: Provider, stream: bool
) -> None:
    steps = list(text_stream("oai"))
    provider.play([*steps[:3], Sleep(0.3), *steps[3:]] if stream else [Sleep(0.3), *text_reply("oai")])
    seen = finishing.wait_until_idle()
    with RawClient(finishing) as client:
        client.post(CHAT, ask("oai", stream=stream))
        provider.received()
        if stream:
            client.read_until(b"Hel")
    ended = finishing.next_transaction(seen)
    assert ended.outcome == "client_disconnect"
    assert (ended.attempts[0].attributes or {})["gen_ai.usage.output_tokens"] == 4
    assert (ended.attempts[0].attributes or {})["gen_ai.response.finish_reasons"] == ("stop",)


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [True, False])
def test_on_disconnect_finish_survives_a_provider_that_fails_afterwards(
    finishing: RunningGateway, provider: Provider, path: str, stream: bool
) -> None:
    provider.play([Sleep(0.3), *openai_error(500)])
    seen = finishing.wait_until_idle()
    with RawClient(finishing) as client:
        client.post(path, ask("oai", path, stream=stream))
        provider.received()
    ended = finishing.next_transaction(seen)
    assert ended.outcome in ("client_disconnect", "upstream_error")
    assert post(finishing, path, ask("nothing", path)).status == 404
    assert not [line for line in finishing.logs() if "exception" in line]


def test_a_client_that_leaves_after_its_answer_did_not_leave(gateway: RunningGateway, provider: Provider) -> None:
    provider.play([Head(), *(Body(event) for event in openai_events({"content": "done"})), End()])
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.post(CHAT, ask("oai", stream=True))
        client.read_until(b"0\r\n\r\n")
        client.reset()
    assert gateway.next_transaction(seen).outcome == "ok"


@pytest.mark.parametrize(("path", "model"), [*PAIRS, (RESPONSES, "ant")])
@pytest.mark.parametrize("ending", [End(), Stall()], ids=["ends", "stalls"])
def test_a_client_that_leaves_with_the_last_event_in_hand_did_not_leave(
    gateway: RunningGateway, provider: Provider, path: str, model: str, ending: Step
) -> None:
    """As the SDKs do: they read no further than `[DONE]`. A provider that holds its connection then is left as well."""
    provider.play(text_stream(model, ending))
    seen = gateway.wait_until_idle()
    with RawClient(gateway) as client:
        client.post(path, ask(model, path, stream=True))
        client.read_until(_LAST[path])
        client.reset()
    if ending == Stall():
        provider.left_within(1)
    assert gateway.next_transaction(seen).outcome == "ok"
