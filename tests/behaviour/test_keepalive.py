"""Comments that keep a silent stream alive, and that no SDK takes for an event."""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, ask, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until
from tests.behaviour.scripted import content_of

SLOW = "slow-start-0.3+lorem-3"
BIG = "big: {model: simulated/lorem, texts: ['%s'], chunk_size: 10000}" % ("x" * 8_000_000)
HELLO: Any = [{"role": "user", "content": "hello"}]


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    limits = "  pipeline: {keepalive_interval: 50ms, queue_bytes: 64KiB}"
    with RunningGateway(
        configuration([*simulated(SLOW, "slow-start-0.3+status-503", "lorem-4+pace-120"), BIG], limits)
    ) as running:
        yield running


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
@pytest.mark.parametrize("model", [SLOW, "lorem-4+pace-120"])
def test_a_silent_stream_has_comments_and_stays_legal(gateway: RunningGateway, path: str, model: str) -> None:
    reply = post(gateway, path, ask(model, path, stream=True))
    assert reply.body.count(b": keepalive\n\n") >= 3
    assert content_of(path, reply.body)[0].startswith("lorem ipsum dolor")
    ended = gateway.transaction(reply.request_id)
    assert ended.outcome == "ok"
    if model == SLOW:
        assert ended["flowspan.ttft_s"] > 0.25, "a comment is no token"
        assert "client.first_byte" in ended.events


def test_openais_sdk_does_not_see_them(gateway: RunningGateway) -> None:
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as sdk,
        sdk.chat.completions.stream(model=SLOW, messages=HELLO) as stream,
    ):
        assert stream.get_final_completion().choices[0].message.content == "lorem ipsum dolor"


def test_anthropics_sdk_does_not_see_them(gateway: RunningGateway) -> None:
    with (
        anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as sdk,
        sdk.messages.stream(model=SLOW, max_tokens=100, messages=HELLO) as stream,
    ):
        assert stream.get_final_text() == "lorem ipsum dolor"


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_an_error_after_the_first_comment_is_an_error_event(gateway: RunningGateway, path: str) -> None:
    """The status had to be given away for the comment."""
    reply = post(gateway, path, ask("slow-start-0.3+status-503", path, stream=True))
    assert reply.status == 200
    assert content_of(path, reply.body)[2] is not None
    assert gateway.transaction(reply.request_id).outcome == "upstream_error"


def test_a_whole_answer_has_none(gateway: RunningGateway) -> None:
    assert b"keepalive" not in post(gateway, CHAT, ask(SLOW)).body


def test_waiting_for_a_client_that_does_not_read_costs_nothing(gateway: RunningGateway) -> None:
    """No comment can be sent while a send is blocked; trying again and again would burn the processor."""
    with RawClient(gateway, receive_buffer=4096) as client:
        client.post(CHAT, ask("big", stream=True))
        client.read_until(b"xxxx")
        until(lambda: _blocked(gateway), "the stream stands still")
        before, begun = gateway.cpu_seconds(), _lag_samples(gateway)
        until(lambda: _lag_samples(gateway) > begun, "the sampler has run again")
        assert gateway.cpu_seconds() - before < 0.2


def _blocked(gateway: RunningGateway) -> bool:
    gateway.telemetry.sampler.sample()
    return gateway.sample("flowspan_queue_bytes", queue="policy_out") > 50_000


def _lag_samples(gateway: RunningGateway) -> float:
    """One is taken each second."""
    return gateway.sample("flowspan_event_loop_lag_seconds_count")
