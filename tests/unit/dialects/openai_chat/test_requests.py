from typing import Any

import pytest
from msgspec.structs import replace

from app.dialects.openai_chat import decode_request, encode_request
from app.errors import InvalidRequest
from app.messages import (
    DocumentPart,
    ImagePart,
    OpaquePart,
    Reasoning,
    RedactedThinkingPart,
    RefusalPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)


def _body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "gpt-5", "messages": list(messages) or [{"role": "user", "content": "hi"}], **fields}


def test_every_kind_of_message_becomes_parts() -> None:
    request = decode_request(
        _body(
            {"role": "developer", "content": "Be brief."},
            {
                "role": "user",
                "name": "bob",
                "content": [
                    {"type": "text", "text": "See"},
                    {"type": "image_url", "image_url": {"url": "https://example.org/a.png", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
                    {"type": "file", "file": {"file_data": "data:application/pdf;base64,BBBB", "filename": "b.pdf"}},
                    {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "wav"}},
                ],
            },
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "read", "arguments": "{}"}},
                    {"id": "2", "type": "custom", "custom": {"name": "run", "input": "ls"}},
                ],
            },
            {
                "role": "tool",
                "tool_call_id": "1",
                "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
            },
            {"role": "assistant", "content": "x", "refusal": "No.", "reasoning_content": "Hm"},
        ),
        {},
    )
    roles = [message.role for message in request.messages]
    assert roles == ["developer", "user", "assistant", "tool", "assistant"]
    assert request.messages[1].extra == {"name": "bob"}
    assert request.messages[1].parts == (
        TextPart("See"),
        ImagePart(url="https://example.org/a.png", detail="low"),
        ImagePart(data="AAAA", media_type="image/png"),
        DocumentPart(data="BBBB", media_type="application/pdf", title="b.pdf"),
        OpaquePart("openai_chat", {"type": "input_audio", "input_audio": {"data": "CCCC", "format": "wav"}}),
    )
    assert request.messages[2].parts == (
        ToolCallPart("1", "read", "{}"),
        ToolCallPart("2", "run", "ls", {"type": "custom"}),
    )
    assert request.messages[3].parts == (ToolResultPart("1", (TextPart("a"), TextPart("b"))),)
    assert request.messages[4].parts == (ThinkingPart("Hm"), TextPart("x"), RefusalPart("No."))


def test_signed_thinking_can_be_sent_back() -> None:
    blocks = [
        {"index": 0, "type": "thinking", "thinking": "Hm", "signature": "sig"},
        {"index": 1, "type": "redacted_thinking", "data": "xyz"},
    ]
    message = {"role": "assistant", "content": "x", "reasoning_content": "Hm", "thinking_blocks": blocks}
    decoded = decode_request(_body(message), {}).messages[0]
    assert decoded.parts == (ThinkingPart("Hm", "sig"), RedactedThinkingPart("xyz"), TextPart("x"))
    assert decoded.extra == {"reasoning_content": "Hm"}


def test_parameters_have_their_places() -> None:
    request = decode_request(
        _body(
            stream=True,
            stream_options={"include_usage": True, "include_obfuscation": False},
            n=2,
            max_completion_tokens=9,
            temperature=1,
            top_p=0.5,
            stop="END",
            tool_choice={"type": "function", "function": {"name": "read"}},
            tools=[{"type": "function", "function": {"name": "read"}}],
            parallel_tool_calls=False,
            reasoning_effort="none",
            response_format={"type": "json_object"},
            user="u",
            seed=3,
        ),
        {"openai-beta": "x", "authorization": "Bearer key"},
    )
    assert (request.stream, request.include_usage, request.n, request.max_tokens) == (True, True, 2, 9)
    assert (request.temperature, request.top_p, request.stop) == (1, 0.5, ("END",))
    assert request.tool_choice == ToolChoice("named", "read")
    assert request.tools[0].name == "read"
    assert request.parallel_tool_calls is False
    assert request.reasoning == Reasoning(enabled=False, effort="none")
    assert (request.response_format, request.user) == ({"type": "json_object"}, "u")
    assert request.extra == {
        "max_completion_tokens": 9,
        "seed": 3,
        "stream_options": {"include_obfuscation": False},
    }
    assert request.headers == {"openai-beta": "x"}


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_token_limit_keeps_its_name_and_takes_a_new_value(name: str) -> None:
    request = decode_request(_body(**{name: 5}), {})
    assert encode_request(request)[name] == 5
    assert encode_request(replace(request, max_tokens=7)) == _body(**{name: 7})


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"stop": "END"}, {"stop": ["END"]}),
        ({"stream": False, "n": None, "seed": None, "stream_options": None}, {}),
        ({"stream_options": {"include_usage": False}}, {}),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}, {}),
        ({"messages": [{"role": "user", "content": "hi", "name": None}]}, {}),
        (
            {
                "messages": [
                    {"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}], "tool_calls": None}
                ]
            },
            {"messages": [{"role": "assistant", "content": None, "refusal": "No."}]},
        ),
    ],
)
def test_what_is_normalised_where_a_message_changed(written: dict[str, Any], meant: dict[str, Any]) -> None:
    changed = replace(decode_request({**_body(), **written}, {}), native=None)
    assert encode_request(changed) == {**_body(), **meant}


def test_what_nobody_changed_goes_on_as_the_client_wrote_it() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}], "unknown": None}]
    request = decode_request(
        _body(messages=messages, tools=[{"type": "function", "function": {"name": "read", "unknown": 1}}]), {}
    )
    sent = encode_request(replace(request, temperature=0.5))
    assert sent["messages"] is messages
    assert sent["tools"] == [{"type": "function", "function": {"name": "read", "unknown": 1}}]
    assert request.map_text(str.upper).native_messages(request.dialect) is None
    assert encode_request(request.map_text(str.upper))["messages"][0]["content"] == "HI"
    assert "tools" not in encode_request(replace(request, tools=()))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "", "messages": [{"role": "user", "content": "x"}]}, "model"),
        ({"model": 3, "messages": [{"role": "user", "content": "x"}]}, "model"),
        (_body() | {"messages": []}, "messages"),
        (_body() | {"messages": {}}, "messages"),
        (_body() | {"messages": ["x"]}, "messages[0]"),
        (_body({"content": "x"}), "messages[0].role"),
        (_body({"role": "king", "content": "x"}), "messages[0].role"),
        (_body({"role": "user", "content": 3}), "messages[0].content"),
        (_body({"role": "user", "content": [{"text": "x"}]}), "messages[0].content[0].type"),
        (_body({"role": "user", "content": [{"type": "text"}]}), "messages[0].content[0].text"),
        (
            _body({"role": "user", "content": [{"type": "image_url", "image_url": {}}]}),
            "messages[0].content[0].image_url.url",
        ),
        (_body({"role": "tool", "content": "x"}), "messages[0].tool_call_id"),
        (_body({"role": "assistant", "tool_calls": [{"id": "1"}]}), "messages[0].tool_calls[0].function"),
        (
            _body({"role": "assistant", "tool_calls": [{"id": "1", "type": "custom"}]}),
            "messages[0].tool_calls[0].custom",
        ),
        (_body(n=0), "n"),
        (_body(max_tokens=0), "max_tokens"),
        (_body(max_tokens=True), "max_tokens"),
        (_body(temperature="hot"), "temperature"),
        (_body(stop=[1]), "stop[0]"),
        (_body(stream="yes"), "stream"),
        (_body(tools=[{"type": "function"}]), "tools[0].function"),
        (_body(tools=[{"type": "function", "function": {}}]), "tools[0].function.name"),
        (_body(tool_choice="perhaps"), "tool_choice"),
        (_body(tool_choice={"type": "function"}), "tool_choice.function"),
    ],
)
def test_a_fault_is_named_by_its_field(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_request(body, {})
    assert refused.value.param == param
    assert refused.value.message.startswith(param)
