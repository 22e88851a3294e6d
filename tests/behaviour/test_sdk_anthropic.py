"""Anthropic's own SDK as the client, simulated models behind the gateway."""

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

from tests.behaviour.clients import MESSAGES, request
from tests.behaviour.gateway import RunningGateway, configuration, simulated

KEY = "sk-test-caller-0123456789"
WEATHER: Any = {
    "name": "get_weather",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}
HELLO: Any = [{"role": "user", "content": "one two three four"}]
SCENARIOS = ("echo", "lorem-30", "thinking-4+lorem-3", "tools", "tools-2", "refusal", "empty", "no-usage")
FAULTS = ("status-429+retry-after-2", "status-503", "status-400", "cut-3", "error-event-3", "disconnect-3", "cut-0")
REST = f"litellm_settings: {{num_retries: 0}}\ngeneral_settings: {{master_key: {KEY}}}"


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(configuration(simulated(*SCENARIOS, *FAULTS), rest=REST)) as running:
        yield running


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=gateway.url, api_key=KEY, max_retries=0) as sdk:
        yield sdk


def ask(client: anthropic.Anthropic, model: str, **fields: Any) -> Any:
    return client.messages.create(**{"model": model, "max_tokens": 1000, "messages": HELLO, **fields})


def final(client: anthropic.Anthropic, model: str, **fields: Any) -> Any:
    with client.messages.stream(**{"model": model, "max_tokens": 1000, "messages": HELLO, **fields}) as stream:
        return stream.get_final_message()


def dumped(message: Any) -> list[Any]:
    return [block.model_dump(exclude_none=True) for block in message.content]


def test_a_whole_answer_is_parsed(client: anthropic.Anthropic) -> None:
    answer = ask(client, "echo")
    assert [block.type for block in answer.content] == ["text"]
    assert answer.content[0].text == "one two three four"
    assert answer.stop_reason == "end_turn"
    assert answer.usage.output_tokens == 4
    assert answer.usage.input_tokens > 0


def test_the_sdks_accumulator_makes_the_same_message_of_a_stream(client: anthropic.Anthropic) -> None:
    whole, streamed = ask(client, "lorem-30"), final(client, "lorem-30")
    assert dumped(streamed) == dumped(whole)
    assert streamed.stop_reason == whole.stop_reason
    assert streamed.usage.output_tokens == whole.usage.output_tokens == 30
    assert streamed.usage.input_tokens == whole.usage.input_tokens


@pytest.mark.parametrize("calls", [1, 2])
def test_streamed_tool_calls_are_accumulated_to_the_same_calls_as_whole_ones(
    client: anthropic.Anthropic, calls: int
) -> None:
    model = "tools" if calls == 1 else "tools-2"
    whole, streamed = ask(client, model, tools=[WEATHER]), final(client, model, tools=[WEATHER])
    assert streamed.stop_reason == whole.stop_reason == "tool_use"
    assert [block.type for block in streamed.content] == ["tool_use"] * calls
    assert dumped(streamed) == dumped(whole)
    assert streamed.content[0].name == "get_weather"
    assert streamed.content[0].input["days"] == 1


def test_a_tool_result_is_understood(client: anthropic.Anthropic) -> None:
    call = ask(client, "tools", tools=[WEATHER]).content[0]
    messages = [
        *HELLO,
        {"role": "assistant", "content": [call.model_dump(exclude_none=True)]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]},
    ]
    assert ask(client, "tools", messages=messages, tools=[WEATHER]).content[0].text == "The tool said: sunny"


def test_thinking_is_a_signed_block_before_the_text(client: anthropic.Anthropic) -> None:
    whole, streamed = ask(client, "thinking-4+lorem-3"), final(client, "thinking-4+lorem-3")
    assert [block.type for block in streamed.content] == ["thinking", "text"]
    assert len(streamed.content[0].thinking.split()) == 4
    assert streamed.content[0].signature
    assert dumped(streamed) == dumped(whole)


def test_an_empty_answer_is_a_legal_answer(client: anthropic.Anthropic) -> None:
    assert final(client, "empty").stop_reason == "end_turn"
    assert ask(client, "empty").stop_reason == "end_turn"


def test_a_refusal_is_told(client: anthropic.Anthropic) -> None:
    assert final(client, "refusal").content[0].text == "I cannot help with that."


def test_a_provider_without_usage_still_gives_a_message_with_usage(client: anthropic.Anthropic) -> None:
    usage = final(client, "no-usage").usage
    assert usage.input_tokens > 0
    assert usage.output_tokens > 0


def test_the_first_event_has_the_input_tokens_that_the_end_and_the_count_have(client: anthropic.Anthropic) -> None:
    """A zero there breaks the accounting of agents."""
    with client.messages.create(model="echo", max_tokens=10, messages=HELLO, stream=True) as stream:
        first = next(iter(stream))
        assert first.type == "message_start"
        *_, ending, _ = stream
    assert ending.type == "message_delta"
    counted = client.messages.count_tokens(model="echo", messages=HELLO).input_tokens
    assert first.message.usage.input_tokens == ending.usage.input_tokens == counted > 0


def test_a_stop_sequence_is_named(client: anthropic.Anthropic) -> None:
    for answer in (
        ask(client, "echo", stop_sequences=["nowhere", "three"]),
        final(client, "echo", stop_sequences=["nowhere", "three"]),
    ):
        assert answer.content[0].text == "one two "
        assert (answer.stop_reason, answer.stop_sequence) == ("stop_sequence", "three")


def test_max_tokens_cuts(client: anthropic.Anthropic) -> None:
    assert final(client, "echo", max_tokens=2).stop_reason == "max_tokens"


def test_models_are_listed_in_pages(client: anthropic.Anthropic) -> None:
    names = [*SCENARIOS, *FAULTS]
    page = client.models.list(limit=4)
    assert [model.id for model in page.data] == names[:4]
    assert page.has_more
    assert [model.id for model in client.models.list(limit=4)] == names
    assert client.models.list(limit=1000).has_more is False
    backwards = client.models.list(limit=2, before_id=names[4])
    assert [model.id for model in backwards.data] == names[2:4]


def test_a_model_is_retrieved(client: anthropic.Anthropic) -> None:
    model = client.models.retrieve("echo")
    assert (model.id, model.type) == ("echo", "model")
    with pytest.raises(anthropic.NotFoundError):
        client.models.retrieve("nothing")


def test_tokens_are_counted(gateway: RunningGateway, client: anthropic.Anthropic) -> None:
    short = client.messages.count_tokens(model="echo", messages=HELLO)
    long = client.messages.count_tokens(
        model="echo", messages=HELLO, system="be brief, be kind, be right", tools=[WEATHER]
    )
    assert 0 < short.input_tokens < long.input_tokens
    assert short.input_tokens == ask(client, "echo").usage.input_tokens


def test_head_of_the_root_answers_without_a_key(gateway: RunningGateway) -> None:
    """Claude Code asks before anything else."""
    assert request(gateway, "HEAD", "/").status == 200


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_not_found(client: anthropic.Anthropic, stream: bool) -> None:
    with pytest.raises(anthropic.NotFoundError) as caught:
        ask(client, "nothing", stream=stream)
    body: Any = caught.value.body
    assert body["type"] == "error"
    assert body["error"]["type"] == "not_found_error"
    assert body["request_id"] == caught.value.request_id


def test_counting_for_an_unknown_model_is_not_found(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        client.messages.count_tokens(model="nothing", messages=HELLO)


def test_a_wrong_key_is_an_authentication_error(gateway: RunningGateway) -> None:
    with anthropic.Anthropic(base_url=gateway.url, api_key="wrong", max_retries=0) as sdk:
        with pytest.raises(anthropic.AuthenticationError):
            ask(sdk, "echo")
        with pytest.raises(anthropic.AuthenticationError):
            sdk.messages.count_tokens(model="echo", messages=HELLO)
        with pytest.raises(anthropic.AuthenticationError):
            sdk.models.list()


def test_a_bearer_token_is_as_good_as_a_key(gateway: RunningGateway) -> None:
    with anthropic.Anthropic(base_url=gateway.url, auth_token=KEY, max_retries=0) as sdk:
        assert ask(sdk, "echo").stop_reason == "end_turn"


@pytest.mark.parametrize("stream", [False, True])
def test_a_providers_rate_limit_reaches_the_caller_with_its_wait(client: anthropic.Anthropic, stream: bool) -> None:
    with pytest.raises(anthropic.RateLimitError) as caught:
        ask(client, "status-429+retry-after-2", stream=stream)
    assert caught.value.response.headers["retry-after"] == "2"


def test_a_provider_that_is_down_is_overloaded(client: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.APIStatusError) as caught:
        ask(client, "status-503")
    assert caught.value.status_code == 529
    body: Any = caught.value.body
    assert body["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize("model", ["cut-3", "error-event-3", "disconnect-3"])
def test_a_stream_that_breaks_raises(gateway: RunningGateway, client: anthropic.Anthropic, model: str) -> None:
    seen = gateway.wait_until_idle()
    pieces: list[str] = []
    with (
        client.messages.stream(model=model, max_tokens=1000, messages=HELLO) as stream,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        pieces.extend(stream.text_stream)
    assert "".join(pieces) == "lorem ipsum"
    assert "api_error" in str(caught.value.body)
    assert gateway.next_transaction(seen).outcome == "upstream_error"


@pytest.mark.parametrize("model", ["cut-3", "error-event-3", "cut-0"])
def test_a_whole_answer_that_breaks_raises(client: anthropic.Anthropic, model: str) -> None:
    with pytest.raises(anthropic.InternalServerError):
        ask(client, model)


def test_a_beta_request_is_served(gateway: RunningGateway, client: anthropic.Anthropic) -> None:
    """`?beta=true` and a long `anthropic-beta`: one transaction, one SERVER span."""
    gateway.wait_until_idle()
    seen = len(gateway.spans())
    answer: Any = client.beta.messages.create(
        model="echo", max_tokens=10, messages=HELLO, betas=["context-1m-2025-08-07", "interleaved-thinking-2025-05-14"]
    )
    assert answer.content[0].text == "one two three four"
    gateway.transaction(answer._request_id)
    assert [span.name for span in gateway.spans()[seen:] if span.parent is None] == [f"POST {MESSAGES}"]
