"""OpenAI's own SDK as a client of the Responses API, simulated models behind the gateway."""

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel

from tests.behaviour.gateway import RunningGateway, configuration, simulated

KEY = "sk-test-caller-0123456789"
WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}
SCENARIOS = ("echo", "lorem-30", "thinking-4+lorem-3", "tools", "tools-2", "refusal", "empty", "no-usage", "lorem-9")
FAULTS = ("status-429+retry-after-2", "status-503", "status-400", "cut-3", "error-event-3", "disconnect-3", "cut-0")


@pytest.fixture(scope="module")
def gateway() -> Iterator[RunningGateway]:
    rest = f"litellm_settings: {{num_retries: 0}}\ngeneral_settings: {{master_key: {KEY}}}"
    with RunningGateway(configuration(simulated(*SCENARIOS, *FAULTS), rest=rest)) as running:
        yield running


@pytest.fixture(scope="module")
def client(gateway: RunningGateway) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=0) as sdk:
        yield sdk


def test_a_whole_answer_is_parsed(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="echo", instructions="Be brief.", input="one two three four")
    assert (answer.output_text, answer.status, answer.instructions) == ("one two three four", "completed", "Be brief.")
    assert answer.usage is not None
    assert answer.usage.output_tokens == 4
    assert answer.usage.total_tokens == answer.usage.input_tokens + 4


def test_a_streamed_answer_adds_up_to_the_whole_one(client: openai.OpenAI) -> None:
    whole = client.responses.create(model="lorem-30", input="go")
    with client.responses.create(model="lorem-30", input="go", stream=True) as events:
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    with client.responses.stream(model="lorem-30", input="go") as stream:
        final = stream.get_final_response()
    assert text == final.output_text == whole.output_text
    assert len(text.split()) == 30


@pytest.mark.parametrize("calls", [1, 2])
def test_calls_are_made_and_their_results_understood(client: openai.OpenAI, calls: int) -> None:
    model = "tools" if calls == 1 else "tools-2"
    asked: Any = {"model": model, "input": [{"role": "user", "content": "weather"}], "tools": [WEATHER]}
    with client.responses.stream(**asked) as stream:
        streamed: Any = stream.get_final_response()
    whole: Any = client.responses.create(**asked)
    made = [(item.name, item.arguments) for item in streamed.output]
    assert made == [(item.name, item.arguments) for item in whole.output]
    assert [name for name, _ in made] == ["get_weather"] * calls
    assert all(json.loads(arguments)["days"] for _, arguments in made)
    results = [{"type": "function_call_output", "call_id": item.call_id, "output": "sunny"} for item in streamed.output]
    second = client.responses.create(**{**asked, "input": [*asked["input"], *streamed.output, *results]})
    assert second.output_text.startswith("The tool said: sunny")


def test_thinking_is_a_summary_before_the_text(client: openai.OpenAI) -> None:
    with client.responses.stream(model="thinking-4+lorem-3", input="go") as stream:
        streamed: Any = stream.get_final_response()
    whole: Any = client.responses.create(model="thinking-4+lorem-3", input="go")
    for answer in (streamed, whole):
        thinking, message = answer.output
        assert (thinking.type, message.type) == ("reasoning", "message")
        assert len("".join(part.text for part in thinking.summary).split()) == 4
        assert thinking.encrypted_content.startswith("anthropic_messages.signature:")


def test_a_refusal_is_a_refusal(client: openai.OpenAI) -> None:
    with client.responses.stream(model="refusal", input="go") as stream:
        final: Any = stream.get_final_response()
    assert [part.refusal for item in final.output for part in item.content] == ["I cannot help with that."]


def test_an_empty_answer_is_a_legal_answer(client: openai.OpenAI) -> None:
    with client.responses.stream(model="empty", input="go") as stream:
        assert stream.get_final_response().output_text == ""


def test_an_answer_cut_short_by_its_limit_is_incomplete(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="lorem-9", input="go", max_output_tokens=3)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


class City(BaseModel):
    name: str
    people: int


def test_an_answer_of_a_wanted_form_is_parsed(client: openai.OpenAI) -> None:
    wanted = '{"name":"Utrecht","people":370000}'
    parsed = client.responses.parse(model="echo", input=wanted, text_format=City)
    assert parsed.output_parsed == City(name="Utrecht", people=370000)
    with client.responses.stream(model="echo", input=wanted, text_format=City) as stream:
        assert stream.get_final_response().output_parsed == City(name="Utrecht", people=370000)


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("status-400", openai.BadRequestError),
        ("status-429+retry-after-2", openai.RateLimitError),
        ("status-503", openai.InternalServerError),
        ("cut-0", openai.InternalServerError),
        ("nobody", openai.NotFoundError),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_before_the_first_byte_are_the_sdks_own(
    client: openai.OpenAI, model: str, kind: type[openai.APIStatusError], stream: bool
) -> None:
    with pytest.raises(kind) as caught:
        client.responses.create(model=model, input="go", stream=stream)
    assert caught.value.request_id
    if model.startswith("status-429"):
        assert caught.value.response.headers["retry-after"] == "2"


@pytest.mark.parametrize("model", ["cut-3", "error-event-3", "disconnect-3"])
def test_errors_in_a_stream_are_raised_and_never_a_clean_end(
    gateway: RunningGateway, client: openai.OpenAI, model: str
) -> None:
    seen = gateway.wait_until_idle()
    events: list[Any] = []
    with pytest.raises(openai.APIError):
        events.extend(client.responses.create(model=model, input="go", stream=True))
    assert "response.output_text.delta" in [event.type for event in events]
    assert gateway.next_transaction(seen).outcome == "upstream_error"


def test_the_sdk_tries_again_what_may_pass(gateway: RunningGateway) -> None:
    seen = gateway.wait_until_idle()
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=KEY, max_retries=1) as sdk,
        pytest.raises(openai.InternalServerError),
    ):
        sdk.responses.create(model="status-503", input="go")
    assert gateway.wait_until_idle() == seen + 2


@pytest.mark.parametrize("key", ["wrong", ""])
def test_a_wrong_key_is_refused(gateway: RunningGateway, key: str) -> None:
    with (
        openai.OpenAI(base_url=f"{gateway.url}/v1", api_key=key or "x", max_retries=0) as sdk,
        pytest.raises(openai.AuthenticationError),
    ):
        sdk.responses.retrieve("resp_1")


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"input": [{"role": "user"}]}, "input[0].content"),
    ],
)
def test_what_cannot_be_served_is_named(client: openai.OpenAI, fields: Any, named: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.responses.create(**{"model": "echo", "input": "go", **fields})
    assert caught.value.param == named
