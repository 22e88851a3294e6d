"""Messages bodies as the round trip keeps them: no nulls, a text alone as a string, no system message first."""

from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

from tests.unit.dialects.samples import json_objects, json_values, one_of_each

_text = st.text(max_size=8).map(lambda text: f"a{text}b")
"""Blank texts are left out, and white space at the end of an answer's beginning."""
_name = st.sampled_from(["read", "write", "mcp__files__read"])
_id = st.sampled_from(["toolu_1", "toolu_2"])
_mark: dict[str, Any] = {"cache_control": st.just({"type": "ephemeral"})}

_text_block = one_of_each({"type": st.just("text"), "text": _text}, {**_mark, "citations": st.just([])})
_marked_text = one_of_each({"type": st.just("text"), "text": _text, **_mark}, {})
_image_source = st.sampled_from(
    [
        {"type": "base64", "media_type": "image/png", "data": "AAAA"},
        {"type": "url", "url": "https://example.org/a.png"},
        {"type": "url", "url": "https://example.org/a.png", "x_unknown": 1},
        {"type": "file", "file_id": "file_1"},
    ]
)
_image = one_of_each({"type": st.just("image"), "source": _image_source}, _mark)
_document_source = st.sampled_from(
    [
        {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
        {"type": "text", "media_type": "text/plain", "data": "hello"},
        {"type": "url", "url": "https://example.org/a.pdf"},
        {"type": "file", "file_id": "file_1"},
        {"type": "content", "content": [{"type": "text", "text": "x"}]},
    ]
)
_document = one_of_each(
    {"type": st.just("document"), "source": _document_source},
    {**_mark, "title": _text, "context": _text, "citations": st.just({"enabled": True})},
)
_call = one_of_each(
    {"type": st.just("tool_use"), "id": _id, "name": _name, "input": json_objects},
    {**_mark, "caller": st.just({"type": "direct"})},
)
_server_tool = st.sampled_from(
    [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "search_result", "title": "t", "source": "s", "content": []},
        {"type": "not_known_yet"},
    ]
)
_result_content = _text | st.lists(_text_block | _image | _document | _server_tool, min_size=2, max_size=3)
_result = one_of_each(
    {"type": st.just("tool_result"), "tool_use_id": _id},
    {**_mark, "content": _result_content, "is_error": st.just(True)},
)
_thinking = st.sampled_from(
    [
        {"type": "thinking", "thinking": "Hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
    ]
)
_user_blocks = st.lists(_text_block | _image | _document | _result | _server_tool, min_size=2, max_size=4)
_user_content = _text | _user_blocks | st.lists(_marked_text | _result | _image, min_size=1, max_size=1)
_assistant_content = _text | st.lists(_thinking | _text_block | _call | _server_tool, min_size=2, max_size=4)
_user = one_of_each({"role": st.just("user"), "content": _user_content}, {"x_unknown": json_values})
_assistant = one_of_each({"role": st.just("assistant"), "content": _assistant_content}, {"x_unknown": json_values})
_system = st.fixed_dictionaries({"role": st.just("system"), "content": _text})

_tool = st.one_of(
    one_of_each(
        {"name": _name, "input_schema": json_objects},
        {
            **_mark,
            "type": st.just("custom"),
            "description": _text,
            "strict": st.booleans(),
            "defer_loading": st.booleans(),
        },
    ),
    st.just({"type": "web_search_20250305", "name": "web_search", "max_uses": 3}),
    st.just({"type": "mcp_toolset", "mcp_server_name": "x"}),
)
_parallel = {"disable_parallel_tool_use": st.booleans()}
_tool_choice = st.one_of(
    one_of_each({"type": st.sampled_from(["auto", "any"])}, _parallel),
    one_of_each({"type": st.just("tool"), "name": _name}, _parallel),
    st.just({"type": "none"}),
    st.just({"type": "not_known_yet", "x": 1}),
)
_thinking_config = st.sampled_from(
    [
        {"type": "enabled", "budget_tokens": 1024},
        {"type": "enabled", "budget_tokens": 2048, "display": "omitted"},
        {"type": "disabled"},
        {"type": "adaptive"},
        {"type": "adaptive", "display": "summarized"},
    ]
)
_output_config = one_of_each(
    {},
    {
        "effort": st.sampled_from(["low", "max"]),
        "format": st.sampled_from(
            [{"type": "json_schema", "schema": {"type": "object"}}, {"type": "not_known_yet", "x": 1}]
        ),
        "x_unknown": st.just(1),
    },
).filter(bool)


def _with_unique_calls(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each call with an id of its own: the API refuses a conversation in which two have the same."""
    count = 0
    for message in messages:
        for block in message["content"] if isinstance(message["content"], list) else ():
            if block["type"] == "tool_use":
                count += 1
                block["id"] = f"toolu_{count}"
    return messages


anthropic_bodies = one_of_each(
    {
        "model": st.just("claude"),
        "max_tokens": st.integers(0, 100),
        "messages": st.tuples(_user, st.lists(_user | _assistant | _system, max_size=3)).map(
            lambda m: _with_unique_calls(deepcopy([m[0], *m[1]]))
        ),
    },
    {
        "system": _text | st.lists(_text_block, min_size=2, max_size=3),
        "stream": st.just(True),
        "temperature": st.floats(0, 1),
        "top_p": st.floats(0, 1),
        "top_k": st.integers(0, 10),
        "stop_sequences": st.lists(_text, min_size=1, max_size=2),
        "tools": st.lists(_tool, min_size=1, max_size=2),
        "tool_choice": _tool_choice,
        "thinking": _thinking_config,
        "output_config": _output_config,
        "metadata": st.sampled_from([{"user_id": "u"}, {"user_id": "u", "x_unknown": 1}, {"x_unknown": 1}]),
        "service_tier": st.just("auto"),
        "container": st.just("c"),
        "x_unknown": json_values.filter(lambda value: value is not None),
    },
).map(lambda body: body if "tools" in body else {name: body[name] for name in body if name != "tool_choice"})
