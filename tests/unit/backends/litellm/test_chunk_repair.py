"""What is put right in a stream of LiteLLM's, on plain values."""

from app.backends.litellm.chunk_repair import ChunkFacts, ChunkRepair, without_server_calls
from app.messages import Choice, Function, Message, ModelResponse, ToolCall
from tests.unit.backends.fakes import finish, text, used


def calls(*made: ToolCall) -> ModelResponse:
    return ModelResponse(choices=(Choice(delta=Message(tool_calls=made)),))


def call(index: int, id: str | None = None, arguments: str = "") -> ToolCall:
    return ToolCall(index=index, id=id, function=Function(name="f" if id else None, arguments=arguments))


def repaired(*chunks: ModelResponse, facts: ChunkFacts | None = None) -> list[ModelResponse]:
    repair = ChunkRepair(facts or ChunkFacts(choices={0}))
    return [out for chunk in chunks for out in repair.feed(chunk)] + list(repair.finish())


def test_an_ordinary_stream_is_left_as_the_same_objects() -> None:
    chunks = [text("a"), calls(call(0, "c")), calls(call(0, arguments="{}")), finish(), used()]
    out = repaired(*chunks)
    assert all(new is old for new, old in zip(out, chunks, strict=True))


def test_a_providers_own_calls_vanish_and_the_others_close_ranks() -> None:
    chunks = [
        calls(call(0, "srvtoolu_1")),
        calls(call(0, arguments="{}")),
        calls(call(1, "c1")),
        calls(call(2, "srvtoolu_2"), call(3, "c3")),
        calls(call(3, arguments="{}")),
        finish("tool_calls"),
    ]
    assert repaired(*chunks) == [
        calls(call(0, "c1")),
        calls(call(1, "c3")),
        calls(call(1, arguments="{}")),
        finish("tool_calls"),
    ]


def test_text_beside_a_vanished_call_stays() -> None:
    both = ModelResponse(choices=(Choice(delta=Message(content="x", tool_calls=(call(0, "srvtoolu_1"),))),))
    assert repaired(both) == [ModelResponse(choices=(Choice(delta=Message(content="x")),))]


def test_refusals_come_before_what_followed_them_and_once() -> None:
    out = repaired(finish(), used(), facts=ChunkFacts(choices={0}, refusals=[(0, "no")]))
    assert [chunk.choices[0].delta for chunk in out[:1]] == [Message(refusal="no")]
    assert out[1:] == [finish(), used()]


def test_finishes_of_several_choices_come_before_the_usage() -> None:
    facts = ChunkFacts(choices={0, 1}, finish_reasons={0: "length", 1: "stop"})
    out = repaired(finish("stop"), used(), facts=facts)
    assert [(c.index, c.finish_reason) for chunk in out[:2] for c in chunk.choices] == [(0, "length"), (1, "stop")]
    assert out[2:] == [used()]


def test_the_providers_name_for_the_model_stands_on_every_chunk() -> None:
    out = repaired(text("a"), finish(), facts=ChunkFacts(choices={0}, model="gpt-5-2025-08-07"))
    assert {chunk.model for chunk in out} == {"gpt-5-2025-08-07"}


def test_whole_responses_lose_a_providers_own_calls_too() -> None:
    message = Message(tool_calls=(call(0, "srvtoolu_1"), call(1, "c1")))
    [choice] = without_server_calls(ModelResponse(choices=(Choice(message=message),))).choices
    assert choice.message == Message(tool_calls=(call(0, "c1"),))
