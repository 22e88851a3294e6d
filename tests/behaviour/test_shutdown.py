"""SIGTERM: unready at once, open streams may finish for a while, and what is left is told so."""

import signal
import threading
from typing import Any

import anthropic
import openai
import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, RawClient, Reply, ask, dechunked, post
from tests.behaviour.gateway import RunningGateway, configuration, simulated, until
from tests.behaviour.scripted import content_of

MODELS = simulated("lorem-8+pace-60", "stall-2", "echo")
PROMPT = configuration(MODELS, "  server: {lame_duck: 0, drain_timeout: 200ms}")
PATIENT = configuration(MODELS, "  server: {lame_duck: 0, drain_timeout: 10s}")


def terminate(gateway: RunningGateway) -> None:
    """What the signal's handler does."""
    gateway.server.handle_exit(signal.SIGTERM, None)


def in_background(gateway: RunningGateway, path: str, body: Any, replies: list[Reply]) -> threading.Thread:
    thread = threading.Thread(target=lambda: replies.append(post(gateway, path, body)))
    thread.start()
    return thread


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
@pytest.mark.parametrize("stream", [True, False])
def test_what_is_open_may_finish(path: str, stream: bool) -> None:
    replies: list[Reply] = []
    with RunningGateway(PATIENT) as gateway:
        thread = in_background(gateway, path, ask("lorem-8+pace-60", path, stream=stream), replies)
        until(lambda: gateway.in_flight() == 1, "the request is on its way")
        terminate(gateway)
        thread.join(10)
        gateway.join()
        assert gateway.transactions()[0].outcome == "ok"
    [reply] = replies
    if stream:
        assert content_of(path, reply.body)[2] is None
    assert reply.body.count(b"lorem") + reply.body.count(b"dolor") >= 2


@pytest.mark.parametrize("path", [CHAT, MESSAGES, RESPONSES])
def test_a_stream_that_is_left_ends_with_an_error_event(path: str) -> None:
    with RunningGateway(PROMPT) as gateway, RawClient(gateway) as client:
        client.post(path, ask("stall-2", path, stream=True))
        first = client.read_until(b"lorem")
        terminate(gateway)
        body, complete = dechunked(first + client.read_all())
        gateway.join()
        assert complete
        _, _, error = content_of(path, body)
        assert error is not None
        [ended] = gateway.transactions()
        assert ended.outcome == "drained"
        assert gateway.in_flight() == 0


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_whole_answer_that_is_left_is_an_error_status(path: str) -> None:
    replies: list[Reply] = []
    with RunningGateway(PROMPT) as gateway:
        thread = in_background(gateway, path, ask("stall-2", path), replies)
        until(lambda: gateway.in_flight() == 1, "the request is on its way")
        terminate(gateway)
        thread.join(10)
        gateway.join()
        assert gateway.transactions()[0].outcome == "drained"
    assert replies[0].status == (503 if path == CHAT else 529)


def test_the_sdks_raise_when_they_are_drained() -> None:
    hello: Any = [{"role": "user", "content": "hello"}]
    with RunningGateway(PROMPT) as gateway:
        with (
            openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as one,
            anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as other,
            one.chat.completions.create(model="stall-2", messages=hello, stream=True) as chunks,
            other.messages.create(model="stall-2", max_tokens=9, messages=hello, stream=True) as events,
        ):
            next(iter(chunks))
            terminate(gateway)
            with pytest.raises(openai.APIError):
                list(chunks)
            with pytest.raises(anthropic.APIStatusError):
                list(events)
        gateway.join()
        assert gateway.outcomes() == {"drained": 2}


def test_streams_that_are_just_ending_do_not_keep_the_others_from_being_told() -> None:
    """Some of many streams are being left, and take their time, when the limit of the drain is reached."""
    slow = "  policies: [{use: 'tests.behaviour.policies:LeavesSlowly', config: {hook: on_chunk}}]"
    with RunningGateway(configuration(MODELS, f"{slow}\n  server: {{lame_duck: 0, drain_timeout: 200ms}}")) as gateway:
        leaving = [RawClient(gateway) for _ in range(4)]
        waiting = [RawClient(gateway) for _ in range(4)]
        for client, other in zip(leaving, waiting, strict=True):
            client.post(CHAT, ask("echo", stream=True))
            other.post(CHAT, ask("stall-2", stream=True))
            other.read_until(b"lorem")
        until(lambda: gateway.in_flight() == 8, "all are on their way")
        terminate(gateway)
        for client in leaving:
            client.reset()
        for client in waiting:
            with client:
                assert b"shutting down" in client.read_all()
        gateway.join()
        assert gateway.outcomes() == {"client_disconnect": 4, "drained": 4}
        assert not [line for line in gateway.logs() if line["level"] == "error"]
