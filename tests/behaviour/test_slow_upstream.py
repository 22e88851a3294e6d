"""Providers that take their time: slow ones are waited for, silent ones are left, and the client is kept company."""

from collections.abc import Iterator

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, ask, post
from tests.behaviour.gateway import RunningGateway
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import WORDS, content_of, gateway_before, text_stream
from tests.upstream import Body, Head, Sleep, Stall, Step

PAIRS = [(path, model) for path in (CHAT, MESSAGES) for model in ("oai", "ant")]
pairs = pytest.mark.parametrize(("path", "model"), PAIRS)
LIMITS = """
  pipeline: {upstream_idle_timeout: 400ms, keepalive_interval: 50ms}
  breakers: {upstream: {threshold: 1000, min_requests: 1000}}"""


@pytest.fixture(scope="module")
def direct(provider: Provider) -> Iterator[RunningGateway]:
    rest = "litellm_settings: {num_retries: 0, request_timeout: 600ms}"
    with gateway_before(provider, LIMITS, rest, backend="direct") as running:
        yield running


@pytest.fixture(scope="module")
def litellm(provider: Provider) -> Iterator[RunningGateway]:
    """Its first requests take longer than others, and all of them on a busy machine."""
    rest = "litellm_settings: {num_retries: 0, request_timeout: 2s}"
    with gateway_before(provider, LIMITS.replace("400ms", "1500ms"), rest) as running:
        for model in ("oai", "ant"):
            provider.play(text_stream(model))
            post(running, CHAT, ask(model, stream=True))
        yield running


@pairs
def test_a_slow_stream_may_take_longer_than_any_limit_on_its_silence(
    direct: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    is_waited_for(direct, provider, path, model)


@pytest.mark.parametrize(("path", "model"), [(CHAT, "oai"), (MESSAGES, "ant")])
def test_a_slow_stream_by_way_of_litellm_is_waited_for(
    litellm: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    is_waited_for(litellm, provider, path, model, pause=0.15)


def is_waited_for(gateway: RunningGateway, provider: Provider, path: str, model: str, pause: float = 0.08) -> None:
    provider.play(slowly(list(text_stream(model)), pause))
    reply = post(gateway, path, ask(model, path, stream=True))
    assert content_of(path, reply.body) == ("".join(WORDS), [], None)
    assert reply.body.count(b": keepalive\n\n") >= 5
    ended = gateway.transaction(reply.request_id)
    assert ended.outcome == "ok"
    assert ended["flowspan.time.upstream_s"] > gateway.settings.router.request_timeout


def slowly(steps: list[Step], pause: float) -> list[Step]:
    """Each event in two pieces, with a pause between any two."""
    slow: list[Step] = []
    for step in steps:
        if isinstance(step, Body):
            half = len(step.data) // 2
            slow += [Body(step.data[:half]), Sleep(pause), Body(step.data[half:]), Sleep(pause)]
        else:
            slow.append(step)
    return slow


@pairs
@pytest.mark.parametrize("stream", [True, False])
def test_a_provider_that_accepts_and_says_nothing_is_left(
    direct: RunningGateway, provider: Provider, path: str, model: str, stream: bool
) -> None:
    is_left(direct, provider, path, model, stream, [Stall()])


@pairs
def test_a_provider_that_says_nothing_behind_its_head_is_left(
    direct: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    is_left(direct, provider, path, model, True, [Head(), Stall()])


@pytest.mark.parametrize(("model", "stream"), [("oai", True), ("ant", False)])
def test_a_provider_that_is_silent_by_way_of_litellm_is_left(
    litellm: RunningGateway, provider: Provider, model: str, stream: bool
) -> None:
    is_left(litellm, provider, CHAT, model, stream, [Stall()])


def is_left(
    gateway: RunningGateway, provider: Provider, path: str, model: str, stream: bool, script: list[Step]
) -> None:
    """Comments have kept a stream alive meanwhile, so its error is an event."""
    provider.play(script)
    reply = post(gateway, path, ask(model, path, stream=stream))
    if stream:
        assert content_of(path, reply.body)[2] is not None
    else:
        assert reply.status == 504
    assert gateway.transaction(reply.request_id).outcome == "timeout"
    provider.left_within(1)
