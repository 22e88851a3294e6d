from typing import Any

from msgspec.structs import replace

from app.dialects.openai_responses import encode_response
from app.dialects.openai_responses.response_decoding import decode_response
from app.dialects.openai_responses.response_editing import edit_response
from app.dialects.response_edits import ResponseEdit
from app.messages import Choice, Message, ModelResponse, ThinkingBlock, Usage
from tests.unit.dialects.openai_responses.events import call_item, ended, message, text_part
from tests.unit.dialects.samples import call, request

_SEARCH = {"id": "ws_0", "type": "web_search_call", "status": "completed"}
_REASONING = {
    "id": "rs_0",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "secret hm"}],
    "encrypted_content": "gAAA",
}
_OUTPUT = (_REASONING, _SEARCH, message("my secret", 1), call_item('{"a": "secret"}', 2), call_item("{}", 3, "write"))


def _changed(**fields: Any) -> dict[str, Any]:
    """The provider's response after a policy put `fields` into its message."""
    body = ended(*_OUTPUT)["response"]
    choice = decode_response(body).choices[0]
    message = replace(choice.message or Message(), **fields)
    return _edited(body, replace(choice, message=message))


def _edited(body: dict[str, Any], choice: Choice) -> dict[str, Any]:
    whole = decode_response(body)
    return edit_response(body, ResponseEdit(whole, replace(whole, choices=(choice,))))


def test_a_message_that_no_policy_changed_is_the_providers_body() -> None:
    assert _changed() == ended(*_OUTPUT)["response"]


def test_a_changed_text_stands_in_its_message_and_all_else_stays() -> None:
    body = _changed(content="my ***")
    assert body["output"] == [_REASONING, _SEARCH, message("my ***", 1), *_OUTPUT[3:]]
    assert (body["metadata"], body["status"]) == ({"team": "blue"}, "completed")


def test_log_probabilities_of_a_changed_text_are_gone_and_none_are_made_where_none_were() -> None:
    part = {"type": "output_text", "text": "my secret", "annotations": []}
    cases: list[tuple[dict[str, Any], dict[str, Any]]] = [({}, {}), ({"logprobs": [{"token": "my"}]}, {"logprobs": []})]
    for more, left in cases:
        body = ended({**message("", 0), "content": [{**part, **more}]})["response"]
        before = decode_response(body)
        choice = replace(before.choices[0], message=Message(role="assistant", content="my ***"))
        edited = edit_response(body, ResponseEdit(before, replace(before, choices=(choice,)), all_read=True))
        assert edited["output"][0]["content"] == [{**part, "text": "my ***", **left}]


def test_changed_thinking_and_changed_calls_stand_in_their_items() -> None:
    body = _changed(reasoning_content="*** hm", tool_calls=(call('{"a": "***"}', 0, "c2", "read"),))
    assert "secret" not in str([body["output"][0], *body["output"][3:]])
    assert body["output"][0] == {**_REASONING, "summary": [{"type": "summary_text", "text": "*** hm"}]}
    assert body["output"][3:] == [call_item('{"a": "***"}', 2)]


def test_a_text_that_is_gone_takes_its_item_along_and_a_new_call_is_put_behind() -> None:
    kept = decode_response(ended(*_OUTPUT)["response"]).choices[0].message
    assert kept is not None
    body = _changed(content=None, tool_calls=(*kept.tool_calls, call("[]", 9, "own", "mine")))
    assert [item["type"] for item in body["output"]] == ["reasoning", "web_search_call", *["function_call"] * 3]
    assert body["output"][-1]["call_id"] == "own"


def test_another_reason_to_finish_is_another_status() -> None:
    body = ended(message("a"))["response"]
    body = _edited(body, replace(decode_response(body).choices[0], finish_reason="length"))
    assert (body["status"], body["incomplete_details"]) == ("incomplete", {"reason": "max_output_tokens"})


def test_an_output_text_beside_the_output_is_changed_with_it() -> None:
    body = ended(message("secret"), output_text="secret")["response"]
    edited = Choice(message=Message(content="***"), finish_reason="stop")
    assert _edited(body, edited)["output_text"] == "***"


def test_a_call_of_the_providers_own_stays_whatever_becomes_of_the_clients() -> None:
    call_of_provider = {"id": "ct_0", "type": "custom_tool_call", "call_id": "x", "name": "x_search", "input": "{}"}
    body = ended(call_of_provider, call_item("{}"), tools=[{"type": "x_search"}])["response"]
    choice = decode_response(body).choices[0]
    edited = replace(choice, message=replace(choice.message or Message(), tool_calls=()), finish_reason="stop")
    assert _edited(body, edited)["output"] == [call_of_provider]


def test_a_message_of_another_dialect_becomes_items() -> None:
    note = {
        "type": "url_citation",
        "url_citation": {"url": "https://a", "title": "A", "start_index": 0, "end_index": 1},
    }
    message = Message(
        content="a",
        refusal="no",
        reasoning_content="hm",
        thinking_blocks=(ThinkingBlock(thinking="hm", signature="sig"),),
        tool_calls=(call("{}", 0, "c1", "read"),),
        annotations=(note,),
        extra={"server_tools": [{"type": "server_tool_use", "name": "web_fetch", "input": {"url": "https://b"}}]},
    )
    usage = Usage(prompt_tokens=3, completion_tokens=4)
    whole = ModelResponse(
        id="r", created=5, model="real", choices=(Choice(message=message, finish_reason="length"),), usage=usage
    )
    body = encode_response(whole, request("openai_responses", max_tokens=9))
    thinking, fetched, answer, called = body["output"]
    assert thinking["summary"] == [{"type": "summary_text", "text": "hm"}]
    assert thinking["encrypted_content"] == "anthropic_messages.signature:sig"
    assert fetched["action"] == {"type": "open_page", "url": "https://b"}
    where = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 1}
    assert answer["content"] == [text_part("a", annotations=[where]), {"type": "refusal", "refusal": "no"}]
    assert (called["call_id"], called["name"], called["arguments"]) == ("c1", "read", "{}")
    assert (body["status"], body["max_output_tokens"], body["usage"]["total_tokens"]) == ("incomplete", 9, 7)
