"""A request of one dialect for a provider of the other."""

from typing import Any

import pytest

from app.dialects import anthropic_messages, openai_chat
from app.dialects.anthropic_messages.request_encoding import DEFAULT_MAX_TOKENS
from app.errors import InvalidRequest


def _to_anthropic(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    sent = list(messages) or [{"role": "user", "content": "hi"}]
    body = {"model": "m", "messages": sent, **fields}
    return anthropic_messages.encode_request(openai_chat.decode_request(body, {}))


def _to_openai(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    sent = list(messages) or [{"role": "user", "content": "hi"}]
    body = {"model": "m", "max_tokens": 10, "messages": sent, **fields}
    return openai_chat.encode_request(anthropic_messages.decode_request(body, {}))


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def _call(id: str, arguments: str = "{}") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "read", "arguments": arguments}}


def test_opening_system_messages_are_hoisted_and_neighbours_of_a_role_merged() -> None:
    body = _to_anthropic(
        {"role": "system", "content": "a"},
        {"role": "developer", "content": "b"},
        {"role": "user", "content": "1"},
        {
            "role": "user",
            "content": [_text("2"), {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}],
        },
        {"role": "developer", "content": "c"},
        {"role": "assistant", "content": "3"},
    )
    assert body["system"] == [_text("a"), _text("b")]
    assert body["messages"] == [
        {
            "role": "user",
            "content": [
                _text("1"),
                _text("2"),
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA"}},
                _text("<system-reminder>\nc\n</system-reminder>"),
            ],
        },
        {"role": "assistant", "content": "3"},
    ]


def test_several_tool_messages_become_one_user_message_with_their_ids_made_fit() -> None:
    body = _to_anthropic(
        {"role": "user", "content": "go"},
        {"role": "assistant", "content": "", "tool_calls": [_call("a.1", '{"x": 1}'), _call("b", "{broken")]},
        {"role": "tool", "tool_call_id": "a.1", "content": "one"},
        {"role": "tool", "tool_call_id": "b", "content": [_text("two"), _text("three")]},
        {"role": "user", "content": "and?"},
    )
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "tool_use", "id": "a_1", "name": "read", "input": {"x": 1}},
                {"type": "tool_use", "id": "b", "name": "read", "input": {"raw_arguments": "{broken"}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "a_1", "content": "one"},
                {"type": "tool_result", "tool_use_id": "b", "content": [_text("two"), _text("three")]},
                _text("and?"),
            ],
        },
    ]


def test_tool_results_of_a_user_message_become_tool_messages_before_it() -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://example.org/a.png"}}
    body = _to_openai(
        {"role": "user", "content": "go"},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm", "signature": "sig"},
                _text("Reading."),
                {"type": "tool_use", "id": "1", "name": "read", "input": {"x": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": [_text("one"), image], "is_error": True},
                {"type": "tool_result", "tool_use_id": "2", "content": "two"},
                {"type": "text", "text": "and?", "cache_control": {"type": "ephemeral"}},
            ],
        },
        system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
    )
    assert body["messages"] == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "go"},
        {
            "role": "assistant",
            "content": "Reading.",
            "reasoning_content": "Hm",
            "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "sig"}],
            "tool_calls": [_call("1", '{"x":1}')],
        },
        {"role": "tool", "tool_call_id": "1", "content": "Error: one"},
        {"role": "tool", "tool_call_id": "2", "content": "two"},
        {
            "role": "user",
            "content": [
                _text("Output of tool call 1:"),
                {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
                _text("and?"),
            ],
        },
    ]


def test_documents_are_translated_both_ways() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "AA"}
    body = _to_openai(
        {
            "role": "user",
            "content": [
                {"type": "document", "source": pdf, "title": "a.pdf"},
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "words"},
                    "title": "t",
                },
            ],
        }
    )
    file = {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA", "filename": "a.pdf"}}
    assert body["messages"][0]["content"] == [file, _text("t\n\nwords")]
    assert _to_anthropic({"role": "user", "content": [file]})["messages"][0]["content"] == [
        {"type": "document", "title": "a.pdf", "source": pdf}
    ]


def test_options_change_their_names() -> None:
    body = _to_anthropic(
        max_tokens=5,
        stop="END",
        temperature=0.5,
        tools=[{"type": "function", "function": {"name": "read", "description": "d"}}],
        tool_choice="required",
        parallel_tool_calls=False,
        user="u",
        seed=3,
        stream=True,
        stream_options={"include_usage": True},
    )
    assert body == {
        "model": "m",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "hi"}],
        "stream": True,
        "temperature": 0.5,
        "stop_sequences": ["END"],
        "tools": [{"name": "read", "description": "d", "input_schema": {"type": "object", "properties": {}}}],
        "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
        "metadata": {"user_id": "u"},
    }
    assert _to_openai(
        stop_sequences=["END"],
        top_k=3,
        tools=[{"name": "read", "input_schema": {"type": "object"}, "cache_control": {"type": "ephemeral"}}],
        tool_choice={"type": "tool", "name": "read", "disable_parallel_tool_use": True},
        metadata={"user_id": "u"},
        thinking={"type": "enabled", "budget_tokens": 8192},
        stream=True,
    ) == {
        "model": "m",
        "max_completion_tokens": 10,
        "messages": [{"role": "user", "content": "hi"}],
        "stop": ["END"],
        "tools": [{"type": "function", "function": {"name": "read", "parameters": {"type": "object"}}}],
        "tool_choice": {"type": "function", "function": {"name": "read"}},
        "parallel_tool_calls": False,
        "user": "u",
        "reasoning_effort": "medium",
        "stream": True,
    }


@pytest.mark.parametrize(
    ("openai", "anthropic"), [("auto", {"type": "auto"}), ("none", {"type": "none"}), ("required", {"type": "any"})]
)
def test_tool_choices_have_counterparts(openai: str, anthropic: dict[str, Any]) -> None:
    tool = {"name": "f", "input_schema": {}}
    function = {"type": "function", "function": {"name": "f"}}
    assert _to_anthropic(tool_choice=openai, tools=[function])["tool_choice"] == anthropic
    assert _to_openai(tool_choice=anthropic, tools=[tool])["tool_choice"] == openai


def test_without_a_limit_anthropic_gets_a_default_with_room_to_think() -> None:
    assert _to_anthropic()["max_tokens"] == DEFAULT_MAX_TOKENS
    body = _to_anthropic(reasoning_effort="high")
    assert body["max_tokens"] == DEFAULT_MAX_TOKENS + body["thinking"]["budget_tokens"]


@pytest.mark.parametrize(
    ("fields", "budget"),
    [
        ({"reasoning_effort": "low"}, 2048),
        ({"reasoning_effort": "low", "max_tokens": 3000}, 1976),
        ({"reasoning_effort": "low", "max_tokens": 1000}, None),
        ({"reasoning_effort": "none"}, None),
        ({"reasoning_effort": "unheard of"}, 8192),
        ({"reasoning_effort": "low", "tool_choice": "required"}, None),
        ({"reasoning_effort": "low", "temperature": 0.2}, None),
    ],
)
def test_an_effort_becomes_a_budget_where_there_may_be_one(fields: dict[str, Any], budget: int | None) -> None:
    assert _to_anthropic(**fields).get("thinking", {}).get("budget_tokens") == budget


def test_thinking_may_be_asked_of_anthropic_in_its_own_words() -> None:
    thinking = {"type": "enabled", "budget_tokens": 3000}
    body = _to_anthropic(thinking=thinking, top_k=5, reasoning_effort="low", temperature=1)
    assert (body["thinking"], body["top_k"]) == (thinking, 5)
    assert body["max_tokens"] == DEFAULT_MAX_TOKENS + 3000


def test_no_thinking_is_asked_for_after_a_call_whose_thinking_is_lost() -> None:
    call = {"role": "assistant", "content": None, "tool_calls": [_call("1")]}
    result = {"role": "tool", "tool_call_id": "1", "content": "x"}
    assert "thinking" not in _to_anthropic(call, result, reasoning_effort="low")
    signed = {**call, "thinking_blocks": [{"type": "thinking", "thinking": "Hm", "signature": "sig"}]}
    body = _to_anthropic(signed, result, reasoning_effort="low")
    assert body["thinking"]["budget_tokens"] == 2048
    assert body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "Hm", "signature": "sig"}


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        ({"type": "enabled", "budget_tokens": 1024}, "low"),
        ({"type": "enabled", "budget_tokens": 31999}, "high"),
        ({"type": "disabled"}, None),
        ({"type": "adaptive"}, None),
    ],
)
def test_a_budget_becomes_an_effort(thinking: dict[str, Any], effort: str | None) -> None:
    assert _to_openai(thinking=thinking).get("reasoning_effort") == effort
    assert _to_openai(thinking=thinking, output_config={"effort": "max"})["reasoning_effort"] == "max"


def test_an_answer_format_with_a_schema_has_a_counterpart() -> None:
    schema = {"type": "object"}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    assert _to_anthropic(response_format=wanted)["output_config"] == {
        "format": {"type": "json_schema", "schema": {"type": "object", "additionalProperties": False}}
    }
    assert "output_config" not in _to_anthropic(response_format={"type": "text"})
    body = _to_openai(output_config={"format": {"type": "json_schema", "schema": schema}})
    assert body["response_format"]["json_schema"]["schema"] == schema


def test_unsigned_thinking_and_empty_texts_do_not_reach_anthropic() -> None:
    body = _to_anthropic(
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": "", "reasoning_content": "Hm"},
        {"role": "user", "content": [_text(""), _text("there")]},
    )
    assert body["messages"] == [{"role": "user", "content": [_text("hi"), _text("there")]}]


def test_an_old_provider_tool_in_the_conversation_is_left_out() -> None:
    searched = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    body = _to_openai({"role": "user", "content": "hi"}, {"role": "assistant", "content": [searched, _text("Found.")]})
    assert body["messages"][1] == {"role": "assistant", "content": [_text("Found.")]}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"functions": [{"name": "f"}], "function_call": "other"}, "function_call"),
        ({"web_search_options": {"search_context_size": "low"}}, "web_search_options"),
        ({"response_format": {"type": "grammar"}}, "response_format"),
        ({"tool_choice": {"type": "allowed_tools", "allowed_tools": {}}}, "tool_choice"),
        ({"tools": [{"type": "web_search"}]}, "tools[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}]},
            "messages[0].content[0]",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
            "messages[0].content[0]",
        ),
        ({"messages": [{"role": "assistant", "audio": {"id": "a"}}]}, "messages[0].audio"),
        ({"messages": [{"role": "system", "content": "alone"}]}, "messages"),
    ],
)
def test_what_anthropic_cannot_be_asked_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        _to_anthropic(**fields)
    assert refused.value.param == param


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"inference_geo": "eu"}, "inference_geo"),
        ({"mcp_servers": [{"url": "https://example.org"}]}, "mcp_servers"),
        ({"output_config": {"format": {"type": "not_known_yet"}}}, "output_config.format"),
        ({"tool_choice": {"type": "not_known_yet"}}, "tool_choice"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "tools[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "search_result"}]}], "system": "s"},
            "messages[0].content[0]",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "url", "url": "u"}}]}]},
            "messages[0].content[0]",
        ),
    ],
)
def test_what_openai_cannot_be_asked_is_refused_by_name(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        _to_openai(**fields)
    assert refused.value.param == param


@pytest.mark.parametrize(
    "fields", [{"seed": 1}, {"logprobs": False}, {"modalities": ["text"]}, {"store": True}, {"x_unknown": 1}, {"n": 1}]
)
def test_what_changes_no_meaning_is_dropped(fields: dict[str, Any]) -> None:
    assert _to_anthropic(**fields) == _to_anthropic()
