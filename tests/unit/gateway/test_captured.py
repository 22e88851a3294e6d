"""A client's request in the shape of the conventions: every kind of part, for each API, within a bound."""

import json
from typing import Any

import pytest

from app.dialects import DIALECTS
from app.gateway.captured import prompt_of
from app.messages import Dialect
from telemetry.recording.content import Conversation, Prompt
from telemetry.recording.content_attributes import rendered
from telemetry.redact import scrub

LIMIT = 8192
SCHEMA = {"type": "object", "properties": {"q": {"type": "string"}}}
TOOL = {"type": "function", "name": "search", "description": "looks", "parameters": SCHEMA}
PIXEL = "iVBORw0KGgo="


def prompt(dialect: Dialect, body: dict[str, Any], limit: int = LIMIT) -> Prompt:
    return prompt_of(DIALECTS[dialect].decode_request({"model": "m", **body}, {}), limit)


def recorded(dialect: Dialect, body: dict[str, Any]) -> dict[str, Any]:
    attributes = rendered(Conversation(prompt(dialect, body), LIMIT), scrub).attributes
    return {name.removeprefix("gen_ai."): json.loads(str(value)) for name, value in attributes.items()}


def test_chat_completions() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q": "x"}'}}
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    page = {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}}
    found = recorded(
        "openai_chat",
        {
            "messages": [
                {"role": "system", "content": "be brief"},
                {"role": "user", "content": [{"type": "text", "text": "look"}, image, audio, page]},
                {"role": "assistant", "content": None, "tool_calls": [call]},
                {"role": "tool", "tool_call_id": "c1", "content": "found"},
            ],
            "tools": [{"type": "function", "function": {k: v for k, v in TOOL.items() if k != "type"}}],
        },
    )
    assert found == {
        "input.messages": [
            {"role": "system", "parts": [{"type": "text", "content": "be brief"}]},
            {
                "role": "user",
                "parts": [
                    {"type": "text", "content": "look"},
                    {"type": "blob", "modality": "image", "content": PIXEL, "mime_type": "image/png"},
                    {"type": "blob", "modality": "audio", "content": "AAAA", "mime_type": "audio/wav"},
                    {"type": "uri", "modality": "image", "uri": "https://a.example/b.png"},
                ],
            },
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "id": "c1", "name": "search", "arguments": {"q": "x"}}],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "found"}]},
        ],
        "tool.definitions": [TOOL],
    }


def test_anthropic_messages() -> None:
    found = recorded(
        "anthropic_messages",
        {
            "max_tokens": 9,
            "system": [{"type": "text", "text": "be brief"}, {"type": "text", "text": "and kind"}],
            "messages": [
                {"role": "user", "content": "look"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "s"},
                        {"type": "redacted_thinking", "data": "opaque"},
                        {"type": "tool_use", "id": "c1", "name": "search", "input": {"q": "x"}},
                        {"type": "tool_use", "id": "c2", "name": "search", "input": {}},
                        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
                        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"title": "t"}]},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "c1", "content": "found", "is_error": True},
                        {
                            "type": "tool_result",
                            "tool_use_id": "c2",
                            "content": [
                                {"type": "text", "text": "a picture"},
                                {
                                    "type": "image",
                                    "source": {"type": "base64", "media_type": "image/png", "data": PIXEL},
                                },
                            ],
                        },
                        {"type": "text", "text": "go on"},
                    ],
                },
            ],
            "tools": [{"name": "search", "description": "looks", "input_schema": SCHEMA}],
        },
    )
    picture = {"type": "blob", "modality": "image", "content": PIXEL, "mime_type": "image/png"}
    assert found == {
        "system_instructions": [{"type": "text", "content": "be brief"}, {"type": "text", "content": "and kind"}],
        "input.messages": [
            {"role": "user", "parts": [{"type": "text", "content": "look"}]},
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "hm"},
                    {"type": "redacted_thinking"},
                    {"type": "tool_call", "id": "c1", "name": "search", "arguments": {"q": "x"}},
                    {"type": "tool_call", "id": "c2", "name": "search", "arguments": {}},
                    {
                        "type": "server_tool_call",
                        "id": "s1",
                        "name": "web_search",
                        "server_tool_call": {"type": "web_search", "input": {"query": "x"}},
                    },
                    {
                        "type": "server_tool_call_response",
                        "id": "s1",
                        "server_tool_call_response": {"type": "web_search_tool_result", "content": [{"title": "t"}]},
                    },
                ],
            },
            {
                "role": "tool",
                "parts": [{"type": "tool_call_response", "id": "c1", "response": "found", "is_error": True}],
            },
            {
                "role": "tool",
                "parts": [
                    {
                        "type": "tool_call_response",
                        "id": "c2",
                        "response": [{"type": "text", "content": "a picture"}, picture],
                    }
                ],
            },
            {"role": "user", "parts": [{"type": "text", "content": "go on"}]},
        ],
        "tool.definitions": [TOOL],
    }


def test_responses() -> None:
    found = recorded(
        "openai_responses",
        {
            "instructions": "be brief",
            "input": [
                {"role": "user", "content": [{"type": "input_text", "text": "look"}]},
                {"type": "function_call", "call_id": "c1", "name": "search", "arguments": '{"q": "x"}'},
                {"type": "function_call_output", "call_id": "c1", "output": "found"},
                {"type": "web_search_call", "id": "ws_1", "status": "completed"},
            ],
            "tools": [TOOL, {"type": "web_search", "search_context_size": "low"}],
        },
    )
    assert found == {
        "system_instructions": [{"type": "text", "content": "be brief"}],
        "input.messages": [
            {"role": "user", "parts": [{"type": "text", "content": "look"}]},
            {
                "role": "assistant",
                "parts": [{"type": "tool_call", "id": "c1", "name": "search", "arguments": {"q": "x"}}],
            },
            {"role": "tool", "parts": [{"type": "tool_call_response", "id": "c1", "response": "found"}]},
            {"role": "assistant", "parts": [{"type": "web_search_call", "id": "ws_1", "status": "completed"}]},
        ],
        "tool.definitions": [TOOL, {"type": "web_search", "name": "web_search", "search_context_size": "low"}],
    }


@pytest.mark.parametrize(("dialect", "field"), [("openai_embeddings", "input"), ("openai_completions", "prompt")])
def test_inputs(dialect: Dialect, field: str) -> None:
    assert recorded(dialect, {field: ["one", "two"]}) == {
        "input.messages": [
            {"role": "user", "parts": [{"type": "text", "content": "one"}]},
            {"role": "user", "parts": [{"type": "text", "content": "two"}]},
        ]
    }
    assert recorded(dialect, {field: [1, 2, 3]}) == {
        "input.messages": [{"role": "user", "parts": [{"type": "tokens", "count": 3}]}]
    }


def characters(value: object) -> int:
    match value:
        case str():
            return len(value)
        case dict():
            return sum(map(characters, value.values()))
        case list() | tuple():
            return sum(map(characters, value))
        case Prompt():
            return characters([value.system, value.messages, value.tools])
        case _:
            return 0


@pytest.mark.parametrize(
    "content",
    [
        "x" * 3_000_000,
        [{"type": "text", "text": "y" * 5000} for _ in range(600)],
        [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{'A' * 3_000_000}"}}],
        [{"type": "unheard_of", "data": {"x": "z" * 3_000_000}}],
    ],
)
def test_of_megabytes_little_is_kept(content: Any) -> None:
    message = {"role": "user", "content": content}
    small = {"role": "user", "content": "small"}
    kept = prompt("openai_chat", {"messages": [message, *[small] * 20, message, message]})
    assert characters(kept) < 10 * LIMIT
    assert kept.size >= characters(kept) // 2
    assert sum(one == {"role": "user", "parts": [{"type": "text", "content": "small"}]} for one in kept.messages) <= 20
