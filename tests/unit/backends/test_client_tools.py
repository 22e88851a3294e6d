"""Calls of tools that a provider was told of otherwise, in a stream whose events come together."""

import json
from typing import Any

from app.backends.client_tools import ClientTools
from app.dialects import openai_responses
from tests.unit.dialects.decoding import together

_PATCH = {"type": "custom", "name": "patch", "description": "Edits files."}
_HEAD = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "usage": {"input_tokens": 3}}


def _body(pieces: list[str]) -> bytes:
    block = {"type": "tool_use", "id": "toolu_1", "name": "patch", "input": {}}
    rows: list[dict[str, Any]] = [
        {"type": "message_start", "message": _HEAD},
        {"type": "content_block_start", "index": 0, "content_block": block},
        *(
            {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}}
            for piece in pieces
        ),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]
    return b"".join(b"event: %b\ndata: %b\n\n" % (row["type"].encode(), json.dumps(row).encode()) for row in rows)


def test_each_piece_of_a_custom_tools_text_goes_on_by_itself() -> None:
    request = openai_responses.decode_request({"model": "m", "input": "Go.", "tools": [_PATCH]}, {})
    received, error = together("anthropic_messages", _body(['{"input": "', "a", "b", "c", '"}']))
    assert error is None
    assert max(one.count for one in received) == 5
    out = ClientTools(request).batch(received)
    calls = [call for one in out for choice in one.chunk.choices if choice.delta for call in choice.delta.tool_calls]
    assert [call.function.arguments for call in calls if call.type == "custom"] == ["", "", "a", "b", "c", ""]
    assert sum(one.count for one in out) == sum(one.count for one in received)
