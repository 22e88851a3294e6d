"""Chat completions bodies as the round trip keeps them: no nulls, a text alone as a string, `stop` as a list."""

from typing import Any

from hypothesis import strategies as st

from tests.unit.dialects.samples import json_objects, json_values, one_of_each

_text = st.text(max_size=8)
_name = st.sampled_from(["read", "write", "read-file"])
_id = st.sampled_from(["call_1", "call_2"])
_unknown: dict[str, Any] = {"x_unknown": json_values.filter(lambda value: value is not None)}

_text_part = one_of_each({"type": st.just("text"), "text": _text}, _unknown)
_marked_text = one_of_each({"type": st.just("text"), "text": _text, "cache_control": json_objects}, {})
_url = st.sampled_from(
    [
        "https://example.org/a.png",
        "data:image/png;base64,AAAA",
        "data:image/png;base64,",
        "data:a;b=c;base64,A",
    ]
)
_image = one_of_each(
    {"type": st.just("image_url"), "image_url": one_of_each({"url": _url}, {"detail": st.just("low")})}, _unknown
)
_file_fields: dict[str, Any] = {
    "file_data": st.sampled_from(["data:application/pdf;base64,AAAA", "AAAA"]),
    "file_id": st.just("file-1"),
    "filename": st.just("a.pdf"),
    "x_unknown": st.just(1),
}
_file = one_of_each({"type": st.just("file"), "file": one_of_each({}, _file_fields)}, _unknown)
_audio = st.just({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})
_refusal = one_of_each({"type": st.just("refusal"), "refusal": _text}, _unknown)
_parts = st.lists(_text_part | _image | _file | _audio, min_size=2, max_size=3)
_content = _text | _parts | st.lists(_marked_text | _image, min_size=1, max_size=1)
_texts = _text | st.lists(_text_part, min_size=2, max_size=3)

_function = one_of_each({"name": _name, "arguments": st.sampled_from(["{}", '{"a": 1}', "{"])}, _unknown)
_call = one_of_each({"id": _id, "type": st.just("function"), "function": _function}, _unknown)
_custom_call = st.fixed_dictionaries(
    {"id": _id, "type": st.just("custom"), "custom": st.just({"name": "run", "input": "free text"})}
)
_thinking_blocks = st.just(
    [
        {"type": "thinking", "thinking": "Hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
    ]
)
_assistant = one_of_each(
    {
        "role": st.just("assistant"),
        "content": st.none() | _text | st.lists(_text_part | _refusal, min_size=2, max_size=3),
    },
    {
        "tool_calls": st.lists(_call | _custom_call, min_size=1, max_size=3),
        "function_call": st.just({"name": "read", "arguments": "{}"}),
        "thinking_blocks": _thinking_blocks,
        "name": st.just("bot"),
        "audio": st.just({"id": "audio_1"}),
        **_unknown,
    },
)
_message = st.one_of(
    one_of_each({"role": st.sampled_from(["system", "developer"]), "content": _texts}, _unknown),
    one_of_each({"role": st.just("user"), "content": _content}, {"name": st.just("bob"), **_unknown}),
    _assistant,
    st.just({"role": "assistant", "content": None, "refusal": "No."}),
    st.just({"role": "assistant", "content": "4", "reasoning_content": "2 + 2"}),
    one_of_each({"role": st.just("tool"), "tool_call_id": _id, "content": _texts}, _unknown),
    one_of_each({"role": st.just("function"), "name": _name, "content": _text}, _unknown),
)
_definition = one_of_each(
    {"name": _name}, {"description": _text, "parameters": json_objects, "strict": st.booleans(), **_unknown}
)
_tool = one_of_each({"type": st.just("function"), "function": _definition}, _unknown) | st.just(
    {"type": "custom", "custom": {"name": "run", "format": {"type": "text"}}}
)
_tool_choice = st.sampled_from(
    [
        "auto",
        "none",
        "required",
        {"type": "function", "function": {"name": "read"}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}},
    ]
)

openai_bodies = one_of_each(
    {"model": st.just("gpt-5"), "messages": st.lists(_message, min_size=1, max_size=4)},
    {
        "stream": st.just(True),
        "stream_options": st.sampled_from(
            [{"include_usage": True}, {"include_usage": True, "include_obfuscation": False}]
        ),
        "n": st.integers(1, 3),
        "max_tokens": st.integers(1, 100),
        "max_completion_tokens": st.integers(1, 100),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "stop": st.lists(_text, min_size=1, max_size=2),
        "tools": st.lists(_tool, min_size=1, max_size=2),
        "tool_choice": _tool_choice,
        "parallel_tool_calls": st.booleans(),
        "reasoning_effort": st.sampled_from(["none", "minimal", "high"]),
        "response_format": json_objects,
        "user": _text,
        "seed": st.integers(),
        "logit_bias": json_objects,
        "metadata": json_objects,
        **_unknown,
    },
)
