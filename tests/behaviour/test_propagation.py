"""The trace of a request goes on to a provider in the operator's own network, by both of the ways that ask one."""

from collections.abc import Iterator

import pytest
from opentelemetry.trace import format_span_id, format_trace_id

from tests.behaviour.clients import CHAT, ask, post
from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import PROVIDER_KEY, text_reply, text_stream

CALLER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def model(provider: Provider, name: str, more: str = "") -> str:
    return f"{name}: {{model: openai/gpt-{name}, api_base: '{provider.url}/v1', api_key: {PROVIDER_KEY}{more}}}"


@pytest.fixture(scope="module")
def gateway(provider: Provider) -> Iterator[RunningGateway]:
    models = [model(provider, "direct"), model(provider, "litellm", ", backend: litellm")]
    with RunningGateway(configuration(models)) as running:
        yield running


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("name", ["direct", "litellm"])
def test_a_provider_on_loopback_continues_the_callers_trace(
    gateway: RunningGateway, provider: Provider, name: str, stream: bool
) -> None:
    provider.play(text_stream("oai") if stream else text_reply("oai"))
    reply = post(gateway, CHAT, ask(name, CHAT, stream=stream), {"traceparent": CALLER, "baggage": "team=a"})
    assert reply.status == 200
    received = provider.received().headers
    _, trace_id, span_id, _ = received["traceparent"].split("-")
    [attempt] = gateway.transaction(reply.request_id).attempts
    assert attempt.context is not None
    assert (trace_id, span_id) == (format_trace_id(attempt.context.trace_id), format_span_id(attempt.context.span_id))
    assert trace_id == CALLER.split("-")[1]
    # What callers say beside it is for providers only where OTEL_PROPAGATORS names baggage.
    assert "baggage" not in received
