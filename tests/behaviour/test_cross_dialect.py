"""Both client dialects to providers of both dialects, on both roads, over real sockets from end to end."""

import json
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.behaviour.clients import CHAT, MESSAGES, ask, post
from tests.behaviour.gateway import RunningGateway
from tests.behaviour.provider import Provider
from tests.behaviour.scripted import (
    ARGUMENTS,
    BACKENDS,
    PROVIDER_KEY,
    WORDS,
    call_events,
    call_reply,
    call_stream,
    content_of,
    gateway_before,
    text_reply,
    text_stream,
    with_tool,
)
from tests.unit.dialects.legality import check_anthropic, check_openai
from tests.upstream import (
    Body,
    Received,
    Script,
    anthropic_ending,
    anthropic_events,
    anthropic_start,
    json_reply,
    stream_of,
)

PAIRS = [(path, model) for path in (CHAT, MESSAGES) for model in ("oai", "ant")]
pairs = pytest.mark.parametrize(("path", "model"), PAIRS)


@pytest.fixture(scope="module", params=BACKENDS)
def gateway(provider: Provider, request: pytest.FixtureRequest) -> Iterator[RunningGateway]:
    with gateway_before(provider, backend=request.param) as running:
        yield running


@pytest.fixture(scope="module")
def oai(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk


@pytest.fixture(scope="module")
def ant(gateway: RunningGateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as sdk:
        yield sdk


@pairs
def test_streamed_text_arrives_as_a_legal_stream(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play(text_stream(model))
    reply = post(gateway, path, ask(model, path, stream=True))
    assert reply.status == 200
    assert content_of(path, reply.body) == ("".join(WORDS), [], None)
    assert gateway.transaction(reply.request_id).outcome == "ok"


@pairs
def test_streamed_calls_arrive_as_a_legal_stream(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play(call_stream(model))
    reply = post(gateway, path, ask(model, path, stream=True, **with_tool(path)))
    assert content_of(path, reply.body) == ("", [("get_weather", ARGUMENTS)], None)


@pytest.mark.parametrize("model", ["oai", "ant"])
@pytest.mark.parametrize("stream", [False, True])
def test_openais_sdk_gets_text_and_usage(oai: openai.OpenAI, provider: Provider, model: str, stream: bool) -> None:
    provider.play(text_stream(model) if stream else text_reply(model))
    messages: Any = [{"role": "user", "content": "hello"}]
    if stream:
        with oai.chat.completions.stream(
            model=model, messages=messages, stream_options={"include_usage": True}
        ) as events:
            answer: Any = events.get_final_completion()
    else:
        answer = oai.chat.completions.create(model=model, messages=messages)
    assert answer.choices[0].message.content == "".join(WORDS)
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (9, 4)


@pytest.mark.parametrize("model", ["oai", "ant"])
@pytest.mark.parametrize("stream", [False, True])
def test_anthropics_sdk_gets_text_and_usage(
    ant: anthropic.Anthropic, provider: Provider, model: str, stream: bool
) -> None:
    provider.play(text_stream(model) if stream else text_reply(model))
    asked: Any = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
    if stream:
        with ant.messages.stream(**asked) as events:
            answer: Any = events.get_final_message()
    else:
        answer = ant.messages.create(**asked)
    assert [block.text for block in answer.content] == ["".join(WORDS)]
    assert answer.stop_reason == "end_turn"
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (9, 4)


@pytest.mark.parametrize("model", ["oai", "ant"])
@pytest.mark.parametrize("stream", [False, True])
def test_openais_sdk_gets_calls(oai: openai.OpenAI, provider: Provider, model: str, stream: bool) -> None:
    provider.play(call_stream(model) if stream else call_reply(model))
    asked: Any = {"model": model, "messages": [{"role": "user", "content": "hello"}], **with_tool(CHAT)}
    if stream:
        with oai.chat.completions.stream(**asked) as events:
            answer: Any = events.get_final_completion()
    else:
        answer = oai.chat.completions.create(**asked)
    [call] = answer.choices[0].message.tool_calls
    assert (call.id, call.function.name) == ("call_1", "get_weather")
    assert json.loads(call.function.arguments) == json.loads(ARGUMENTS)
    assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("model", ["oai", "ant"])
@pytest.mark.parametrize("stream", [False, True])
def test_anthropics_sdk_gets_calls(ant: anthropic.Anthropic, provider: Provider, model: str, stream: bool) -> None:
    provider.play(call_stream(model) if stream else call_reply(model))
    asked: Any = {"model": model, "max_tokens": 100, "messages": [{"role": "user", "content": "hello"}]}
    asked |= with_tool(MESSAGES)
    if stream:
        with ant.messages.stream(**asked) as events:
            answer: Any = events.get_final_message()
    else:
        answer = ant.messages.create(**asked)
    [call] = answer.content
    assert (call.type, call.id, call.name, call.input) == ("tool_use", "call_1", "get_weather", json.loads(ARGUMENTS))
    assert answer.stop_reason == "tool_use"


@pytest.mark.parametrize("stream", [False, True])
def test_a_tools_name_that_openai_refuses_comes_back_as_it_was(
    gateway: RunningGateway, provider: Provider, ant: anthropic.Anthropic, stream: bool
) -> None:
    name = "mcp__files.of-a-server__" + "read_a_file_" * 6

    def script(number: int, request: Received) -> Script:
        [tool] = request.json()["tools"]
        short = tool["function"]["name"].encode()
        assert len(short) <= 64
        if stream:
            return stream_of([event.replace(b"get_weather", short) for event in call_events("oai")])
        [_, body] = call_reply("oai")
        assert isinstance(body, Body)
        return json_reply(json.loads(body.data.replace(b"get_weather", short)))

    provider.play(script)
    asked: Any = {
        "model": "oai",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "hello"}],
        "tools": [{"name": name, "input_schema": {"type": "object"}}],
    }
    if stream:
        with ant.messages.stream(**asked) as events:
            answer: Any = events.get_final_message()
    else:
        answer = ant.messages.create(**asked)
    [called] = answer.content
    assert (called.type, called.name, called.input) == ("tool_use", name, json.loads(ARGUMENTS))


@pairs
def test_the_provider_is_asked_in_its_own_words(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play(text_stream(model))
    system = {"role": "system", "content": "be brief"}
    body = ask(model, path, stream=True, temperature=0.5, **with_tool(path))
    if path == CHAT:
        body["messages"] = [system, *body["messages"]]
    else:
        body["system"] = "be brief"
    assert post(gateway, path, body).status == 200
    asked = provider.received()
    sent = asked.json()
    assert sent["temperature"] == 0.5
    assert sent["stream"] is True
    assert sent["tools"]
    if model == "oai":
        assert asked.path == "/v1/chat/completions"
        assert asked.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
        assert sent["model"] == "gpt-scripted"
        assert sent["messages"][0]["content"] in ("be brief", [{"type": "text", "text": "be brief"}])
        assert sent["stream_options"]["include_usage"] is True
    else:
        assert asked.path == "/v1/messages"
        assert asked.headers["x-api-key"] == PROVIDER_KEY
        assert sent["model"] == "claude-scripted"
        assert "be brief" in json.dumps(sent["system"])
        assert sent["max_tokens"] > 0


@pairs
def test_the_attempts_span_has_tokens_and_the_providers_words(
    gateway: RunningGateway, provider: Provider, path: str, model: str
) -> None:
    provider.play(text_stream(model))
    reply = post(gateway, path, ask(model, path, stream=True))
    [attempt] = gateway.transaction(reply.request_id).attempts
    attributes = attempt.attributes or {}
    assert attributes["gen_ai.usage.input_tokens"] == 9
    assert attributes["gen_ai.usage.output_tokens"] == 4
    assert attributes["gen_ai.response.finish_reasons"] == ("stop",)
    assert attributes["gen_ai.provider.name"] == ("openai" if model == "oai" else "anthropic")
    assert attributes["server.port"] == int(provider.url.rpartition(":")[2])


def test_thinking_of_claude_reaches_both_dialects(gateway: RunningGateway, provider: Provider) -> None:
    provider.play(_thinking_stream())
    reply = post(gateway, MESSAGES, ask("ant", MESSAGES, stream=True))
    message = check_anthropic(reply.body)
    assert [(block["type"], block.get("thinking", block.get("text"))) for block in message.blocks] == [
        ("thinking", "hm, let me see"),
        ("text", "yes"),
    ]
    assert message.blocks[0]["signature"] == "c2lnbmVk"
    completion = check_openai(post(gateway, CHAT, ask("ant", stream=True)).body)
    assert (completion.choices[0].reasoning, completion.choices[0].content) == ("hm, let me see", "yes")


def _thinking_stream() -> Any:
    def delta(index: int, kind: str, key: str, value: str) -> dict[str, Any]:
        return {"type": "content_block_delta", "index": index, "delta": {"type": kind, key: value}}

    return stream_of(
        anthropic_events(
            anthropic_start(),
            {
                "type": "content_block_start",
                "index": 0,
                "content_block": {"type": "thinking", "thinking": "", "signature": ""},
            },
            delta(0, "thinking_delta", "thinking", "hm, "),
            delta(0, "thinking_delta", "thinking", "let me see"),
            delta(0, "signature_delta", "signature", "c2lnbmVk"),
            {"type": "content_block_stop", "index": 0},
            {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
            delta(1, "text_delta", "text", "yes"),
            {"type": "content_block_stop", "index": 1},
            *anthropic_ending(),
        )
    )
