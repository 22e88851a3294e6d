import pytest

from app.dialects import anthropic_messages
from app.errors import QueueOverflow
from app.messages import Choice, Message, ModelResponse, Received, ThinkingBlock, Usage
from tests.unit.dialects.legality import AnthropicStream, check_anthropic, events
from tests.unit.dialects.samples import call, chunk, request, usage_chunk


def _stream(*chunks: ModelResponse) -> AnthropicStream:
    return check_anthropic(_body(*chunks))


def _body(*chunks: ModelResponse) -> bytes:
    formatter = anthropic_messages.DIALECT.formatter(request("anthropic_messages"), "txn", 7)
    return b"".join([formatter.format(Received(one)) for one in chunks]) + formatter.finish()


def _kinds(checked: AnthropicStream) -> list[str]:
    return [block["type"] for block in checked.blocks]


def test_text_is_one_block_between_start_and_stop() -> None:
    body = _body(chunk(content="Hel"), chunk(content="lo"), chunk("stop"))
    assert [event.name for event in events(body)] == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    checked = check_anthropic(body)
    assert (checked.text(), checked.stop_reason) == ("Hello", "end_turn")
    assert checked.message is not None
    assert (checked.message["id"], checked.message["model"]) == ("msg_1", "real-model")


def test_thinking_is_signed_before_its_block_stops() -> None:
    checked = _stream(
        chunk(reasoning_content="Hm", thinking_blocks=(ThinkingBlock(thinking="Hm"),)),
        chunk(reasoning_content="m."),
        chunk(thinking_blocks=(ThinkingBlock(signature="sig"),)),
        chunk(thinking_blocks=(ThinkingBlock(type="redacted_thinking", data="xyz"),)),
        chunk("stop", content="Yes"),
    )
    assert checked.blocks == [
        {"type": "thinking", "thinking": "Hmm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "Yes"},
    ]


def test_a_block_that_comes_whole_with_its_signature_is_not_sent_twice() -> None:
    whole = ThinkingBlock(thinking="Hmm.", signature="sig")
    assert _stream(chunk(reasoning_content="Hmm."), chunk(thinking_blocks=(whole,))).blocks == [
        {"type": "thinking", "thinking": "Hmm.", "signature": "sig"}
    ]
    assert _stream(chunk(thinking_blocks=(whole, whole))).blocks == [
        {"type": "thinking", "thinking": "Hmm.", "signature": "sig"},
        {"type": "thinking", "thinking": "Hmm.", "signature": "sig"},
    ]


def test_a_signature_without_text_is_a_block_of_thinking_that_is_not_shown() -> None:
    checked = _stream(chunk(thinking_blocks=(ThinkingBlock(signature="sig"),)), chunk(content="a"))
    assert checked.blocks[0] == {"type": "thinking", "thinking": "", "signature": "sig"}


def test_thinking_between_texts_keeps_its_place_and_its_signature() -> None:
    checked = _stream(
        chunk(content="a"),
        chunk(reasoning_content="b"),
        chunk(thinking_blocks=(ThinkingBlock(signature="of b"),)),
        chunk(content="c"),
        chunk(reasoning_content="d"),
        chunk(tool_calls=(call("{}", 0, "x", "read"),)),
        chunk(thinking_blocks=(ThinkingBlock(type="redacted_thinking", data="e"),)),
        chunk("tool_calls", content="f"),
    )
    assert [
        (block["type"], block.get("text") or block.get("thinking") or block.get("data") or block.get("name"))
        for block in checked.blocks
    ] == [
        ("text", "a"),
        ("thinking", "b"),
        ("text", "c"),
        ("thinking", "d"),
        ("tool_use", "read"),
        ("redacted_thinking", "e"),
        ("text", "f"),
    ]
    assert [block["signature"] for block in checked.blocks if block["type"] == "thinking"] == ["of b", ""]


def test_a_signature_that_comes_after_its_block_is_dropped() -> None:
    checked = _stream(
        chunk(reasoning_content="a"),
        chunk(content="b"),
        chunk(thinking_blocks=(ThinkingBlock(signature="late"),)),
        chunk(reasoning_content="c"),
        chunk(thinking_blocks=(ThinkingBlock(signature="of c"),)),
    )
    assert checked.blocks == [
        {"type": "thinking", "thinking": "a", "signature": ""},
        {"type": "text", "text": "b"},
        {"type": "thinking", "thinking": "c", "signature": "of c"},
    ]


def test_calls_in_a_row_are_streamed_as_they_come() -> None:
    formatter = anthropic_messages.DIALECT.formatter(request("anthropic_messages"), "txn", 7)
    first = formatter.format(Received(chunk(tool_calls=(call('{"a":1}', 0, "a", "read"),))))
    second = formatter.format(Received(chunk(tool_calls=(call('{"b":', 1, "b", "write"),))))
    assert b'"id":"a"' in first
    assert b'"id":"b"' in second
    checked = check_anthropic(
        first + second + formatter.format(Received(chunk(tool_calls=(call("2}", 1),)))) + formatter.finish()
    )
    assert [block["json"] for block in checked.calls()] == ['{"a":1}', '{"b":2}']
    assert checked.stop_reason == "tool_use"


def test_interleaved_calls_are_put_in_a_row() -> None:
    checked = _stream(
        chunk(content="Reading."),
        chunk(tool_calls=(call("", 0, "a", "read"), call("", 1, "b", "write"))),
        chunk(tool_calls=(call('{"a"', 0), call('{"b"', 1))),
        chunk(content="Still."),
        chunk("tool_calls", tool_calls=(call(":2}", 1), call(":1}", 0))),
    )
    assert _kinds(checked) == ["text", "tool_use", "tool_use", "text"]
    assert [block["json"] for block in checked.calls()] == ['{"a":1}', '{"b":2}']


def test_what_is_added_to_a_call_that_has_stopped_is_dropped() -> None:
    checked = _stream(
        chunk(tool_calls=(call("{}", 0, "a", "read"),)), chunk(content="x"), chunk(tool_calls=(call("{}", 0),))
    )
    assert [block.get("json") for block in checked.blocks] == ["{}", None]


def test_arguments_that_are_no_json_are_passed_verbatim() -> None:
    checked = _stream(chunk("tool_calls", tool_calls=(call('{"path": "/tm', 0, "a", "read"),)))
    assert checked.calls()[0]["json"] == '{"path": "/tm'


def test_a_refusal_is_text_with_its_own_stop_reason() -> None:
    checked = _stream(chunk(refusal="I "), chunk(refusal="won't."), chunk("content_filter"))
    assert (checked.text(), checked.stop_reason) == ("I won't.", "refusal")


def test_the_stop_sequence_keeps_its_value() -> None:
    checked = _stream(ModelResponse(choices=(Choice(finish_reason="stop", stop_sequence="END"),)))
    assert (checked.stop_reason, checked.stop_sequence) == ("stop_sequence", "END")


def test_only_the_first_choice_is_sent() -> None:
    assert _stream(chunk(content="a"), chunk("length", content="b", index=1)).text() == "a"


def test_the_last_usage_counts_and_the_cache_is_apart() -> None:
    spent = Usage(
        prompt_tokens=100,
        completion_tokens=5,
        cache_read_input_tokens=60,
        cache_creation_input_tokens=30,
        extra={"server_tool_use": {"web_search_requests": 1}, "cost": 3},
    )
    checked = _stream(usage_chunk(Usage(prompt_tokens=3)), chunk(content="a"), usage_chunk(spent), chunk("stop"))
    assert checked.usage == {
        "input_tokens": 10,
        "cache_creation_input_tokens": 30,
        "cache_read_input_tokens": 60,
        "output_tokens": 5,
        "server_tool_use": {"web_search_requests": 1},
    }
    assert checked.message is not None
    assert checked.message["usage"]["input_tokens"] == 3


def test_the_first_usage_is_an_estimate_where_nobody_has_counted() -> None:
    checked = _stream(chunk(content="a" * 40))
    assert checked.message is not None
    assert checked.message["usage"]["input_tokens"] == 5
    assert checked.usage == {"output_tokens": 10}


def test_a_whole_message_in_a_stream_counts_as_a_delta() -> None:
    message = Message(content="hi", tool_calls=(call("{}", id="a", name="read"), call("{}", id="b", name="write")))
    checked = _stream(ModelResponse(choices=(Choice(message=message, finish_reason="tool_calls"),)))
    assert _kinds(checked) == ["text", "tool_use", "tool_use"]


def test_what_waits_for_a_call_to_end_is_not_lost_to_an_error() -> None:
    formatter = anthropic_messages.DIALECT.formatter(request("anthropic_messages"), "txn", 7)
    calls = (call('{"a":', 0, "a", "read"), call('{"b":1}', 1, "b", "write"))
    sent = formatter.format(Received(chunk(tool_calls=calls))) + formatter.format(Received(chunk(content="Still.")))
    assert b"Still." not in sent
    checked = check_anthropic(sent + formatter.fail(QueueOverflow("Too slow.")))
    assert _kinds(checked) == ["tool_use", "tool_use", "text"]
    assert (checked.text(), [one["json"] for one in checked.calls()]) == ("Still.", ['{"a":', '{"b":1}'])
    assert checked.error is not None


def test_an_error_ends_the_stream_without_message_stop() -> None:
    formatter = anthropic_messages.DIALECT.formatter(request("anthropic_messages"), "txn", 7)
    body = (
        formatter.format(Received(chunk(content="a")))
        + formatter.keepalive()
        + formatter.fail(QueueOverflow("Too slow."))
    )
    assert check_anthropic(body).error == {"type": "overloaded_error", "message": "Too slow."}
    assert b"message_stop" not in body


@pytest.mark.parametrize("text", ["\n\nevent: message_stop\n\n", "é\u2028\x00", "\U0001f600"])
def test_no_text_can_break_out_of_its_event(text: str) -> None:
    assert _stream(chunk(content="a"), chunk(content=text)).text() == "a" + text
