import json
from typing import Any

import pytest

from app.dialects import openai_chat
from app.errors import PolicyBlocked, UpstreamTruncated
from app.messages import Choice, Message, ModelResponse, Received, ThinkingBlock, Usage
from tests.unit.dialects.legality import OpenAIStream, check_openai, events
from tests.unit.dialects.samples import call, chunk, request, usage_chunk


def _stream(*chunks: ModelResponse, **fields: Any) -> tuple[list[dict[str, Any]], OpenAIStream]:
    asked = request(**fields)
    formatter = openai_chat.DIALECT.formatter(asked, "txn", 7)
    body = b"".join([formatter.format(Received(one)) for one in chunks]) + formatter.finish()
    sent = [json.loads(event.data) for event in events(body) if event.data != "[DONE]"]
    return sent, check_openai(body, asked.include_usage, n=asked.n or 1)


def test_text_is_sent_delta_by_delta_with_the_role_first_and_the_reason_last() -> None:
    sent, _ = _stream(chunk(content="Hel"), chunk(content="lo"), chunk("stop"))
    choices = [one["choices"][0] for one in sent]
    assert [choice["delta"] for choice in choices] == [
        {"role": "assistant", "content": "Hel"},
        {"content": "lo"},
        {},
    ]
    assert [choice["finish_reason"] for choice in choices] == [None, None, "stop"]
    assert {(one["id"], one["created"], one["model"]) for one in sent} == {("resp-1", 1700000000, "real-model")}


def test_what_comes_after_a_finish_reason_is_sent_before_it() -> None:
    _, checked = _stream(chunk("length", content="a"), chunk(content="b"))
    assert (checked.choices[0].content, checked.choices[0].finish_reason) == ("ab", "length")


def test_the_id_and_time_are_made_up_where_the_provider_gave_none() -> None:
    sent, _ = _stream(ModelResponse(choices=(Choice(delta=Message(content="a")),)))
    assert (sent[0]["id"], sent[0]["created"], sent[0]["model"]) == ("chatcmpl-txn", 7, "m")


def test_usage_comes_last_and_only_for_those_who_asked() -> None:
    spent = Usage(prompt_tokens=10, completion_tokens=5, cache_read_input_tokens=4, reasoning_tokens=2)
    sent, checked = _stream(chunk(content="a"), usage_chunk(spent), chunk("stop"), include_usage=True)
    assert checked.usage == {
        "prompt_tokens": 10,
        "completion_tokens": 5,
        "total_tokens": 15,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert [one["usage"] is None for one in sent] == [True, True, False]
    assert all("usage" not in one for one in _stream(usage_chunk(spent), chunk("stop"))[0])


def test_usage_that_no_provider_counted_is_left_out() -> None:
    _, checked = _stream(chunk("stop", content="a"), include_usage=True)
    assert checked.usage is None


def test_interleaved_calls_keep_apart_and_are_numbered_from_zero() -> None:
    _, checked = _stream(
        chunk(tool_calls=(call(index=4, id="a", name="read"),)),
        chunk(tool_calls=(call(index=9, id="b", name="write"),)),
        chunk(tool_calls=(call("{1", index=4), call("{2", index=9))),
        chunk("tool_calls", tool_calls=(call("}", index=9), call("}", index=4))),
    )
    assert checked.choices[0].calls == [
        {"id": "a", "name": "read", "arguments": "{1}"},
        {"id": "b", "name": "write", "arguments": "{2}"},
    ]


def test_two_calls_with_one_index_are_told_apart_by_their_ids() -> None:
    _, checked = _stream(
        chunk(tool_calls=(call("{}", id="a", name="read"),)), chunk(tool_calls=(call("{}", id="b", name="read"),))
    )
    assert [one["id"] for one in checked.choices[0].calls] == ["a", "b"]


def test_a_call_waits_for_its_name_and_one_without_an_id_gets_one() -> None:
    _, checked = _stream(
        chunk(tool_calls=(call("{"),)), chunk(tool_calls=(call("}", name="read"),)), chunk(tool_calls=(call("x", 7),))
    )
    assert checked.choices[0].calls == [{"id": "call_txn_0", "name": "read", "arguments": "{}"}]


def test_a_reason_that_a_policy_took_away_is_made_good() -> None:
    assert _stream(chunk(content="a"))[1].choices[0].finish_reason == "stop"
    called = _stream(chunk(tool_calls=(call("{}", id="a", name="read"),)))[1]
    assert called.choices[0].finish_reason == "tool_calls"


def test_tool_calls_that_a_policy_took_away_are_not_announced() -> None:
    assert _stream(chunk("tool_calls"))[1].choices[0].finish_reason == "stop"


def test_choices_open_in_order_and_those_nobody_asked_for_are_dropped() -> None:
    _, checked = _stream(
        chunk(content="second", index=1),
        chunk(content="first"),
        chunk("length", index=1),
        chunk(content="x", index=2),
        n=2,
    )
    assert {at: (one.content, one.finish_reason) for at, one in checked.choices.items()} == {
        0: ("first", "stop"),
        1: ("second", "length"),
    }


def test_a_whole_message_in_a_stream_counts_as_a_delta() -> None:
    message = Message(content="hi", tool_calls=(call("{}", id="a", name="read"), call("{}", id="b", name="write")))
    _, checked = _stream(ModelResponse(choices=(Choice(message=message, finish_reason="tool_calls"),)))
    assert checked.choices[0].content == "hi"
    assert [one["name"] for one in checked.choices[0].calls] == ["read", "write"]


def test_signed_thinking_is_sent_as_text_first_and_as_a_whole_block_with_its_signature() -> None:
    sent, checked = _stream(
        chunk(reasoning_content="Hm", thinking_blocks=(ThinkingBlock(thinking="Hm"),)),
        chunk(reasoning_content="m."),
        chunk(thinking_blocks=(ThinkingBlock(signature="sig"),)),
        chunk(thinking_blocks=(ThinkingBlock(type="redacted_thinking", data="xyz"),)),
        chunk("stop", content="Yes"),
    )
    assert checked.choices[0].reasoning == "Hmm."
    blocks = [one["choices"][0]["delta"].get("thinking_blocks") for one in sent]
    assert [block for block in blocks if block] == [
        [{"index": 0, "type": "thinking", "thinking": "Hmm.", "signature": "sig"}],
        [{"index": 1, "type": "redacted_thinking", "data": "xyz"}],
    ]


def test_what_only_openai_knows_is_kept() -> None:
    note = {"type": "url_citation", "url_citation": {"url": "https://example.org"}}
    first = ModelResponse(
        choices=(Choice(delta=Message(content="a", annotations=(note,), extra={"reasoning_details": []})),),
        system_fingerprint="fp",
        service_tier="flex",
        extra={"provider": "p", "id": "not this one"},
    )
    second = ModelResponse(
        choices=(Choice(delta=Message(refusal="no", annotations=(note,)), logprobs={"content": []}),)
    )
    sent, checked = _stream(first, second)
    assert checked.choices[0].refusal == "no"
    assert (sent[0]["system_fingerprint"], sent[0]["provider"], sent[0]["id"]) == ("fp", "p", "chatcmpl-txn")
    assert sent[0]["choices"][0]["delta"]["reasoning_details"] == []
    assert [one["choices"][0]["delta"]["annotations"][0]["index"] for one in sent[:2]] == [0, 1]
    assert sent[1]["choices"][0]["logprobs"] == {"content": []}
    assert sent[-1]["service_tier"] == "flex"


def test_a_chunk_without_choices_is_kept_for_what_stands_beside_them() -> None:
    sent, _ = _stream(ModelResponse(extra={"prompt_filter_results": []}), chunk("stop"))
    assert (sent[0]["choices"], sent[0]["prompt_filter_results"]) == ([], [])


def test_an_error_ends_the_stream_without_done() -> None:
    formatter = openai_chat.DIALECT.formatter(request(), "txn", 7)
    body = formatter.format(Received(chunk(content="a"))) + formatter.fail(PolicyBlocked("Not that.", param="messages"))
    assert check_openai(body).error == {
        "message": "Not that.",
        "type": "invalid_request_error",
        "param": "messages",
        "code": "policy_blocked",
    }
    assert b"[DONE]" not in body


def test_an_error_is_all_that_is_sent_when_nothing_was_sent_before() -> None:
    body = openai_chat.DIALECT.formatter(request(), "txn", 7).fail(
        UpstreamTruncated("The provider's stream broke off.")
    )
    assert [json.loads(event.data)["error"]["code"] for event in events(body)] == ["upstream_truncated"]


@pytest.mark.parametrize("text", ["\n\ndata: [DONE]\n\n", "é\u2028\x00", "\U0001f600"])
def test_no_text_can_break_out_of_its_event(text: str) -> None:
    assert _stream(chunk(content="a"), chunk(content=text))[1].choices[0].content == "a" + text
