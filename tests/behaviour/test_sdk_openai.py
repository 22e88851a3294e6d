"""OpenAI's own SDK as the client, simulated models behind the gateway."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.behaviour.gateway import RunningGateway, configuration, simulated

KEY = "sk-test-caller-0123456789"
WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
            "required": ["city", "days"],
        },
    },
}
HELLO: Any = [{"role": "user", "content": "one two three four"}]
SCENARIOS = ("echo", "lorem-30", "thinking-4+lorem-3", "tools", "tools-2", "refusal", "empty", "no-usage")
FAULTS = ("status-429+retry-after-2", "status-503", "status-400", "cut-3", "error-event-3", "disconnect-3", "cut-0")


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    with RunningGateway(
        configuration(simulated(*SCENARIOS, *FAULTS), rest=_REST),
    ) as running:
        yield running


_REST = f"litellm_settings: {{num_retries: 0}}\ngeneral_settings: {{master_key: {KEY}}}"


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as sdk:
        yield sdk


def text_of(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)


def test_a_whole_answer_is_parsed(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="echo", messages=HELLO)
    assert answer.choices[0].message.content == "one two three four"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 4
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 4


def test_a_base_url_needs_no_version(gateway: RunningGateway) -> None:
    with openai.OpenAI(base_url=gateway.url, api_key=KEY, max_retries=0) as sdk:
        with sdk.chat.completions.create(model="echo", messages=HELLO, stream=True) as stream:
            assert text_of(stream) == "one two three four"
        assert sdk.responses.create(model="echo", input="one two").output_text == "one two"
        assert sdk.completions.create(model="echo", prompt="one two").choices[0].text == "one two"
        assert len(sdk.embeddings.create(model="echo", input="one two").data) == 1
        assert "echo" in [model.id for model in sdk.models.list()]
    with openai.OpenAI(base_url=gateway.url, api_key="wrong", max_retries=0) as sdk:
        with pytest.raises(openai.AuthenticationError):
            sdk.models.list()
        with pytest.raises(openai.AuthenticationError):
            sdk.chat.completions.create(model="echo", messages=HELLO)


def test_a_streamed_answer_adds_up_to_the_whole_one(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="lorem-30", messages=HELLO)
    with client.chat.completions.create(model="lorem-30", messages=HELLO, stream=True) as stream:
        streamed = text_of(stream)
    assert streamed == whole.choices[0].message.content
    assert len(streamed.split()) == 30


def test_the_sdks_accumulator_makes_the_final_completion(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="lorem-30", messages=HELLO) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].finish_reason == "stop"
    assert len(str(final.choices[0].message.content).split()) == 30


@pytest.mark.parametrize("calls", [1, 2])
def test_streamed_tool_calls_are_accumulated_to_the_same_calls_as_whole_ones(client: openai.OpenAI, calls: int) -> None:
    model = "tools" if calls == 1 else "tools-2"
    whole = client.chat.completions.create(model=model, messages=HELLO, tools=[WEATHER])
    with client.chat.completions.stream(model=model, messages=HELLO, tools=[WEATHER]) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].finish_reason == whole.choices[0].finish_reason == "tool_calls"
    expected = [(call.id, call.function.name, call.function.arguments) for call in _calls(whole)]
    assert [(call.id, call.function.name, call.function.arguments) for call in _calls(final)] == expected
    assert len(expected) == calls
    assert expected[0][1] == "get_weather"
    assert '"days": 1' in expected[0][2]


def test_a_tool_result_is_understood(client: openai.OpenAI) -> None:
    first = client.chat.completions.create(model="tools", messages=HELLO, tools=[WEATHER])
    call = _calls(first)[0]
    answer: Any = first.choices[0].message.model_dump(exclude_none=True)
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "sunny"}
    second = client.chat.completions.create(model="tools", messages=[*HELLO, answer, result], tools=[WEATHER])
    assert second.choices[0].message.content == "The tool said: sunny"


def test_thinking_comes_as_reasoning_content(client: openai.OpenAI) -> None:
    with client.chat.completions.create(model="thinking-4+lorem-3", messages=HELLO, stream=True) as stream:
        deltas = [chunk.choices[0].delta for chunk in stream]
    reasoning = "".join(getattr(delta, "reasoning_content", None) or "" for delta in deltas)
    assert len(reasoning.split()) == 4
    assert len("".join(delta.content or "" for delta in deltas).split()) == 3
    whole = client.chat.completions.create(model="thinking-4+lorem-3", messages=HELLO)
    assert getattr(whole.choices[0].message, "reasoning_content", None) == reasoning


def test_a_refusal_is_a_refusal(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="refusal", messages=HELLO) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.refusal == "I cannot help with that."
    assert not final.choices[0].message.content


def test_an_empty_answer_is_a_legal_answer(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(model="empty", messages=HELLO) as stream:
        final = stream.get_final_completion()
    assert not final.choices[0].message.content
    assert final.choices[0].finish_reason == "stop"


def test_usage_comes_once_after_all_choices_when_it_was_asked_for(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model="echo", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)
    assert [chunk.usage is None for chunk in chunks] == [True] * (len(chunks) - 1) + [False]
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 4


def test_usage_is_kept_from_a_client_that_did_not_ask(client: openai.OpenAI) -> None:
    with client.chat.completions.create(model="echo", messages=HELLO, stream=True) as stream:
        chunks = list(stream)
    assert all(chunk.usage is None for chunk in chunks)
    assert all(chunk.choices for chunk in chunks)


def test_a_provider_without_usage_leaves_the_stream_without_a_usage_chunk(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model="no-usage", messages=HELLO, stream_options={"include_usage": True}
    ) as stream:
        assert stream.get_final_completion().choices[0].finish_reason == "stop"


def test_several_answers_keep_apart(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="lorem-30", messages=HELLO, n=3)
    with client.chat.completions.stream(model="lorem-30", messages=HELLO, n=3) as stream:
        final = stream.get_final_completion()
    assert [choice.index for choice in final.choices] == [0, 1, 2]
    assert [choice.message.content for choice in final.choices] == [one.message.content for one in whole.choices]
    assert [choice.finish_reason for choice in final.choices] == ["stop"] * 3


@pytest.mark.parametrize("stop", ["three", ["nowhere", "three"]])
def test_a_stop_sequence_stops(client: openai.OpenAI, stop: Any) -> None:
    answer = client.chat.completions.create(model="echo", messages=HELLO, stop=stop)
    assert answer.choices[0].message.content == "one two "
    assert answer.choices[0].finish_reason == "stop"


def test_max_tokens_cuts_with_reason_length(client: openai.OpenAI) -> None:
    with client.chat.completions.create(model="echo", messages=HELLO, max_tokens=2, stream=True) as stream:
        chunks = list(stream)
    assert text_of(iter(chunks)) == "one two"
    assert chunks[-1].choices[0].finish_reason == "length"


def test_models_are_listed_and_retrieved(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [*SCENARIOS, *FAULTS]
    assert client.models.retrieve("echo").id == "echo"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nothing")


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_model_is_not_found(client: openai.OpenAI, stream: bool) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nothing", messages=HELLO, stream=stream)
    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"


def test_a_wrong_key_is_an_authentication_error(gateway: RunningGateway) -> None:
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="wrong", max_retries=0) as sdk,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        sdk.chat.completions.create(model="echo", messages=HELLO)
    assert caught.value.code == "invalid_api_key"


@pytest.mark.parametrize("stream", [False, True])
def test_a_providers_rate_limit_reaches_the_caller_with_its_wait(
    gateway: RunningGateway, client: openai.OpenAI, stream: bool
) -> None:
    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(model="status-429+retry-after-2", messages=HELLO, stream=stream)
    assert caught.value.response.headers["retry-after"] == "2"
    assert gateway.transaction(str(caught.value.request_id)).outcome == "upstream_error"


def test_the_providers_statuses_become_the_sdks_errors(gateway: RunningGateway, client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as rejected:
        client.chat.completions.create(model="status-400", messages=HELLO)
    assert gateway.transaction(str(rejected.value.request_id)).outcome == "client_error"
    with pytest.raises(openai.InternalServerError) as unavailable:
        client.chat.completions.create(model="status-503", messages=HELLO)
    assert unavailable.value.status_code == 503


def test_the_sdk_retries_a_provider_that_is_down_for_a_moment(gateway: RunningGateway) -> None:
    """A retry of the SDK is another transaction, with an id of its own."""
    before = gateway.wait_until_idle()
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=1) as sdk,
        pytest.raises(openai.InternalServerError),
    ):
        sdk.chat.completions.create(model="status-503", messages=HELLO)
    assert gateway.wait_until_idle() == before + 2


@pytest.mark.parametrize("model", ["cut-3", "error-event-3", "disconnect-3"])
def test_a_stream_that_breaks_raises(gateway: RunningGateway, client: openai.OpenAI, model: str) -> None:
    seen = gateway.wait_until_idle()
    with client.chat.completions.create(model=model, messages=HELLO, stream=True) as stream:
        pieces: list[str] = []
        with pytest.raises(openai.APIError):
            pieces.extend(chunk.choices[0].delta.content or "" for chunk in stream)
    assert "".join(pieces) == "lorem ipsum"
    assert gateway.next_transaction(seen).outcome == "upstream_error"


@pytest.mark.parametrize("model", ["cut-3", "error-event-3", "disconnect-3", "cut-0"])
def test_a_whole_answer_that_breaks_raises(client: openai.OpenAI, model: str) -> None:
    with pytest.raises(openai.InternalServerError):
        client.chat.completions.create(model=model, messages=HELLO)


def test_a_stream_that_breaks_before_its_first_chunk_has_an_error_status(client: openai.OpenAI) -> None:
    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(model="cut-0", messages=HELLO, stream=True)
    assert caught.value.status_code == 502


def test_no_stream_that_was_read_to_its_end_counts_as_left(client: openai.OpenAI, gateway: RunningGateway) -> None:
    """The SDK closes the connection on `[DONE]`, often before the end of HTTP's framing has come."""
    gateway.wait_until_idle()
    before = gateway.outcomes()
    for _ in range(100):
        with client.chat.completions.create(model="echo", messages=HELLO, stream=True) as stream:
            assert text_of(stream) == "one two three four"
    gateway.wait_until_idle()
    assert gateway.outcomes() == {**before, "ok": before.get("ok", 0) + 100}


def test_the_request_id_names_the_transaction(gateway: RunningGateway, client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="echo", messages=HELLO)
    assert answer._request_id is not None
    assert gateway.transaction(answer._request_id).outcome == "ok"


def _calls(completion: Any) -> list[Any]:
    return list(completion.choices[0].message.tool_calls)
