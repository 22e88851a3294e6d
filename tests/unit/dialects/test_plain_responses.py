"""Whole answers of the most frequent forms: what is read off at once is what a look at all of the body finds."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.backends.direct.bodies import is_plain_json, parse_body
from app.dialects.anthropic_messages import mending as anthropic_mending
from app.dialects.anthropic_messages import plain_response as anthropic_plain
from app.dialects.anthropic_messages import response_decoding as anthropic_decoding
from app.dialects.finish_reasons import refuse_failed, with_native_reasons
from app.dialects.openai_chat import mending as openai_mending
from app.dialects.openai_chat import plain_response as openai_plain
from app.dialects.openai_chat import response_decoding as openai_decoding
from app.dialects.openai_responses import mending as responses_mending
from app.dialects.openai_responses import plain_response as responses_plain
from app.dialects.openai_responses import response_decoding as responses_decoding
from app.dialects.response_checks import checked
from app.messages import Dialect, ModelResponse

_CALL = {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a"}'}}
_CHAT = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello", "refusal": None, "annotations": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 9,
        "completion_tokens": 8,
        "total_tokens": 17,
        "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": 0},
    },
    "service_tier": "default",
    "system_fingerprint": None,
}
_CHAT_CALLS = {
    **_CHAT,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": None, "tool_calls": [_CALL, {**_CALL, "id": "call_2"}]},
            "finish_reason": "tool_calls",
        }
    ],
}
_TEXT_BLOCK = {"type": "text", "text": "Hello"}
_MESSAGE = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [_TEXT_BLOCK],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 9,
        "output_tokens": 8,
        "cache_read_input_tokens": 5,
        "cache_creation_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0},
        "service_tier": "standard",
    },
}
_MESSAGE_CALLS = {
    **_MESSAGE,
    "content": [_TEXT_BLOCK, {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"path": "a"}}],
    "stop_reason": "tool_use",
}


_RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "model": "m",
    "output": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "secret"},
        {
            "type": "message",
            "id": "msg_1",
            "status": "completed",
            "role": "assistant",
            "content": [{"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}],
        },
    ],
    "parallel_tool_calls": True,
    "store": True,
    "text": {"format": {"type": "text"}},
    "tools": [],
    "usage": {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 8,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 17,
    },
    "user": None,
    "metadata": {},
}
_RESPONSE_CALLS = {
    **_RESPONSE,
    "output": [
        {
            "type": "function_call",
            "id": "fc_1",
            "call_id": "call_1",
            "name": "read",
            "arguments": "{}",
            "status": "completed",
        }
    ],
}
_WAYS: dict[Dialect, tuple[Any, ...]] = {
    "openai_chat": (openai_plain.decode_plain, openai_mending.mend_response, openai_decoding.decode_response),
    "anthropic_messages": (
        anthropic_plain.decode_plain,
        anthropic_mending.mend_response,
        anthropic_decoding.decode_response,
    ),
    "openai_responses": (
        responses_plain.decode_plain,
        responses_mending.mend_response,
        responses_decoding.decode_response,
    ),
}
_BODIES: list[tuple[Dialect, dict[str, Any]]] = [
    ("openai_chat", _CHAT),
    ("openai_chat", _CHAT_CALLS),
    ("anthropic_messages", _MESSAGE),
    ("anthropic_messages", _MESSAGE_CALLS),
    ("openai_responses", _RESPONSE),
    ("openai_responses", _RESPONSE_CALLS),
]


def _looked_into(dialect: Dialect, raw: bytes) -> tuple[ModelResponse, bytes]:
    _, mend, decode = _WAYS[dialect]
    body = parse_body(raw, str)
    is_mended = mend(body)
    response = refuse_failed(checked(decode(body)))
    assert not is_mended
    assert is_plain_json(raw)
    return response, with_native_reasons(dialect, raw, body, response)


@pytest.mark.parametrize(("dialect", "body"), _BODIES)
def test_usual_answers_are_plain(dialect: Dialect, body: dict[str, Any]) -> None:
    raw = msgspec.json.encode(body)
    plain = _WAYS[dialect][0](raw)
    assert plain is not None
    assert (plain, raw) == _looked_into(dialect, raw)


def _paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*path, name)
            yield from _paths(inner, (*path, name))
    if isinstance(value, list):
        for at, inner in enumerate(value):
            yield (*path, at)
            yield from _paths(inner, (*path, at))


def _within(body: Any, path: tuple[Any, ...]) -> Any:
    """What holds the last step of a path."""
    for step in path[:-1]:
        body = body[step]
    return body


_VALUES: st.SearchStrategy[Any] = st.sampled_from(
    [
        *(None, "", "stop", "length", "tool_calls", "tool_use", "end_turn", "max_tokens", "stop_sequence", "error"),
        *(
            "function",
            "completed",
            "in_progress",
            "failed",
            "output_text",
            "custom_tool_call",
            "text",
            "null",
            0,
            1,
            -1,
            7,
            1.0,
            2**70,
            True,
            False,
            [],
            {},
            [None],
            [{}],
            ["a"],
            {"a": 1},
            "é",
        ),
    ]
)
_NEW_NAMES = st.sampled_from(
    [
        *("error", "usage", "reasoning", "reasoning_content", "reasoning_details", "tool_calls", "function_call"),
        *("audio", "stop_reason", "matched_stop", "token_ids", "logprobs", "index", "x_groq", "citations", "caller"),
        *("container", "stop_details", "signature", "extra_content", "message", "detail", "status", "base_resp"),
        *("prompt_tokens", "total_tokens", "prompt_logprobs", "obfuscation", "stop_sequence", "text", "thinking"),
    ]
)


@st.composite
def _changed(draw: st.DrawFn) -> tuple[Dialect, dict[str, Any]]:
    """A usual answer in which one or a few things are otherwise."""
    dialect, usual = draw(st.sampled_from(_BODIES))
    body = deepcopy(usual)
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from([*_paths(body)] or [("usage",)]))
        within, value = _within(body, path), deepcopy(draw(_VALUES))
        match draw(st.sampled_from(["set", "remove", "add"])):
            case "remove" if len(body) > 1 or len(path) > 1:
                del within[path[-1]]
            case "add" if isinstance(within, dict):
                within[draw(_NEW_NAMES)] = value
            case _:
                within[path[-1]] = value
    return dialect, body


@given(_changed())
@settings(max_examples=300, deadline=None)
def test_any_answer_that_is_plain_is_what_a_look_at_all_of_it_finds(changed: tuple[Dialect, dict[str, Any]]) -> None:
    dialect, body = changed
    raw = msgspec.json.encode(body)
    plain = _WAYS[dialect][0](raw)
    if plain is not None:
        assert (plain, raw) == _looked_into(dialect, raw)


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"choices": [', b"[" * 100_000, b"\xef\xbb\xbf{}"])
def test_what_is_no_plain_answer_is_none(raw: bytes) -> None:
    assert openai_plain.decode_plain(raw) is None
    assert anthropic_plain.decode_plain(raw) is None
    assert responses_plain.decode_plain(raw) is None
