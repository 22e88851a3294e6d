"""What clients got of their streams is counted as it was at their connection, and so is the longest silence."""

from collections.abc import Callable, Iterator

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RawClient, ask, post
from tests.behaviour.gateway import RunningGateway, until
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import gateway_before, text_reply, text_stream
from tests.upstream import Head, Sleep, Stall, Step

LIMITS = "\n  pipeline: {upstream_idle_timeout: 500ms, keepalive_interval: 20ms}"
RESULTS = ("complete", "failed", "cut", "left", "unanswered")


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    rest = "litellm_settings: {num_retries: 0}"
    with gateway_before(provider, LIMITS, rest, backend="direct") as running:
        yield running


@pytest.fixture
def counted(gateway: RunningGateway) -> Callable[[], dict[str, float]]:
    """Streams by result, since the test began."""

    def now() -> dict[str, float]:
        return {
            result: gateway.sample("flowspan_streams_delivered_total", model="oai", result=result) for result in RESULTS
        }

    gateway.wait_until_idle()
    before = now()
    return lambda: {result: count - before[result] for result, count in now().items() if count != before[result]}


def test_all_results_stand_at_zero_from_the_start(gateway: RunningGateway) -> None:
    found = {
        (sample.labels["model"], sample.labels["result"])
        for family in gateway.telemetry.registry.collect()
        for sample in family.samples
        if sample.name == "flowspan_streams_delivered_total"
    }
    assert found >= {(model, result) for model in ("oai", "ant", "other") for result in RESULTS}


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_a_stream_that_reached_its_last_event_is_complete(
    gateway: RunningGateway, provider: Provider, path: str, counted: Callable[[], dict[str, float]]
) -> None:
    provider.play(text_stream("oai"))
    post(gateway, path, ask("oai", path, stream=True))
    until(lambda: counted() == {"complete": 1}, "it is counted")


def test_a_stream_that_ends_with_an_error_event_has_failed(
    gateway: RunningGateway, provider: Provider, counted: Callable[[], dict[str, float]]
) -> None:
    provider.play([*list(text_stream("oai"))[:3], Stall()])
    silence = gateway.sample("flowspan_stream_longest_silence_seconds_sum", model="oai")
    post(gateway, CHAT, ask("oai", stream=True))
    until(lambda: counted() == {"failed": 1}, "it is counted")
    # Comments every 20 ms are no pieces of the answer.
    assert gateway.sample("flowspan_stream_longest_silence_seconds_sum", model="oai") - silence > 0.4


@pytest.mark.parametrize(
    ("script", "result"),
    [([Head(), Stall()], "unanswered"), ([*list(text_stream("oai"))[:3], Stall()], "left")],
    ids=["before anything came", "in the middle"],
)
def test_a_client_that_leaves_got_nothing_or_a_beginning(
    gateway: RunningGateway,
    provider: Provider,
    script: list[Step],
    result: str,
    counted: Callable[[], dict[str, float]],
) -> None:
    provider.play(script)
    with RawClient(gateway) as client:
        client.post(CHAT, ask("oai", stream=True))
        client.read_until(b": keepalive" if result == "unanswered" else b"Hel")
    until(lambda: counted() == {result: 1}, "it is counted")


def test_what_is_no_stream_or_never_became_one_is_not_counted(
    gateway: RunningGateway, provider: Provider, counted: Callable[[], dict[str, float]]
) -> None:
    provider.play(text_reply("oai"))
    assert post(gateway, CHAT, ask("oai")).status == 200
    assert post(gateway, CHAT, {"model": "oai", "stream": True, "messages": "none"}).status == 400
    gateway.wait_until_idle()
    assert counted() == {}


def test_the_longest_silence_is_the_longest_of_the_stream(gateway: RunningGateway, provider: Provider) -> None:
    steps = list(text_stream("oai"))
    provider.play([*steps[:2], Sleep(0.05), *steps[2:3], Sleep(0.3), *steps[3:]])
    gateway.wait_until_idle()
    before = gateway.sample("flowspan_stream_longest_silence_seconds_sum", model="oai")
    post(gateway, CHAT, ask("oai", stream=True))
    gateway.wait_until_idle()
    assert 0.25 < gateway.sample("flowspan_stream_longest_silence_seconds_sum", model="oai") - before < 0.5
