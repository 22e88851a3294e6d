"""Deployments that fail: retries, fallbacks, and the breaker that keeps the router from them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, until
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import WORDS, content_of, gateway_before, text_stream
from tests.upstream import End, Head, Received, Script, Step, openai_error, openai_events, stream_of

WAYS = [(path, stream) for path in (CHAT, MESSAGES) for stream in (True, False)]
FRAGILE = """
model_list:
  - {model_name: frail, litellm_params: {model: simulated/status-503+first-3, order: 1}, model_info: {id: frail-first}}
  - {model_name: lonely, litellm_params: {model: simulated/status-503+first-3}}
  - {model_name: backed, litellm_params: {model: simulated/status-500}}
  - {model_name: half, litellm_params: {model: simulated/cut-3}}
  - {model_name: quota, litellm_params: {model: simulated/status-429+retry-after-30}}
  - {model_name: bad, litellm_params: {model: simulated/status-400}}
  - {model_name: safe, litellm_params: {model: simulated/lorem, texts: [all is well]}}
litellm_settings: {num_retries: 0, fallbacks: [{backed: [safe]}, {half: [safe]}, {bad: [safe]}]}
gateway:
  breakers: {upstream: {threshold: 3, window: 60s, cooldown: 1s}}
"""


@pytest.fixture
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(FRAGILE) as running:
        yield running


def test_a_breaker_opens_turns_away_and_recovers_by_a_probe(gateway: RunningGateway) -> None:
    for _ in range(3):
        assert post(gateway, CHAT, ask("lonely")).status == 503
    assert gateway.sample("flowspan_breaker_trips_total", breaker="lonely", reason="consecutive_failures") == 1
    for path, status in ((CHAT, 503), (MESSAGES, 529)):
        for stream in (True, False):
            refused = post(gateway, path, ask("lonely", path, stream=stream))
            assert refused.status == status
            assert int(refused.headers["retry-after"]) >= 1
            ended = gateway.transaction(refused.request_id)
            assert ended.outcome == "breaker_open"
            assert ended.attempts == []
            assert len(ended.span.links) == 1
    assert gateway.sample("flowspan_breaker_rejections_total", breaker="lonely") == 4
    assert gauge_is(gateway, "open")
    until(lambda: gauge_is(gateway, "half_open"), "the cooldown is over, and the gauge says so though nobody asks")
    assert gateway.sample("flowspan_breaker_transitions_total", breaker="lonely", to_state="half_open") == 0
    assert post(gateway, CHAT, ask("lonely")).status == 200
    assert gauge_is(gateway, "closed")
    assert post(gateway, CHAT, ask("lonely", stream=True)).status == 200
    assert gateway.sample("flowspan_breaker_transitions_total", breaker="lonely", to_state="closed") == 1


def gauge_is(gateway: RunningGateway, state: str) -> bool:
    """Whether the gauge has the breaker in this state, and in no other."""
    gateway.telemetry.sampler.sample()
    states = {
        each: gateway.sample("flowspan_breaker_state", breaker="lonely", state=each)
        for each in ("closed", "open", "half_open")
    }
    return states == {each: float(each == state) for each in states}


def test_a_transition_is_an_event_and_a_log_line(gateway: RunningGateway) -> None:
    replies = [post(gateway, CHAT, ask("lonely")) for _ in range(3)]
    last = gateway.transaction(replies[-1].request_id)
    [event] = [event for event in last.span.events if event.name == "breaker.state_change"]
    attributes: dict[str, Any] = dict(event.attributes or {})
    assert (attributes["flowspan.breaker"], attributes["flowspan.to_state"]) == ("lonely", "open")
    assert gateway.log_line(logger="flowspan.breaker")["level"] == "warning"


def test_a_quota_that_is_full_does_not_open_the_breaker(gateway: RunningGateway) -> None:
    for _ in range(5):
        reply = post(gateway, CHAT, ask("quota"))
        assert (reply.status, reply.headers["retry-after"]) == (429, "30")
    assert gateway.sample("flowspan_breaker_trips_total") == 0


@pytest.mark.parametrize(("path", "stream"), WAYS)
def test_a_fallback_answers_where_a_model_fails(gateway: RunningGateway, path: str, stream: bool) -> None:
    reply = post(gateway, path, ask("backed", path, stream=stream))
    assert reply.status == 200
    assert b"well" in reply.body
    ended = gateway.transaction(reply.request_id)
    assert ended.outcome == "ok"
    assert [(one.attributes or {}).get("flowspan.deployment") for one in ended.attempts] == ["backed", "safe"]
    first, second = ended.attempts
    assert (first.attributes or {})["error.type"] == "upstream_error"
    assert [link.context.span_id for link in second.links] == [first.context.span_id]


def test_nothing_is_asked_again_after_the_first_byte(gateway: RunningGateway) -> None:
    reply = post(gateway, CHAT, ask("half", stream=True))
    text, _, error = content_of(CHAT, reply.body)
    assert text == "lorem ipsum"
    assert error is not None
    assert len(gateway.transaction(reply.request_id).attempts) == 1


def test_a_callers_own_fault_is_no_reason_to_ask_others(gateway: RunningGateway) -> None:
    reply = post(gateway, CHAT, ask("bad"))
    assert reply.status == 400
    assert len(gateway.transaction(reply.request_id).attempts) == 1


@pytest.fixture(scope="module")
def retrying(provider: Provider) -> Iterator[RunningGateway]:
    limits = "  breakers: {upstream: {threshold: 1000, min_requests: 1000}}"
    with gateway_before(provider, limits, "litellm_settings: {num_retries: 2}") as running:
        yield running


def fails_first(times: int, failure: Script) -> Any:
    def script(number: int, request: Received) -> Script:
        return failure if number <= times else text_stream("oai")

    return script


FAILURES: dict[str, Script] = {
    "status": openai_error(503),
    "error in the stream": stream_of([b'data: {"error": {"message": "overheated", "type": "server_error"}}\n\n']),
    "cut off": [Head(), End()],
}


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_before_the_first_byte_is_tried_again(
    retrying: RunningGateway, provider: Provider, path: str, failure: Script
) -> None:
    provider.play(fails_first(1, failure))
    reply = post(retrying, path, ask("oai", path, stream=True))
    assert content_of(path, reply.body) == ("".join(WORDS), [], None)
    ended = retrying.transaction(reply.request_id)
    assert len(ended.attempts) == len(provider.requests) == 2


def test_retries_are_bounded(retrying: RunningGateway, provider: Provider) -> None:
    provider.play(openai_error(500))
    reply = post(retrying, CHAT, ask("oai", stream=True))
    assert reply.status == 500
    assert len(provider.requests) == 3


def test_a_wait_that_the_provider_asks_for_is_waited(retrying: RunningGateway, provider: Provider) -> None:
    provider.play(fails_first(1, openai_error(429, headers={"retry-after": "1"})))
    reply = post(retrying, CHAT, ask("oai", stream=True))
    assert reply.status == 200
    assert retrying.transaction(reply.request_id)["flowspan.time.upstream_s"] > 0.9


def test_a_wait_that_is_too_long_is_left_to_the_caller(retrying: RunningGateway, provider: Provider) -> None:
    provider.play(openai_error(429, headers={"retry-after": "60"}))
    reply = post(retrying, CHAT, ask("oai"))
    assert (reply.status, reply.headers["retry-after"], len(provider.requests)) == (429, "60", 1)


def test_a_stream_that_breaks_is_not_tried_again(retrying: RunningGateway, provider: Provider) -> None:
    steps: list[Step] = stream_of(openai_events({"content": "half"}, finish=None, done=False), End())
    provider.play(steps)
    assert content_of(CHAT, post(retrying, CHAT, ask("oai", stream=True)).body)[2] is not None
    assert len(provider.requests) == 1


def test_a_provider_that_nobody_can_reach_is_bad_gateway() -> None:
    nobody = "gone: {model: openai/gpt, api_base: 'http://127.0.0.1:9/v1', api_key: sk-none-0123456789}"
    with RunningGateway(configuration([nobody])) as gateway:
        for path, stream in WAYS:
            reply = post(gateway, path, ask("gone", path, stream=stream))
            assert reply.status == 502
            ended = gateway.transaction(reply.request_id)
            assert ended["error.type"] == "upstream_unreachable"
            assert b"127.0.0.1" not in reply.body
