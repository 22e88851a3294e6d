"""Arguments that are no JSON object reach the client as the model wrote them, and the attempt's span tells of them."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, ask, post
from tests.behaviour.gateway import RunningGateway
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import ARGUMENTS, BACKENDS, USAGE, call_events, content_of, gateway_before, with_tool
from tests.upstream import Script, json_reply, openai_completion, stream_of

INVALID_CALLS = "flowspan.invalid_tool_calls"
BROKEN = {"cut short": ARGUMENTS[:-4], "no object": '["Utrecht"]', "words": "Utrecht, please", "twice": ARGUMENTS * 2}
pairs = pytest.mark.parametrize(
    ("path", "model"), [(path, model) for path in (CHAT, MESSAGES) for model in ("oai", "ant")]
)


@pytest.fixture(scope="module", params=BACKENDS)
def gateway(provider: Provider, request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    with gateway_before(provider, backend=request.param) as running:
        yield running


def invalid_calls(gateway: RunningGateway, request_id: str) -> Any:
    ended = gateway.transaction(request_id)
    assert ended.outcome == "ok"
    return (ended.attempts[0].attributes or {}).get(INVALID_CALLS)


@pairs
@pytest.mark.parametrize("arguments", BROKEN.values(), ids=BROKEN.keys())
def test_a_streamed_call(gateway: RunningGateway, provider: Provider, path: str, model: str, arguments: str) -> None:
    provider.play(stream_of(call_events(model, arguments=arguments)))
    reply = post(gateway, path, ask(model, path, stream=True, **with_tool(path)))
    assert content_of(path, reply.body) == ("", [("get_weather", arguments)], None)
    assert invalid_calls(gateway, reply.request_id) == 1


def whole(*arguments: str) -> Script:
    calls = [
        {"id": f"call_{number}", "type": "function", "function": {"name": "get_weather", "arguments": text}}
        for number, text in enumerate(arguments)
    ]
    return json_reply(openai_completion({"tool_calls": calls}, "tool_calls", USAGE))


@pytest.mark.parametrize("path", [CHAT, MESSAGES])
def test_calls_of_a_whole_answer(gateway: RunningGateway, provider: Provider, path: str) -> None:
    provider.play(whole(ARGUMENTS, *BROKEN.values(), ""))
    reply = post(gateway, path, ask("oai", path, **with_tool(path)))
    assert invalid_calls(gateway, reply.request_id) == len(BROKEN)
    if path == CHAT:
        calls = reply.json()["choices"][0]["message"]["tool_calls"]
        *given, nothing = (call["function"]["arguments"] for call in calls)
        assert given == [ARGUMENTS, *BROKEN.values()]
        # As it came by the direct road, which passes the provider's bytes on.
        assert nothing in ("", "{}")
    else:
        inputs = [block["input"] for block in reply.json()["content"]]
        assert inputs[1:-1] == [{"raw_arguments": text} for text in BROKEN.values()]


@pairs
def test_nothing_is_told_of_calls_as_they_should_be(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play(stream_of(call_events(model)))
    reply = post(gateway, path, ask(model, path, stream=True, **with_tool(path)))
    assert invalid_calls(gateway, reply.request_id) is None
