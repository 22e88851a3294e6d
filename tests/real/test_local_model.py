"""A real local model server behind the gateway, on every road and in both dialects, asked by the official SDKs.

What it says through the gateway is what it says when it is asked directly: at temperature 0 it repeats itself.
"""

from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from tests.behaviour.gateway import RunningGateway, configuration
from tests.real.local_model import local_model

pytestmark = pytest.mark.timeout(300)
WORDS: Any = [{"role": "user", "content": "Say bafi and dogu, and tell me more."}]
TOKENS = 40
MODELS = ("chat", "messages", "litellm")
models = pytest.mark.parametrize("model", MODELS)
streams = pytest.mark.parametrize("stream", [True, False])


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with local_model(tmp_path_factory.mktemp("model")) as address:
        yield address


@pytest.fixture(scope="module")
def gateway(address: str) -> Iterator[RunningGateway]:
    entries = [
        f"chat: {{model: hosted_vllm/tiny, api_base: '{address}/v1'}}",
        f"messages: {{model: anthropic/tiny, api_base: '{address}', api_key: none-needed}}",
        f"litellm: {{model: openai/tiny, api_base: '{address}/v1', api_key: none-needed}}, backend: litellm",
    ]
    with RunningGateway(configuration(entries)) as running:
        yield running


@pytest.fixture(scope="module")
def expected(address: str) -> str:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as sdk:
        completion = sdk.chat.completions.create(model="tiny", messages=WORDS, max_tokens=TOKENS, temperature=0)
    text = completion.choices[0].message.content
    assert text
    assert len(text) > TOKENS
    return text


@pytest.fixture(scope="module")
def oai(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="any", max_retries=0) as sdk:
        yield sdk


@pytest.fixture(scope="module")
def ant(gateway: RunningGateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key="any", max_retries=0) as sdk:
        yield sdk


@models
@streams
def test_openais_sdk_hears_the_model(oai: openai.OpenAI, expected: str, model: str, stream: bool) -> None:
    asked: Any = {"model": model, "messages": WORDS, "max_tokens": TOKENS, "temperature": 0}
    if stream:
        chunks = list(oai.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
        choices = [choice for chunk in chunks for choice in chunk.choices]
        text, reason = "".join(choice.delta.content or "" for choice in choices), choices[-1].finish_reason
        usage = next(chunk.usage for chunk in reversed(chunks) if chunk.usage)
    else:
        whole = oai.chat.completions.create(**asked)
        text, reason, usage = whole.choices[0].message.content, whole.choices[0].finish_reason, whole.usage
    assert (text, reason) == (expected, "length")
    assert usage.completion_tokens == TOKENS


@models
@streams
def test_openais_sdk_hears_the_model_by_the_responses_api(
    oai: openai.OpenAI, expected: str, model: str, stream: bool
) -> None:
    text: str = WORDS[0]["content"]
    asked: Any = {"model": model, "input": text, "max_output_tokens": TOKENS, "temperature": 0}
    if stream:
        events = list(oai.responses.create(**asked, stream=True))
        assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == expected
        last: Any = events[-1]
        response = last.response
    else:
        response = oai.responses.create(**asked)
    assert response.output_text == expected
    assert response.usage.output_tokens == TOKENS


@models
@streams
def test_anthropics_sdk_hears_the_model(ant: anthropic.Anthropic, expected: str, model: str, stream: bool) -> None:
    asked: Any = {"model": model, "messages": WORDS, "max_tokens": TOKENS, "extra_body": {"temperature": 0}}
    if stream:
        with ant.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = ant.messages.create(**asked)
    assert [block.text for block in message.content if block.type == "text"] == [expected]
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", TOKENS)
    assert message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0) > 20


@pytest.mark.parametrize("model", ["chat", "litellm"])
@streams
def test_openais_sdk_gets_a_legacy_completion(
    oai: openai.OpenAI, address: str, gateway: RunningGateway, model: str, stream: bool
) -> None:
    asked: Any = {"prompt": "bafi dogu", "max_tokens": 20, "temperature": 0}
    with openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as sdk:
        direct = sdk.completions.create(model="tiny", **asked).choices[0].text
    if stream:
        chunks = oai.completions.create(model=model, **asked, stream=True)
        text = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    else:
        text = oai.completions.create(model=model, **asked).choices[0].text
    assert text == direct
    gateway.wait_until_idle()
    [attempt] = gateway.transactions()[-1].attempts
    assert (attempt.attributes or {})["gen_ai.usage.output_tokens"] == 20


@pytest.mark.parametrize("model", ["chat", "litellm"])
def test_openais_sdk_gets_vectors(oai: openai.OpenAI, address: str, model: str) -> None:
    with openai.OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as sdk:
        direct = sdk.embeddings.create(model="tiny", input=["bafi", "dogu"])
    got = oai.embeddings.create(model=model, input=["bafi", "dogu"])
    assert [one.embedding for one in got.data] == [one.embedding for one in direct.data]
    assert got.usage == direct.usage


def test_tokens_are_counted_by_the_server_itself(ant: anthropic.Anthropic) -> None:
    counted = ant.messages.count_tokens(model="messages", messages=WORDS).input_tokens
    used = ant.messages.create(model="messages", messages=WORDS, max_tokens=1).usage
    assert counted == used.input_tokens + (used.cache_read_input_tokens or 0)


def test_every_request_was_told_as_good(gateway: RunningGateway) -> None:
    gateway.wait_until_idle()
    assert set(gateway.outcomes()) == {"ok"}, [one.span.name for one in gateway.transactions() if one.outcome != "ok"]
    assert not [line for line in gateway.logs() if line["level"] == "error"]
