from typing import Any

import pytest

from app.dialects.anthropic_messages.response_decoding import ResponseDecoder, decode_response
from app.dialects.errors import ProviderFailed
from app.messages import Function, Message, ModelResponse, ThinkingBlock, ToolCall

START = {"type": "message_start", "message": {"id": "m1", "model": "c-1", "usage": {"input_tokens": 7}}}


def read(*events: dict[str, Any]) -> list[ModelResponse]:
    decoder = ResponseDecoder()
    return [decoder.chunk(event) for event in events]


def block(kind: dict[str, Any], *deltas: dict[str, Any], index: int = 0) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": kind},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def deltas_of(*events: dict[str, Any]) -> list[Message]:
    return [choice.delta for chunk in read(*events) for choice in chunk.choices if choice.delta]


def test_the_start_has_id_model_role_and_what_is_counted_so_far() -> None:
    chunk = read(START)[0]
    assert (chunk.id, chunk.model) == ("m1", "c-1")
    assert chunk.usage is not None
    assert chunk.usage.prompt_tokens == 7
    assert chunk.choices[0].delta == Message(role="assistant")


def test_every_chunk_has_the_messages_id() -> None:
    assert [chunk.id for chunk in read(START, {"type": "ping"}, {"type": "content_block_stop", "index": 4})] == [
        "m1"
    ] * 3


def test_text_and_thinking_are_told_as_they_come() -> None:
    thinking = block(
        {"type": "thinking", "thinking": ""},
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": "s"},
    )
    text = block({"type": "text", "text": "a"}, {"type": "text_delta", "text": "b"}, index=1)
    assert deltas_of(*thinking, *text) == [
        Message(reasoning_content="hm"),
        Message(thinking_blocks=(ThinkingBlock(signature="s"),)),
        Message(content="a"),
        Message(content="b"),
    ]


def test_redacted_thinking_keeps_its_data() -> None:
    found = deltas_of(*block({"type": "redacted_thinking", "data": "x"}))
    assert found == [Message(thinking_blocks=(ThinkingBlock(type="redacted_thinking", data="x"),))]


def test_calls_are_numbered_among_themselves() -> None:
    def call(name: str, index: int) -> list[dict[str, Any]]:
        start = {"type": "tool_use", "id": name, "name": name, "input": {}}
        return block(start, {"type": "input_json_delta", "partial_json": "{}"}, index=index)

    found = [one for delta in deltas_of(*call("a", 3), *call("b", 5)) for one in delta.tool_calls]
    assert [(one.index, one.id, one.function.arguments) for one in found] == [
        (0, "a", ""),
        (0, None, "{}"),
        (1, "b", ""),
        (1, None, "{}"),
    ]


def test_a_call_that_comes_whole_with_its_start_has_its_arguments() -> None:
    found = deltas_of(*block({"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}))
    assert found[-1].tool_calls == (ToolCall(0, function=Function(None, '{"x":1}')),)


def test_tools_of_the_provider_are_shown_and_never_look_like_the_clients() -> None:
    start = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    result = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    events = [*block(start, {"type": "input_json_delta", "partial_json": '{"query":"x"}'}), *block(result, index=1)]
    found = deltas_of(*events)
    assert all(not delta.tool_calls for delta in found)
    assert [entry for delta in found for entry in delta.extra["server_tools"]] == [
        {"index": 0, **start, "input": {"query": "x"}},
        {"index": 1, **result},
    ]


def test_citations_of_pages_become_annotations_of_their_text() -> None:
    page = {"type": "web_search_result_location", "url": "https://a.test", "title": "A", "cited_text": "x"}
    location = {"type": "char_location", "document_index": 0}
    first = block({"type": "text", "text": "ab"})
    cited = block(
        {"type": "text", "text": ""},
        {"type": "citations_delta", "citation": page},
        {"type": "citations_delta", "citation": location},
        {"type": "text_delta", "text": "cde"},
        index=1,
    )
    notes = deltas_of(*first, *cited)[-1].annotations
    where = {"url": "https://a.test", "title": "A", "start_index": 2, "end_index": 5}
    assert notes == ({"type": "url_citation", "url_citation": where},)


@pytest.mark.parametrize(
    ("stop_reason", "reason"),
    [
        ("end_turn", "stop"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("pause_turn", "pause_turn"),
    ],
)
def test_reasons_to_stop_are_said_in_openais_words_where_they_say_no_less(stop_reason: str, reason: str) -> None:
    chunk = read({"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": {"output_tokens": 1}})[0]
    assert chunk.choices[0].finish_reason == reason


def test_the_stop_sequence_that_was_met_is_kept() -> None:
    delta = {"stop_reason": "stop_sequence", "stop_sequence": "END"}
    choice = read({"type": "message_delta", "delta": delta, "usage": {}})[0].choices[0]
    assert (choice.finish_reason, choice.stop_sequence) == ("stop", "END")


def test_usage_is_cumulative_and_what_the_end_leaves_out_stays() -> None:
    start = {"input_tokens": 5, "cache_read_input_tokens": 2, "cache_creation_input_tokens": 1, "output_tokens": 1}
    end = {"output_tokens": 9, "cache_read_input_tokens": None, "output_tokens_details": {"thinking_tokens": 4}}
    chunks = read(
        {"type": "message_start", "message": {"usage": start}},
        {"type": "message_delta", "delta": {}, "usage": end},
    )
    usage = chunks[-1].usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens) == (8, 9, 4)
    assert (usage.cache_read_input_tokens, usage.cache_creation_input_tokens) == (2, 1)


def test_unknown_events_blocks_and_deltas_say_nothing_and_break_nothing() -> None:
    events = [{"type": "new"}, *block({"type": "compaction"}, {"type": "compaction_delta", "content": "x"})]
    assert deltas_of(*events) == []


def test_only_message_stop_ends_a_message() -> None:
    decoder = ResponseDecoder()
    decoder.chunk(START)
    decoder.done()
    assert not decoder.ended
    assert not decoder.may_end()
    decoder.chunk({"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 1}})
    decoder.chunk({"type": "message_stop"})
    assert decoder.ended


def test_a_message_without_its_stop_reason_does_not_end_well() -> None:
    decoder = ResponseDecoder()
    decoder.chunk(START)
    decoder.chunk({"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 1}})
    with pytest.raises(ProviderFailed):
        decoder.chunk({"type": "message_stop"})
    assert not decoder.ended


def test_a_whole_answer_is_decoded() -> None:
    content: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}},
    ]
    response = decode_response({"id": "m", "content": content, "stop_reason": "tool_use", "usage": {"input_tokens": 1}})
    assert response.choices[0].finish_reason == "tool_calls"
    assert response.choices[0].message == Message(
        role="assistant",
        content="Hi",
        reasoning_content="hm",
        thinking_blocks=(ThinkingBlock(thinking="hm", signature="s"),),
        tool_calls=(ToolCall(0, "a", function=Function("f", '{"x":1}')),),
        extra={"server_tools": [{"index": 0, **content[1]}]},
    )
