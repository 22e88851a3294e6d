from typing import Any

import pytest
from msgspec.structs import replace

from app.dialects.anthropic_messages import decode_request, encode_request
from app.errors import InvalidRequest
from app.messages import (
    DocumentPart,
    ImagePart,
    OpaquePart,
    Reasoning,
    RedactedThinkingPart,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolChoice,
    ToolResultPart,
)

_USER = {"role": "user", "content": "hi"}
_MARK = {"cache_control": {"type": "ephemeral"}}


def _body(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"model": "claude", "max_tokens": 10, "messages": list(messages) or [_USER], **fields}


def test_every_kind_of_block_becomes_a_part() -> None:
    server_tool = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    search_result = {"type": "search_result", "source": "https://example.org", "title": "t", "content": []}
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    request = decode_request(
        _body(
            {"role": "user", "content": [image, {"type": "text", "text": "Look.", **_MARK}, search_result]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "Hm", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "xyz"},
                    server_tool,
                    {"type": "tool_use", "id": "1", "name": "read", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "1", "content": [image], "is_error": True},
                    {"type": "tool_result", "tool_use_id": "2"},
                    {
                        "type": "document",
                        "title": "t",
                        "source": {"type": "text", "media_type": "text/plain", "data": "words"},
                    },
                ],
            },
            system=[{"type": "text", "text": "Be brief.", **_MARK}],
        ),
        {},
    )
    assert [message.role for message in request.messages] == ["system", "user", "assistant", "user"]
    assert request.messages[0].parts == (TextPart("Be brief.", _MARK),)
    assert request.messages[1].parts == (
        ImagePart(data="AAAA", media_type="image/png"),
        TextPart("Look.", _MARK),
        OpaquePart("anthropic_messages", search_result),
    )
    assert request.messages[2].parts == (
        ThinkingPart("Hm", "sig"),
        RedactedThinkingPart("xyz"),
        OpaquePart("anthropic_messages", server_tool),
        ToolCallPart("1", "read", '{"a":1}'),
    )
    assert request.messages[3].parts == (
        ToolResultPart("1", (ImagePart(data="AAAA", media_type="image/png"),), is_error=True),
        ToolResultPart("2"),
        DocumentPart(text="words", media_type="text/plain", title="t"),
    )


def test_parameters_have_their_places() -> None:
    schema = {"type": "object"}
    request = decode_request(
        _body(
            stream=True,
            temperature=0.5,
            top_p=0.9,
            top_k=5,
            stop_sequences=["END"],
            tools=[
                {"name": "read", "input_schema": schema, **_MARK},
                {"type": "web_search_20250305", "name": "web_search"},
            ],
            tool_choice={"type": "any", "disable_parallel_tool_use": True},
            thinking={"type": "enabled", "budget_tokens": 2000},
            output_config={"effort": "high", "format": {"type": "json_schema", "schema": schema}},
            metadata={"user_id": "u"},
            service_tier="auto",
        ),
        {"anthropic-beta": "b", "anthropic-version": "2023-06-01", "x-api-key": "key"},
    )
    assert (request.stream, request.temperature, request.top_p, request.top_k) == (True, 0.5, 0.9, 5)
    assert (request.max_tokens, request.stop, request.user) == (10, ("END",), "u")
    assert (request.tools[0].parameters, request.tools[0].extra) == (schema, _MARK)
    assert request.tools[1].raw == {"type": "web_search_20250305", "name": "web_search"}
    assert (request.tool_choice, request.parallel_tool_calls) == (ToolChoice("required"), False)
    assert request.reasoning == Reasoning(effort="high", budget_tokens=2000)
    assert request.response_format is not None
    assert request.response_format["json_schema"]["schema"] == schema
    assert request.extra == {"service_tier": "auto"}
    assert request.headers == {"anthropic-beta": "b", "anthropic-version": "2023-06-01"}


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ({"stream": False, "temperature": None, "system": None, "metadata": None, "container": None}, {}),
        ({"system": ""}, {}),
        ({"system": [{"type": "text", "text": "s"}]}, {"system": "s"}),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}, {}),
        (
            {"system": "a", "messages": [{"role": "system", "content": "b"}, _USER]},
            {"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        ),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "is_error": False}]}
                ]
            },
            {"messages": [{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1"}]}]},
        ),
    ],
)
def test_what_is_normalised_where_a_message_changed(written: dict[str, Any], meant: dict[str, Any]) -> None:
    changed = replace(decode_request({**_body(), **written}, {}), native=None)
    assert encode_request(changed) == {**_body(), **meant}


def test_what_nobody_changed_goes_on_as_the_client_wrote_it() -> None:
    messages = [{"role": "user", "content": [{"type": "text", "text": "hi"}], "unknown": None}]
    tools: list[dict[str, Any]] = [{"name": "read", "input_schema": {}, "unknown": None}]
    request = decode_request(_body(messages=messages, tools=tools), {})
    sent = encode_request(replace(request, temperature=0.5))
    assert sent["messages"] is messages
    assert sent["tools"] is tools
    assert request.map_text(str.upper).native_messages(request.dialect) is None
    assert encode_request(request.map_text(str.upper))["messages"][0]["content"] == "HI"
    assert "tools" not in encode_request(replace(request, tools=()))


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "model"),
        ({"model": "m", "messages": [_USER]}, "max_tokens"),
        (_body(max_tokens=None), "max_tokens"),
        (_body(max_tokens=-1), "max_tokens"),
        (_body() | {"messages": []}, "messages"),
        (_body({"role": "tool", "content": "x"}), "messages[0].role"),
        (_body({"role": "user"}), "messages[0].content"),
        (_body({"role": "user", "content": None}), "messages[0].content"),
        (_body(_USER, {"role": "user", "content": [{"type": "text"}]}), "messages[1].content[0].text"),
        (_body({"role": "user", "content": [{"type": "image"}]}), "messages[0].content[0].source"),
        (
            _body({"role": "assistant", "content": [{"type": "tool_use", "id": "1", "name": "f", "input": "{}"}]}),
            "messages[0].content[0].input",
        ),
        (
            _body({"role": "user", "content": [{"type": "tool_result", "tool_use_id": "1", "content": 3}]}),
            "messages[0].content[0].content",
        ),
        (
            _body(
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": 3}]}],
                }
            ),
            "messages[0].content[0].content[0].text",
        ),
        (_body(system=[{"type": "text"}]), "system[0].text"),
        (_body(tools=[{"name": "f"}]), "tools[0].input_schema"),
        (_body(tools=[{"input_schema": {}}]), "tools[0].name"),
        (_body(tool_choice={"type": "tool"}), "tool_choice.name"),
        (_body(tool_choice="auto"), "tool_choice"),
        (_body(thinking={"type": "enabled", "budget_tokens": "many"}), "thinking.budget_tokens"),
        (_body(stop_sequences="END"), "stop_sequences"),
    ],
)
def test_a_fault_is_named_by_its_field(body: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        decode_request(body, {})
    assert refused.value.param == param
