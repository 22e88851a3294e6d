from typing import Any

import pytest

from app.dialects.errors import ProviderFailed
from app.dialects.openai_responses.response_decoding import ResponseDecoder, decode_response
from app.messages import Choice, Function, Message, ModelResponse, ThinkingBlock, ToolCall
from app.pipeline.policies.blocks import BlockAssembler, BlockEvent, ContentComplete, ThinkingComplete, ToolCallComplete
from tests.unit.dialects.openai_responses.events import (
    FRAME,
    USAGE,
    added,
    call_item,
    called,
    created,
    done,
    ended,
    message,
    stream,
    text_events,
    thought,
)


def deltas(*events: dict[str, Any] | list[dict[str, Any]]) -> list[Message]:
    chunks = stream(*events).chunks[2:]
    return [
        choice.delta for one in chunks for choice in one.chunk.choices if choice.delta and choice.delta != Message()
    ]


def completed(chunks: list[ModelResponse]) -> list[BlockEvent]:
    assembler = BlockAssembler()
    events = [event for chunk in chunks for event in assembler.feed(chunk)] + assembler.finish()
    return [event for event in events if isinstance(event, ContentComplete | ThinkingComplete | ToolCallComplete)]


def test_text_is_told_by_its_deltas_and_not_again_at_its_end() -> None:
    assert deltas(text_events("Hel", "lo")) == [Message(content="Hel"), Message(content="lo")]


def test_every_chunk_bears_the_responses_own_id_time_and_model() -> None:
    chunks = [one.chunk for one in stream(text_events("a")).chunks]
    assert {(chunk.id, chunk.created, chunk.model) for chunk in chunks} == {("resp_1", 5, "gpt")}
    assert chunks[0].choices == (Choice(delta=Message(role="assistant")),)


@pytest.mark.parametrize(
    "rows",
    [
        [added(message()), {"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hi"}],
        [added(message()), done(message("Hi"))],
        [done(message("Hi"))],
        [ended(message("Hi"))],
    ],
)
def test_text_that_comes_only_with_an_end_is_told_there(rows: list[dict[str, Any]]) -> None:
    assert deltas(rows) == [Message(content="Hi")]


def test_a_call_begins_with_its_item_and_its_arguments_come_in_pieces() -> None:
    assert [message.tool_calls[0] for message in deltas(called("{", "}"))] == [
        ToolCall(0, "c0", function=Function("read")),
        ToolCall(0, function=Function(arguments="{")),
        ToolCall(0, function=Function(arguments="}")),
    ]


def test_arguments_that_come_only_with_the_end_are_told_once() -> None:
    arguments = {"type": "response.function_call_arguments.done", "output_index": 0, "arguments": "{}"}
    found = deltas(added(call_item()), arguments, done(call_item("{}")))
    assert [message.tool_calls[0].function.arguments for message in found] == ["", "{}"]


@pytest.mark.parametrize(
    ("tools", "fields", "runs"),
    [
        ([{"type": "custom", "name": "sql"}], {}, True),
        ([{"type": "namespace", "name": "db"}], {"namespace": "db"}, True),
        ([{"type": "x_search"}], {}, False),
    ],
)
def test_a_custom_tool_that_the_client_did_not_offer_is_the_providers_own(
    tools: list[Any], fields: dict[str, Any], runs: bool
) -> None:
    call = {"id": "ct_0", "type": "custom_tool_call", "call_id": "c", "name": "sql", "input": "", **fields}
    delta = {"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "SELECT"}
    decoder = ResponseDecoder()
    events = [{"type": "response.created", "response": {**FRAME, "tools": tools}}, added(call), delta]
    chunks = [decoder.chunk(event) for event in [*events, done({**call, "input": "SELECT"})]]
    messages = [choice.delta for chunk in chunks[1:] for choice in chunk.choices if choice.delta]
    if runs:
        assert [(call.type, call.function.arguments) for message in messages for call in message.tool_calls] == [
            ("custom", ""),
            ("custom", "SELECT"),
        ]
    else:
        assert messages == [Message(extra={"server_tools": [{"index": 0, **call, "input": "SELECT"}]})]


def test_the_parts_of_a_summary_are_one_thought_with_a_gap_between() -> None:
    assert "".join(message.reasoning_content or "" for message in deltas(thought("**A**", "**B**"))) == "**A**\n\n**B**"


def test_encrypted_reasoning_is_redacted_thinking_that_says_whose_it_is() -> None:
    (message,) = deltas(thought(encrypted_content="gAAA"))
    assert message.thinking_blocks == (ThinkingBlock(type="redacted_thinking", data="openai_responses:gAAA"),)


def test_a_refusal_is_a_refusal() -> None:
    position = {"output_index": 0, "content_index": 0}
    refusal = {"type": "response.refusal.delta", **position, "delta": "No."}
    assert deltas(added(message()), refusal, {"type": "response.refusal.done", **position, "refusal": "No."}) == [
        Message(refusal="No.")
    ]


def test_a_citation_is_about_the_whole_text() -> None:
    note = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 1}
    file = {"type": "file_citation", "file_id": "f", "index": 0}
    position = {"output_index": 1, "content_index": 0}
    second = text_events("b", at=1)
    notes = [{"type": "response.output_text.annotation.added", **position, "annotation": one} for one in (note, file)]
    found = [note for delta in deltas(text_events("aaa"), second[:3], notes, second[3:]) for note in delta.annotations]
    where = {"url": "https://a", "title": "A", "start_index": 3, "end_index": 4}
    assert found == [{"type": "url_citation", "url_citation": where}]


def test_what_a_provider_did_itself_is_shown_when_it_is_done() -> None:
    search = {"id": "ws_0", "type": "web_search_call", "status": "completed"}
    progress = {"type": "response.web_search_call.searching", "output_index": 0}
    assert deltas(added(search), progress, done(search)) == [Message(extra={"server_tools": [{"index": 0, **search}]})]


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (ended(message("a")), "stop"),
        (ended(call_item("{}")), "tool_calls"),
        (ended(status="incomplete", reason="max_output_tokens"), "length"),
        (ended(status="incomplete", reason="content_filter"), "content_filter"),
        (ended(status="incomplete", reason="odd"), "odd"),
    ],
)
def test_the_end_has_a_reason_and_the_usage(end: dict[str, Any], reason: str) -> None:
    decoder = ResponseDecoder()
    last = decoder.chunk(end)
    assert decoder.ended
    assert [choice.finish_reason for choice in last.choices] == [reason]
    assert last.usage is not None
    counts = (last.usage.prompt_tokens, last.usage.completion_tokens)
    assert (*counts, last.usage.cache_read_input_tokens, last.usage.reasoning_tokens) == (10, 5, 4, 2)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "server_error", "message": "It broke."},
        {"type": "error", "error": {"code": "server_error", "message": "It broke."}},
        {"type": "response.failed", "response": {**FRAME, "error": {"code": "server_error", "message": "It broke."}}},
    ],
)
def test_a_failure_says_what_the_provider_said(event: dict[str, Any]) -> None:
    with pytest.raises(ProviderFailed) as caught:
        ResponseDecoder().chunk(event)
    assert caught.value.error["message"] == "It broke."


def test_only_a_terminal_event_ends_a_stream() -> None:
    decoder = ResponseDecoder()
    for event in [*created(), *text_events("a")]:
        decoder.chunk(event)
    decoder.done()
    assert not decoder.ended
    assert not decoder.may_end()


def test_calls_side_by_side_are_complete_one_by_one() -> None:
    one, other = called("{", '"a":1}', at=0), called("{}", at=1, name="write")
    chunks = stream([one[0], other[0], one[1], other[1], other[2], one[2], one[3], one[4], other[3]]).chunks
    assert [
        event.call.function for event in completed([one.chunk for one in chunks]) if isinstance(event, ToolCallComplete)
    ] == [
        Function("write", "{}"),
        Function("read", '{"a":1}'),
    ]


def test_thinking_that_ends_beside_a_text_leaves_the_text_open() -> None:
    thinking, text = thought("hm"), text_events("a", "b", at=1)
    chunks = stream([*thinking[:3], *text[:3], *thinking[3:], *text[3:]]).chunks
    assert completed([one.chunk for one in chunks]) == [ThinkingComplete(0, "hm", None), ContentComplete(0, "ab")]


def test_a_whole_response_is_one_message() -> None:
    search = {"id": "ws_0", "type": "web_search_call", "status": "completed"}
    reasoning = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gA"}
    body = ended(reasoning, search, message("Hello"), call_item("{}"), service_tier="flex")["response"]
    whole = decode_response(body)
    assert whole.choices == (
        Choice(
            message=Message(
                content="Hello",
                reasoning_content="hm",
                thinking_blocks=(ThinkingBlock(type="redacted_thinking", data="openai_responses:gA"),),
                tool_calls=(ToolCall(0, "c0", function=Function("read", "{}")),),
                extra={"server_tools": [{"index": 0, **search}]},
            ),
            finish_reason="tool_calls",
        ),
    )
    assert (whole.id, whole.created, whole.model, whole.service_tier) == ("resp_1", 5, "gpt", "flex")
    assert whole.usage is not None
    assert whole.usage.total_tokens == USAGE["total_tokens"]


def test_a_response_in_the_background_has_not_ended() -> None:
    waiting = {**FRAME, "status": "queued"}
    assert decode_response({**waiting, "background": True}).choices[0].finish_reason is None
    with pytest.raises(ProviderFailed):
        decode_response(waiting)


def test_log_probabilities_are_kept() -> None:
    logprob = {"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": []}
    event = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0, "delta": "a"}
    chunk = ResponseDecoder().chunk({**event, "logprobs": [logprob]})
    assert chunk.choices[0].logprobs == {"content": [logprob]}


@pytest.mark.parametrize(
    "field",
    [
        {"output_index": []},
        {"output_index": "0"},
        {"content_index": {}},
        {"logprobs": True},
        {"item": "x"},
        {"part": 5},
        {"text": 1.5},
    ],
)
def test_an_event_of_another_form_is_refused_before_a_formatter_meets_it(field: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=next(iter(field))):
        ResponseDecoder().chunk({"type": "response.unheard_of", "output_index": 0, **field})
