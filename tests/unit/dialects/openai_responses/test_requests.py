from typing import Any

import pytest
from msgspec.structs import replace

from app.dialects.openai_responses import decode_request, encode_request
from app.errors import InvalidRequest
from app.messages import InputMessage, Reasoning, TextPart, ThinkingPart, ToolCallPart, ToolResultPart


def _body(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": "hi", **fields}


def test_instructions_and_items_become_messages() -> None:
    items = [
        {"role": "user", "content": "go"},
        {"type": "function_call", "call_id": "c", "name": "read", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "one"},
    ]
    instructed, *messages = decode_request(_body(input=items, instructions="Be brief."), {}).messages
    assert (instructed.role, instructed.parts) == ("system", (TextPart("Be brief."),))
    assert [(message.role, message.parts[0]) for message in messages] == [
        ("user", TextPart("go")),
        ("assistant", ToolCallPart("c", "read", "{}")),
        ("tool", ToolResultPart("c", (TextPart("one"),), extra={"type": "function_call_output"})),
    ]


def test_options_are_read() -> None:
    request = decode_request(
        _body(max_output_tokens=9, reasoning={"effort": "none", "summary": "auto"}, text={"format": {"type": "text"}}),
        {},
    )
    assert (request.max_tokens, request.reasoning) == (9, Reasoning(False, "none", extra={"summary": "auto"}))
    assert request.response_format == {"type": "text"}


@pytest.mark.parametrize("options", [{}, {"effort": None, "summary": None}])
def test_options_for_thinking_that_say_nothing_do_not_ask_for_it(options: dict[str, Any]) -> None:
    assert decode_request(_body(reasoning=options), {}).reasoning is None


def test_what_nobody_changed_goes_on_as_the_client_wrote_it() -> None:
    items = [{"role": "user", "content": [{"type": "input_text", "text": "hi", "unknown": None}]}]
    tools: list[dict[str, Any]] = [{"type": "function", "name": "read", "parameters": {}, "unknown": None}]
    request = decode_request(_body(input=items, tools=tools, instructions="hi"), {})
    sent = encode_request(replace(request, temperature=0.5))
    assert sent["input"] is items
    assert sent["tools"] is tools
    changed = encode_request(request.map_text(str.upper))
    assert (changed["instructions"], changed["input"][0]["content"][0]["text"]) == ("HI", "HI")


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"model": "m"}, "input"),
        ({"input": "hi"}, "model"),
        (_body(max_output_tokens=0), "max_output_tokens"),
        (_body(tool_choice="sometimes"), "tool_choice"),
        (_body(include=1.5), "include"),
        (_body(tool_choice={"type": "function"}), "tool_choice.name"),
        (_body(tools=[{"type": "function"}]), "tools[0].name"),
        (_body(input=[{"role": "user"}]), "input[0].content"),
        (_body(input=[{"role": "robot", "content": "hi"}]), "input[0].role"),
        (_body(input=[{"role": "user", "content": [{"type": "input_text"}]}]), "input[0].content[0].text"),
        (_body(input=[{"type": "function_call_output", "output": "x"}]), "input[0].call_id"),
    ],
)
def test_what_is_wrong_is_refused_by_name(body: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        decode_request(body, {})
    assert caught.value.param == named


@pytest.mark.parametrize("field", ["previous_response_id", "conversation", "prompt"])
def test_an_input_is_not_needed_where_something_kept_says_it(field: str) -> None:
    assert decode_request({"model": "m", field: "x"}, {}).messages == ()


def test_a_policys_own_message_becomes_an_item_beside_the_clients() -> None:
    request = decode_request(_body(instructions="Be brief."), {})
    system = InputMessage("system", (TextPart("Be kind."),))
    answer = InputMessage("assistant", (TextPart("Reading."), ToolCallPart("c", "read", "{}"), TextPart("So.")))
    result = InputMessage("tool", (ToolResultPart("c", (TextPart("one"),)),))
    changed = replace(request, messages=(system, *request.messages, answer, result))
    body = encode_request(changed)
    assert body["instructions"] == "Be brief."
    assert body["input"] == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "Reading."},
        {"type": "function_call", "call_id": "c", "name": "read", "arguments": "{}"},
        {"role": "assistant", "content": "So."},
        {"type": "function_call_output", "call_id": "c", "output": "one"},
    ]


def test_changed_reasoning_stands_in_its_item() -> None:
    item = {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "a"}],
        "encrypted_content": "g",
    }
    request = decode_request(_body(input=[item]), {})
    part = request.messages[0].parts[0]
    assert isinstance(part, ThinkingPart)
    changed = InputMessage("assistant", (replace(part, thinking="b"),))
    (encoded,) = encode_request(replace(request, messages=(changed,)))["input"]
    assert encoded == {**item, "summary": [{"type": "summary_text", "text": "b"}]}


def test_known_headers_are_forwarded() -> None:
    headers = decode_request(_body(), {"openai-beta": "x", "authorization": "Bearer k"}).headers
    assert headers == {"openai-beta": "x"}
