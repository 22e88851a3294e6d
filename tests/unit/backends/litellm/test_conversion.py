"""LiteLLM's types to the common form and back."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litellm.types.utils import ChatCompletionAudioResponse, Delta, StreamingChoices
from litellm.types.utils import ModelResponse as LiteLLMResponse
from litellm.types.utils import ModelResponseStream as LiteLLMChunk
from msgspec.structs import replace

from app.backends.litellm.conversion import from_litellm
from app.messages import Choice, Function, Message, ModelResponse, ThinkingBlock, ToolCall, Usage
from tests.unit.backends.litellm.litellm_types import to_litellm

CALL = ToolCall(index=0, id="c", function=Function(name="f", arguments="{}"))
COUNTED = Usage(
    prompt_tokens=10,
    completion_tokens=5,
    cache_read_input_tokens=4,
    cache_creation_input_tokens=3,
    reasoning_tokens=2,
)


def chunk(message: Message | None = None, **fields: Any) -> ModelResponse:
    choices = () if message is None else (Choice(delta=message, **fields),)
    return ModelResponse(id="i", created=1, model="m", choices=choices)


@pytest.mark.parametrize(
    "response",
    [
        chunk(Message(role="assistant", content="")),
        chunk(Message(content="text")),
        chunk(Message(reasoning_content="hmm")),
        chunk(Message(refusal="no")),
        chunk(Message(tool_calls=(CALL,))),
        chunk(Message(tool_calls=(ToolCall(index=1, function=Function(arguments='{"')),))),
        chunk(Message(thinking_blocks=(ThinkingBlock(signature="S"),))),
        chunk(Message(thinking_blocks=(ThinkingBlock(type="redacted_thinking", data="R"),))),
        chunk(Message(), finish_reason="stop"),
        chunk(Message(content="B"), index=1),
        ModelResponse(id="i", created=1, model="m", usage=COUNTED),
    ],
)
def test_a_chunk_survives_the_way_there_and_back(response: ModelResponse) -> None:
    assert from_litellm(to_litellm(response)) == response


def test_a_whole_response_survives_the_way_there_and_back() -> None:
    thought = (ThinkingBlock(thinking="hmm", signature="S"),)
    message = Message(
        role="assistant", content="text", reasoning_content="hmm", thinking_blocks=thought, tool_calls=(CALL,)
    )
    response = ModelResponse(
        id="i",
        created=1,
        model="m",
        choices=(Choice(message=message, finish_reason="tool_calls"),),
        usage=COUNTED,
        service_tier="default",
    )
    other = to_litellm(response)
    assert isinstance(other, LiteLLMResponse)
    assert from_litellm(other) == response


def test_what_becomes_a_chunk_is_litellms_chunk() -> None:
    assert isinstance(to_litellm(chunk(Message(content="x"))), LiteLLMChunk)


def test_litellms_usage_chunk_loses_its_empty_choice() -> None:
    chunk = LiteLLMChunk(choices=[StreamingChoices(delta=Delta())], usage={"prompt_tokens": 1, "completion_tokens": 2})
    converted = from_litellm(chunk)
    assert converted.choices == ()
    assert converted.usage == Usage(prompt_tokens=1, completion_tokens=2)


def test_an_empty_text_beside_something_else_is_no_text() -> None:
    chunk = LiteLLMChunk(choices=[StreamingChoices(delta=Delta(role="assistant", content="", reasoning_content="h"))])
    [choice] = from_litellm(chunk).choices
    assert choice.delta == Message(role="assistant", reasoning_content="h")


def test_fields_that_only_a_provider_knows_are_kept() -> None:
    audio = ChatCompletionAudioResponse(id="a", data="AAA", transcript="t", expires_at=1)
    [choice] = from_litellm(LiteLLMChunk(choices=[StreamingChoices(delta=Delta(audio=audio))])).choices
    assert choice.delta is not None
    assert choice.delta.extra["audio"]["data"] == "AAA"


TEXTS = st.text(max_size=10)
MESSAGES = st.builds(
    Message,
    content=st.none() | st.text(min_size=1, max_size=10),
    reasoning_content=st.none() | st.text(min_size=1, max_size=10),
    tool_calls=st.lists(
        st.builds(ToolCall, index=st.integers(0, 3), function=st.builds(Function, arguments=TEXTS)), max_size=2
    ).map(tuple),
)


@given(MESSAGES, st.integers(0, 3))
def test_any_delta_survives(message: Message, index: int) -> None:
    response = chunk(message, index=index)
    assert from_litellm(to_litellm(response)) == response


def test_a_signature_of_geminis_stands_in_one_place() -> None:
    function = {"name": "f", "arguments": "{}"}
    call = {"index": 0, "id": "call_1__thought__a+/=", "type": "function", "function": function}
    raw: dict[str, Any] = {"choices": [{"index": 0, "delta": {"role": "assistant", "tool_calls": [call]}}]}
    converted = from_litellm(LiteLLMChunk(**raw))
    assert converted.choices[0].delta is not None
    (found,) = converted.choices[0].delta.tool_calls
    assert (found.id, found.thought_signature) == ("call_1", "a+/=")
    assert from_litellm(to_litellm(converted)) == converted


def test_thinking_of_other_models_than_anthropics_is_text_alone() -> None:
    signed = Message(thinking_blocks=(ThinkingBlock(thinking="hm", signature="Gemini's"),))
    assert from_litellm(to_litellm(chunk(signed)), False) == chunk(Message(reasoning_content="hm"))
    whole = replace(chunk(), choices=(Choice(message=replace(signed, reasoning_content="hm", content="a")),))
    message = from_litellm(to_litellm(whole), False).choices[0].message
    assert message == Message(role="assistant", reasoning_content="hm", content="a")
    plain = chunk(Message(content="a"))
    assert from_litellm(to_litellm(plain), False) == plain
