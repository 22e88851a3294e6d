"""Thinking that Anthropic did not sign goes to no provider that checks it."""

import copy
from typing import Any

import pytest

from app.dialects.anthropic_messages.request_decoding import decode_request
from app.dialects.anthropic_messages.request_encoding import encode_request
from app.dialects.openai_responses.request_decoding import decode_request as decode_responses

_TEXT = {"type": "text", "text": "a", "citations": None}
_SIGNED = {"type": "thinking", "thinking": "", "signature": "EqQBCg/+==", "x": 1}
_REDACTED = {"type": "redacted_thinking", "data": "EmwKAhgB"}
_CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
_FOREIGN = [
    {"type": "thinking", "thinking": "hm", "signature": ""},
    {"type": "thinking", "thinking": "hm"},
    {"type": "thinking", "thinking": "hm", "signature": "openai_chat:"},
    {"type": "thinking", "thinking": "hm", "signature": "91cfbb94-554b-4136-8e21-fa02280d56ed"},
    {"type": "redacted_thinking", "data": "openai_responses:gAAAA"},
]


def body_of(*blocks: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {
        "model": "m",
        "system": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "q", "cache_control": {"type": "ephemeral"}}]},
            {"role": "assistant", "content": list(blocks)},
            {"role": "user", "content": "and?"},
        ],
        "max_tokens": 3000,
        **fields,
    }


def encoded(body: dict[str, Any], unsigned: bool = False) -> dict[str, Any]:
    return encode_request(decode_request(copy.deepcopy(body), {}), unsigned)


@pytest.mark.parametrize("foreign", _FOREIGN, ids=["empty", "missing", "mark", "uuid", "encrypted"])
def test_foreign_thinking_alone_is_taken_out(foreign: dict[str, Any]) -> None:
    body = body_of(foreign, _SIGNED, _REDACTED, _TEXT, future=1)
    wanted = body_of(_SIGNED, _REDACTED, _TEXT, future=1)
    assert encoded(body) == wanted
    assert list(encoded(body)["messages"][1]["content"][0]) == list(_SIGNED)


def test_a_turn_of_nothing_else_is_left_out() -> None:
    sent = encoded(body_of(*_FOREIGN))["messages"]
    assert [message["role"] for message in sent] == ["user", "user"]


def test_what_holds_none_goes_on_as_the_very_messages_that_came() -> None:
    request = decode_request(body_of(_SIGNED, _TEXT), {})
    assert request.native is not None
    assert encode_request(request)["messages"] is request.native.body["messages"]


def test_a_budget_is_dropped_where_the_turn_that_goes_on_has_lost_its_thinking() -> None:
    thinking = {"type": "enabled", "budget_tokens": 2000}
    assert "thinking" not in encoded(body_of(_FOREIGN[0], _CALL, thinking=thinking))
    assert encoded(body_of(_FOREIGN[0], _SIGNED, _CALL, thinking=thinking))["thinking"] == thinking
    assert encoded(body_of(_CALL, thinking=thinking))["thinking"] == thinking
    assert encoded(body_of(_FOREIGN[0], _TEXT, thinking=thinking))["thinking"] == thinking
    adaptive = {"type": "adaptive"}
    assert encoded(body_of(_FOREIGN[0], _CALL, thinking=adaptive))["thinking"] == adaptive


def test_a_provider_that_takes_unsigned_thinking_gets_it_without_our_marks() -> None:
    sent = encoded(body_of(*_FOREIGN, _TEXT), unsigned=True)["messages"][1]["content"]
    assert sent == [*_FOREIGN[:2], {**_FOREIGN[2], "signature": ""}, _FOREIGN[3], _TEXT]


def test_thinking_from_a_client_of_another_api_does_not_go_either() -> None:
    items = [
        {"role": "user", "content": "q"},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "and?"},
    ]
    request = decode_responses({"model": "m", "input": items}, {})
    assert [message["content"] for message in encode_request(request)["messages"]] == ["q", [_text("a")], "and?"]
    readable = encode_request(request, True)["messages"][1]["content"]
    assert readable == [{"type": "thinking", "thinking": "hm", "signature": ""}, _text("a")]


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
