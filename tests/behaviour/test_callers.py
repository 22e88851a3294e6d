"""Several callers behind one gateway: what one of them does, or suffers, is not what the others pay for."""

import contextlib
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from app.errors import PolicyBlocked
from app.messages import Request, TextPart
from app.policies import Policy, PolicyContext
from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, Reply, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, until
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY, text_reply, text_stream
from tests.upstream import Received, Script, Stall, openai_error

HOSTILE, HONEST, THIRD = "key-hostile-0123456789", "key-honest-0123456789", "key-third-0123456789"
KEYS = f"  keys: [{HOSTILE}, {HONEST}, {THIRD}]\n"
BREAKERS = "  breakers: {upstream: {threshold: 3, cooldown: 60s}, queue: {threshold: 3, cooldown: 60s}}\n"


class StandsStill(Policy):
    """Blocks the event loop for a second, and then the request, where a request says so."""

    async def on_request(self, request: Request, ctx: PolicyContext) -> Request:
        if any(part == TextPart("stand still") for message in request.messages for part in message.parts):
            time.sleep(1)  # noqa: ASYNC251  # the stall under test
            raise PolicyBlocked("stood still")
        return request


def asked(
    gateway: RunningGateway, key: str, text: str = "hello", headers: dict[str, str] | None = None, **fields: Any
) -> Reply:
    return post(gateway, CHAT, ask("oai", CHAT, text, **fields), {"x-api-key": key, **(headers or {})})


def at(provider: Provider, params: str = "", model: str = "oai") -> str:
    return f"{model}: {{model: openai/gpt, api_base: '{provider.url}/v1', api_key: {PROVIDER_KEY}{params}}}"


@pytest.fixture
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    with RunningGateway(configuration([at(provider)], KEYS + BREAKERS)) as running:
        yield running


def poisoned(number: int, request: Received) -> Script:
    return openai_error(500) if b"poison" in request.body else text_reply("oai")


def test_a_caller_whose_requests_fail_is_turned_away_alone(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(poisoned)
    assert [asked(gateway, HOSTILE, "poison").status for _ in range(3)] == [500] * 3
    turned_away = asked(gateway, HOSTILE, "poison")
    assert turned_away.status == 503
    assert int(turned_away.headers["retry-after"]) > 1
    assert gateway.transaction(turned_away.request_id).outcome == "breaker_open"
    assert len(provider.requests) == 3
    assert [asked(gateway, HONEST).status for _ in range(3)] == [200] * 3
    assert gateway.sample("flowspan_breaker_caller_trips_total", breaker="oai", reason="consecutive_failures") == 1
    assert gateway.sample("flowspan_breaker_rejections_total", breaker="oai", reason="caller") == 1
    assert gateway.sample("flowspan_breaker_trips_total") == 0
    assert gateway.log_line(logger="flowspan.breaker", breaker="oai")["level"] == "warning"


def test_failures_that_several_callers_see_turn_away_all(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(openai_error(500))
    assert [asked(gateway, key).status for key in (HOSTILE, HONEST, HOSTILE)] == [500] * 3
    assert asked(gateway, THIRD).status == 503
    assert len(provider.requests) == 3


@pytest.fixture
def reading(provider: Provider) -> Iterator[RunningGateway]:
    big = "big: {model: simulated/lorem, texts: ['%s'], chunk_size: 10000}" % ("x" * 4_000_000)
    small = "oai: {model: simulated/echo, texts: [all is well]}"
    limits = "  pipeline: {queue_bytes: 64KiB, put_timeout: 500ms}\n"
    with RunningGateway(configuration([big, small], KEYS + BREAKERS + limits)) as running:
        yield running


def test_a_caller_whose_clients_do_not_read_is_turned_away_alone(reading: RunningGateway) -> None:
    clients = [RawClient(reading, receive_buffer=4096) for _ in range(3)]
    data = json.dumps(ask("big", stream=True)).encode()
    for client in clients:
        client.head(CHAT, content_length=str(len(data)), x_api_key=HOSTILE, connection="close")
        client.send(data)
    until(lambda: reading.sample("flowspan_breaker_caller_trips_total", breaker="queue:sse"), "its breaker opens")
    turned_away = asked(reading, HOSTILE, stream=True)
    assert turned_away.status == 503
    assert b"Your streams" in turned_away.body
    assert [asked(reading, HONEST, stream=True).status for _ in range(3)] == [200] * 3
    assert reading.sample("flowspan_breaker_trips_total") == 0
    for client in clients:
        client.socket.close()


def test_who_reads_comes_back_beside_the_same_keys_clients_that_do_not() -> None:
    """However quick these are to take the first places, once the breaker's cooldown is over."""
    big = "big: {model: simulated/lorem, texts: ['%s'], chunk_size: 10000}" % ("x" * 4_000_000)
    small = "oai: {model: simulated/echo, texts: [all is well]}"
    limits = "  pipeline: {queue_bytes: 64KiB, put_timeout: 500ms}\n"
    queue = f"  keys: [{HOSTILE}]\n  breakers: {{queue: {{threshold: 3, cooldown: 1s}}}}\n"
    data = json.dumps(ask("big", stream=True)).encode()
    with contextlib.ExitStack() as stack, RunningGateway(configuration([big, small], queue + limits)) as gateway:

        def reads_nothing() -> None:
            client = stack.enter_context(RawClient(gateway, receive_buffer=4096))
            client.head(CHAT, content_length=str(len(data)), x_api_key=HOSTILE, connection="close")
            client.send(data)

        for _ in range(3):
            reads_nothing()
        until(lambda: gateway.sample("flowspan_breaker_trips_total", breaker="queue:sse"), "the breaker opens")

        def served() -> bool:
            reads_nothing()
            return asked(gateway, HOSTILE, stream=True).status == 200

        until(served, "a client that reads is served")


@pytest.mark.parametrize(("header", "status"), [("openai-organization", 401), ("openai-project", 403)])
def test_an_account_that_a_client_names_in_vain_is_its_own_fault(
    gateway: RunningGateway, provider: Provider, header: str, status: int
) -> None:
    """Even of the caller itself nobody is kept out: the next request may name none."""

    def script(number: int, request: Received) -> Script:
        return openai_error(status, "sk-...abcd is of another account") if header in request.headers else WELL

    provider.play(script)
    for _ in range(5):
        refused = asked(gateway, HOSTILE, headers={header: "nonsense"})
        assert refused.status == 400
        assert b"organization or project" in refused.body
        assert b"abcd" not in refused.body
        assert gateway.transaction(refused.request_id).outcome == "client_error"
    assert asked(gateway, HOSTILE).status == 200
    assert len(provider.requests) == 6


WELL = text_reply("oai")
_GIVEN_UP = 15
"""Three are enough. On a busy machine some do not count: for a tenth of their time the event loop stood still."""


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_a_deployment_whose_clients_give_up_makes_room_for_the_next(path: str, stream: bool) -> None:
    with Provider() as hung, Provider() as well:
        hung.play([Stall()])
        models = [at(hung, ", order: 1"), at(well, ", order: 2")]
        well.play(openai_error(400, "it was asked"))
        with RunningGateway(configuration(models, BREAKERS)) as gateway:
            for count in range(_GIVEN_UP):
                with RawClient(gateway) as client:
                    client.post(path, ask("oai", path, stream=stream))
                    hung.received(count + 1)
                    client.socket.settimeout(0.7)
                    with pytest.raises(TimeoutError):
                        client.socket.recv(1)
                until(lambda: gateway.in_flight() == 0, "the client's leaving is noticed")
                if gateway.sample("flowspan_breaker_trips_total", breaker="oai#1", reason="abandoned"):
                    break
            reply = post(gateway, path, ask("oai", path, stream=stream))
            assert b"it was asked" in reply.body
            assert len(hung.requests) >= 3
            assert len(well.requests) == 1
            assert gateway.sample("flowspan_breaker_trips_total", breaker="oai#1", reason="abandoned") == 1


def test_a_deployment_that_falls_silent_in_its_streams_makes_room_for_the_next() -> None:
    with Provider() as hung, Provider() as well:
        hung.play([*list(text_stream("oai"))[:3], Stall()])
        well.play(text_stream("oai"))
        limits = "  pipeline: {upstream_idle_timeout: 300ms}\n"
        models = [at(hung, ", order: 1"), at(well, ", order: 2")]
        with RunningGateway(configuration(models, BREAKERS + limits)) as gateway:
            replies = [post(gateway, CHAT, ask("oai", stream=True)) for _ in range(4)]
            assert [b"[DONE]" in reply.body for reply in replies] == [False] * 3 + [True]
            until(lambda: gateway.outcomes().get("timeout") == 3, "the three have ended")
            assert gateway.sample("flowspan_breaker_trips_total", breaker="oai#1", reason="consecutive_failures") == 1


def test_a_timeout_of_a_loop_that_stood_still_is_no_providers_fault(provider: Provider) -> None:
    provider.play([Stall()])
    policies = "  policies: ['tests.behaviour.test_callers:StandsStill']\n"
    with RunningGateway(configuration([at(provider, ", timeout: 600ms")], BREAKERS + policies)) as gateway:
        for count in range(4):
            with RawClient(gateway) as waiting:
                waiting.post(CHAT, ask("oai"))
                provider.received(count + 1)
                post(gateway, CHAT, ask("oai", text="stand still"))
                assert b" 503 " in waiting.read_until(b"\r\n")
        assert gateway.sample("flowspan_local_failures_total", kind="loop_lag") == 4
        assert gateway.sample("flowspan_breaker_trips_total") == 0
        assert gateway.log_line(kind="loop_lag")["level"] == "warning"


def test_a_retry_beyond_the_budget_is_told_and_not_made(provider: Provider) -> None:
    provider.play(openai_error(429))
    router = "  router: {retry_budget: {share: 0, min_concurrent: 0}}\n"
    with RunningGateway(configuration([at(provider)], router, "litellm_settings: {num_retries: 2}")) as gateway:
        reply = post(gateway, CHAT, ask("oai"))
        assert reply.status == 429
        ended = gateway.transaction(reply.request_id)
        assert ended["flowspan.retry_denied"] is True
        assert len(ended.attempts) == len(provider.requests) == 1
        assert gateway.sample("flowspan_retries_denied_total", model="oai") == 1
