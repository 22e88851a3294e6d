import json
from typing import Any

import pytest

from app.dialects.openai_chat.response_decoding import ResponseDecoder, decode_response
from app.messages import Choice, Function, Message, ModelResponse, ThinkingBlock, ToolCall


def event(*deltas: dict[str, Any], finish: str | None = None, **fields: Any) -> dict[str, Any]:
    choices = [{"index": at, "delta": delta, "finish_reason": finish} for at, delta in enumerate(deltas)]
    return {"id": "c1", "created": 5, "model": "m-1", "choices": choices, **fields}


def delta_of(delta: dict[str, Any], decoder: ResponseDecoder | None = None) -> Message:
    chunk = (decoder or ResponseDecoder()).chunk(event(delta))
    found = chunk.choices[0].delta
    assert found is not None
    return found


def calls_of(*deltas: list[dict[str, Any]]) -> list[ToolCall]:
    decoder = ResponseDecoder()
    return [call for calls in deltas for call in delta_of({"tool_calls": calls}, decoder).tool_calls]


def test_a_text_chunk_is_its_text() -> None:
    assert ResponseDecoder().chunk(event({"content": "Hi"})) == ModelResponse(
        id="c1", created=5, model="m-1", choices=(Choice(delta=Message(content="Hi")),)
    )


def test_a_chunk_for_several_choices_keeps_all_of_them() -> None:
    chunk = ResponseDecoder().chunk(event({"content": "a"}, {"content": "b"}, finish="length"))
    assert [(choice.index, choice.finish_reason) for choice in chunk.choices] == [(0, "length"), (1, "length")]


@pytest.mark.parametrize(
    "delta",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm", "content": ""},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]},
    ],
)
def test_reasoning_comes_out_alike_under_each_of_its_names(delta: dict[str, Any]) -> None:
    assert (delta_of(delta).reasoning_content, delta_of(delta).content) == ("hm", None)


def test_a_content_of_parts_becomes_text() -> None:
    assert delta_of({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}).content == "ab"


def test_signatures_that_claude_knows_again_are_kept() -> None:
    detail = {"type": "reasoning.text", "signature": "s", "format": "anthropic-claude-v1"}
    assert delta_of({"reasoning_details": [detail]}).thinking_blocks == (ThinkingBlock(signature="s"),)
    assert delta_of({"reasoning_details": [{**detail, "format": "xai"}]}).thinking_blocks == ()


def test_calls_keep_the_index_of_their_provider() -> None:
    calls = calls_of(
        [{"index": 1, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}],
        [{"index": 1, "function": {"arguments": "{}"}}],
    )
    assert calls == [
        ToolCall(1, "a", "function", Function("f", "")),
        ToolCall(1, None, "function", Function(None, "{}")),
    ]


def test_calls_that_all_have_the_same_index_are_told_apart_by_their_ids() -> None:
    calls = calls_of(
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}],
        [{"index": 0, "function": {"arguments": "}"}}],
        [{"index": 0, "id": "b", "function": {"name": "g", "arguments": "{"}}],
        [{"index": 0, "function": {"arguments": "}"}}],
    )
    assert [call.index for call in calls] == [0, 0, 1, 1]


def test_an_id_that_is_repeated_or_changes_without_a_name_is_no_other_call() -> None:
    calls = calls_of(
        [{"index": 0, "id": "a", "function": {"name": "f"}}],
        [{"index": 0, "id": "a", "function": {"name": "f", "arguments": "{"}}],
        [{"index": 0, "id": "x", "function": {"arguments": "}"}}],
    )
    assert [call.index for call in calls] == [0, 0, 0]


def test_calls_without_an_index_are_numbered() -> None:
    calls = calls_of(
        [{"id": "a", "function": {"name": "f", "arguments": "{}"}}],
        [{"id": "b", "function": {"name": "g", "arguments": "{"}}, {"function": {"arguments": "}"}}],
    )
    assert [call.index for call in calls] == [0, 1, 1]


def test_arguments_may_be_null_or_an_object() -> None:
    calls = calls_of([{"index": 0, "id": "a", "function": {"name": "f", "arguments": None}}])
    assert calls[0].function.arguments == ""
    assert calls_of([{"index": 0, "function": {"name": "f", "arguments": {"a": 1}}}])[0].function.arguments == '{"a":1}'


def test_the_old_function_call_and_custom_tools_are_calls_too() -> None:
    assert delta_of({"function_call": {"name": "f", "arguments": "{"}}).tool_calls[0].function == Function("f", "{")
    custom = calls_of([{"index": 0, "id": "a", "type": "custom", "custom": {"name": "f", "input": "x"}}])
    assert custom == [ToolCall(0, "a", "custom", Function("f", "x"))]


@pytest.mark.parametrize(
    "fields",
    [
        {"usage": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_tokens_details": {"cached_tokens": 3}}},
        {"usage": {"prompt_tokens": 9, "completion_tokens": 4, "prompt_cache_hit_tokens": 3}},
        {"x_groq": {"usage": {"prompt_tokens": 9, "completion_tokens": 4, "cached_tokens": 3}}},
    ],
)
def test_usage_is_found_wherever_it_stands(fields: dict[str, Any]) -> None:
    usage = ResponseDecoder().chunk(event(**fields)).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.cache_read_input_tokens) == (9, 4, 3)


def test_what_only_the_provider_knows_is_kept_and_padding_is_not() -> None:
    chunk = ResponseDecoder().chunk(event({"audio": {"id": "a"}}, citations=["u"], obfuscation="xyz", usage=None))
    assert chunk.extra == {"citations": ["u"]}
    assert chunk.choices[0].delta == Message(extra={"audio": {"id": "a"}})


def test_a_bodys_end_without_done_is_an_end_for_writer_alone() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 1}
    for repeats, may_end in (({"message": {"content": "x"}}, True), ({}, False)):
        decoder = ResponseDecoder()
        decoder.chunk({"choices": [{"index": 0, "delta": {"content": "x"}, **repeats}]})
        decoder.chunk({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop", **repeats}]})
        assert not decoder.may_end()
        decoder.chunk({"choices": [], "usage": usage})
        assert decoder.may_end() is may_end


def test_a_text_that_is_the_name_of_a_field_is_no_reason_to_finish() -> None:
    """A server without reasons is known by its first event; its stream is whole where it counts what it was."""
    decoder = ResponseDecoder()
    piece = b'{"choices":[{"index":0,"delta":{"content":"finish_reason"}}]}'
    assert decoder.quick(b"", [piece]) is not None
    decoder.chunk({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}})
    decoder.done()
    assert decoder.ended


@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": ""}, {"content": "x"}])
@pytest.mark.parametrize("thought", [None, "", "hm"])
@pytest.mark.parametrize("other", [None, "", "hm", "oh"])
@pytest.mark.parametrize("role", [None, "", "assistant"])
def test_a_frequent_event_says_what_any_other_way_of_decoding_finds_in_it(
    content: dict[str, Any], thought: str | None, other: str | None, role: str | None
) -> None:
    delta = {**content, "reasoning_content": thought, "reasoning": other, "role": role}
    run = ResponseDecoder().quick(b"", [json.dumps(event(delta)).encode()])
    assert run is not None
    assert run.chunk == ResponseDecoder().chunk(event(delta))
    assert run.is_plain is not (bool(thought) and bool(other))


def test_a_whole_answer_is_decoded() -> None:
    message = {"role": "assistant", "content": "Hi", "reasoning": "hm", "audio": {"id": "a"}}
    call = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    body = {"id": "c", "model": "m", "choices": [{"index": 0, "message": {**message, "tool_calls": [call]}}]}
    decoded = decode_response(body).choices[0].message
    assert decoded == Message(
        role="assistant",
        content="Hi",
        reasoning_content="hm",
        tool_calls=(ToolCall(0, "a", "function", Function("f", "{}")),),
        extra={"audio": {"id": "a"}},
    )


def test_a_whole_completion_is_a_stream_and_a_message_beside_a_delta_is_none() -> None:
    cases: list[tuple[dict[str, Any], bool]] = [({}, True), ({"delta": {}}, False)]
    for delta, may_end in cases:
        choice = {"index": 0, "message": {"content": "x"}, "finish_reason": "stop", **delta}
        decoder = ResponseDecoder()
        decoder.mend({"choices": [choice]})
        decoder.chunk({"choices": [choice]})
        assert decoder.may_end() is may_end
