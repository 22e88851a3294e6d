import json
from typing import Any

import pytest

from app.dialects import openai_responses
from app.errors import UpstreamFailed, UpstreamTruncated
from app.messages import (
    Choice,
    InputMessage,
    Message,
    ModelResponse,
    Received,
    TextPart,
    ThinkingBlock,
    ToolChoice,
    Usage,
)
from tests.unit.dialects.legality import events
from tests.unit.dialects.openai_responses.legality import ResponsesStream, check_responses
from tests.unit.dialects.samples import call, chunk, request, usage_chunk

_NOTE = {"type": "url_citation", "url_citation": {"url": "https://a", "title": "A", "start_index": 0, "end_index": 1}}


def _stream(*chunks: ModelResponse, **fields: Any) -> tuple[list[dict[str, Any]], ResponsesStream]:
    formatter = openai_responses.DIALECT.formatter(request("openai_responses", **fields), "txn_ab", 7)
    body = b"".join([formatter.format(Received(one)) for one in chunks]) + formatter.finish()
    return [json.loads(event.data) for event in events(body)], check_responses(body)


def _kinds(sent: list[dict[str, Any]]) -> list[str]:
    return [event["type"].removeprefix("response.") for event in sent]


def test_text_is_an_item_with_one_part_and_all_of_its_events() -> None:
    sent, checked = _stream(chunk(content="Hel"), chunk(content="lo"), chunk("stop"))
    assert _kinds(sent) == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert checked.response is not None
    assert (checked.response["id"], checked.response["created_at"]) == ("resp-1", 1700000000)
    assert checked.response["model"] == "real-model"


def test_the_id_and_time_are_made_up_where_the_provider_gave_none() -> None:
    sent, _ = _stream(ModelResponse(choices=(Choice(delta=Message(content="a")),)))
    response = sent[0]["response"]
    assert (response["id"], response["created_at"], response["model"]) == ("resp_ab", 7, "m")


def test_a_response_repeats_what_was_asked() -> None:
    instructions = InputMessage("system", (TextPart("Be brief."),), {"type": "instructions"})
    sent, _ = _stream(
        chunk("stop"),
        messages=(instructions,),
        max_tokens=9,
        tool_choice=ToolChoice("named", "read"),
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": {}}},
        extra={"metadata": {"a": "b"}, "text": {"verbosity": "low"}},
    )
    response = sent[0]["response"]
    assert (response["instructions"], response["max_output_tokens"]) == ("Be brief.", 9)
    assert (response["metadata"], response["store"]) == ({"a": "b"}, False)
    assert response["tool_choice"] == {"type": "function", "name": "read"}
    assert response["text"] == {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": {}}}


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
        ("odd", "incomplete", {"reason": "odd"}),
    ],
)
def test_a_reason_to_finish_is_a_status(reason: str, status: str, details: dict[str, str] | None) -> None:
    sent, checked = _stream(chunk(content="a"), chunk(reason))
    assert sent[-1]["type"] == f"response.{status}"
    assert checked.response is not None
    assert checked.response["incomplete_details"] == details
    assert checked.response["output"][0]["status"] == status


def test_usage_comes_with_the_end_and_is_null_where_nobody_counted() -> None:
    spent = Usage(prompt_tokens=10, completion_tokens=5, cache_read_input_tokens=4, reasoning_tokens=2)
    sent, _ = _stream(chunk(content="a"), chunk("stop"), usage_chunk(spent))
    assert sent[-1]["response"]["usage"] == {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 15,
    }
    assert _stream(chunk("stop"))[0][-1]["response"]["usage"] is None


def test_thinking_is_an_item_before_the_text_with_its_signature_to_be_sent_back() -> None:
    _, checked = _stream(
        chunk(reasoning_content="hm"),
        chunk(thinking_blocks=(ThinkingBlock(signature="sig"),)),
        chunk(content="a"),
        chunk("stop"),
    )
    assert [item.kind for item in checked.items] == ["reasoning", "message"]
    assert checked.thinking() == "hm"
    assert checked.items[0].done is not None
    assert checked.items[0].done["encrypted_content"] == "anthropic_messages.signature:sig"


def test_redacted_thinking_is_an_item_of_its_own() -> None:
    block = ThinkingBlock(type="redacted_thinking", data="xyz")
    _, checked = _stream(chunk(reasoning_content="hm"), chunk(thinking_blocks=(block,)), chunk("stop"))
    encrypted = [item.done and item.done.get("encrypted_content") for item in checked.items]
    assert encrypted == [None, "anthropic_messages.redacted:xyz"]


def test_calls_one_after_the_other_end_before_the_next_begins() -> None:
    sent, checked = _stream(
        chunk(tool_calls=(call("{}", 0, "a", "read"),)), chunk(tool_calls=(call("{}", 1, "b", "write"),)), chunk("stop")
    )
    assert [kind for kind in _kinds(sent) if kind.startswith("output_item")] == [
        "output_item.added",
        "output_item.done",
    ] * 2
    assert checked.calls() == [
        {"id": "a", "name": "read", "arguments": "{}"},
        {"id": "b", "name": "write", "arguments": "{}"},
    ]


def test_calls_side_by_side_stay_open_until_their_arguments_are_whole() -> None:
    _, checked = _stream(
        chunk(tool_calls=(call("{", 4, "a", "read"),)),
        chunk(tool_calls=(call("{", 9, "b", "write"),)),
        chunk(tool_calls=(call("}", 4),)),
        chunk(tool_calls=(call("}", 9),)),
        chunk("tool_calls"),
    )
    assert [one["arguments"] for one in checked.calls()] == ["{}", "{}"]


def test_a_refusal_and_a_text_are_two_parts_of_one_message() -> None:
    _, checked = _stream(chunk(content="Well, "), chunk(refusal="no."), chunk("stop"))
    assert [[part.kind for part in item.content] for item in checked.items] == [["output_text", "refusal"]]


def test_annotations_are_those_of_the_text_at_hand() -> None:
    _, checked = _stream(chunk(content="a"), chunk(annotations=(_NOTE,)), chunk("stop"))
    (part,) = checked.items[0].content
    where = {"url": "https://a", "title": "A", "start_index": 0, "end_index": 1}
    assert part.annotations == [{"type": "url_citation", **where}]


def test_tools_that_a_provider_ran_itself_are_shown_and_never_to_be_run() -> None:
    tools = [
        {"type": "server_tool_use", "name": "web_search", "input": {"query": "q"}},
        {"type": "web_search_tool_result", "content": []},
        {"type": "mcp_tool_use", "name": "look", "server_name": "s", "input": {"a": 1}},
    ]
    _, checked = _stream(*(chunk(extra={"server_tools": [tool]}) for tool in tools), chunk(content="a"), chunk("stop"))
    assert [item.kind for item in checked.items] == ["web_search_call", "mcp_call", "message"]
    assert checked.items[0].done is not None
    assert checked.items[0].done["action"] == {"type": "search", "query": "q"}
    assert checked.calls() == []


def test_log_probabilities_go_along_and_stand_with_the_whole_text() -> None:
    logprob = {"token": "a", "logprob": -1, "bytes": [97], "top_logprobs": []}
    choice = Choice(delta=Message(content="a"), logprobs={"content": [logprob]})
    sent, _ = _stream(ModelResponse(id="r", choices=(choice,)), chunk("stop"))
    assert [event["logprobs"] for event in sent if "logprobs" in event] == [[logprob], [logprob]]


def test_an_error_is_an_event_that_the_sdk_raises_and_a_failed_response() -> None:
    formatter = openai_responses.DIALECT.formatter(request("openai_responses"), "txn_ab", 7)
    body = formatter.format(Received(chunk(content="a"))) + formatter.fail(
        UpstreamFailed("Too much.", upstream_status=429)
    )
    checked = check_responses(body)
    assert checked.error is not None
    assert checked.error["code"] == "rate_limit_exceeded"
    assert checked.response is not None
    assert checked.response["error"] == {"code": "rate_limit_exceeded", "message": "Too much."}


def test_an_error_before_anything_is_an_error_event_alone() -> None:
    formatter = openai_responses.DIALECT.formatter(request("openai_responses"), "txn_ab", 7)
    (event,) = events(formatter.keepalive() + formatter.fail(UpstreamTruncated("It broke off.")))
    assert json.loads(event.data)["sequence_number"] == 0
