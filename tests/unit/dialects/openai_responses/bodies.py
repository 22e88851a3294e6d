"""Responses bodies as the round trip keeps them: no nulls, and no `input` that says nothing."""

from typing import Any

from hypothesis import strategies as st

from tests.unit.dialects.samples import json_objects, json_values, one_of_each

_text = st.text(max_size=8)
_name = st.sampled_from(["read", "write", "read-file"])
_id = st.sampled_from(["call_1", "call_2"])
_unknown: dict[str, Any] = {"x_unknown": json_values.filter(lambda value: value is not None)}

_input_text = one_of_each({"type": st.just("input_text"), "text": _text}, _unknown)
_output_text = one_of_each({"type": st.just("output_text"), "text": _text, "annotations": st.just([])}, _unknown)
_refusal = one_of_each({"type": st.just("refusal"), "refusal": _text}, _unknown)
_url = st.sampled_from(["https://example.org/a.png", "data:image/png;base64,AAAA", "data:a;b=c;base64,A"])
_image = one_of_each({"type": st.just("input_image"), "image_url": _url}, {"detail": st.just("low"), **_unknown})
_image_id = st.just({"type": "input_image", "file_id": "file-1", "detail": "auto"})
_file = one_of_each(
    {"type": st.just("input_file")},
    {
        "file_data": st.sampled_from(["data:application/pdf;base64,AAAA", "AAAA"]),
        "file_id": st.just("file-1"),
        "file_url": st.just("https://example.org/a.pdf"),
        "filename": st.just("a.pdf"),
        **_unknown,
    },
)
_audio = st.just({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})
_parts = st.lists(_input_text | _image | _image_id | _file | _audio, max_size=3)
_output = _text | st.lists(_input_text | _image, max_size=2)

_asked = one_of_each(
    {"role": st.sampled_from(["user", "system", "developer"]), "content": _text | _parts},
    {"type": st.just("message"), **_unknown},
)
_answer_item = one_of_each(
    {"role": st.just("assistant"), "content": _text | st.lists(_output_text | _refusal, max_size=2)},
    {
        "type": st.just("message"),
        "id": st.just("msg_1"),
        "status": st.just("completed"),
        "phase": st.just("commentary"),
    },
)
_call = one_of_each(
    {
        "type": st.just("function_call"),
        "call_id": _id,
        "name": _name,
        "arguments": st.sampled_from(["", "{}", '{"a": 1}', "{"]),
    },
    {"id": st.just("fc_1"), "status": st.just("completed"), **_unknown},
)
_custom_call = st.just({"type": "custom_tool_call", "call_id": "call_1", "name": "run", "input": "free text"})
_result = one_of_each(
    {
        "type": st.sampled_from(["function_call_output", "custom_tool_call_output"]),
        "call_id": _id,
        "output": _output,
    },
    _unknown,
)
_local_result = st.sampled_from(
    [
        {"type": "local_shell_call_output", "id": "call_1", "output": "done"},
        {"type": "apply_patch_call_output", "call_id": "call_1", "status": "failed"},
        {"type": "apply_patch_call_output", "call_id": "call_1", "status": "completed", "output": "patched"},
        {
            "type": "shell_call_output",
            "call_id": "call_1",
            "output": [{"outcome": {"type": "exit", "exit_code": 0}, "stderr": "e", "stdout": "o"}, {"stdout": "p"}],
        },
    ]
)
_reasoning = one_of_each(
    {
        "type": st.just("reasoning"),
        "summary": st.lists(st.just({"type": "summary_text", "text": "Hm"}), max_size=2),
    },
    {
        "id": st.just("rs_1"),
        "encrypted_content": st.just("gAAA"),
        "content": st.just([{"type": "reasoning_text", "text": "so"}]),
    },
)
_other = st.sampled_from(
    [
        {"type": "item_reference", "id": "msg_1"},
        {"id": "msg_1"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}},
        {"type": "computer_call_output", "call_id": "c", "output": {"type": "computer_screenshot"}},
        {"type": "compaction", "encrypted_content": "x"},
    ]
)
_items = _asked | _answer_item | _call | _custom_call | _result | _local_result | _reasoning | _other

_function = one_of_each(
    {"type": st.just("function"), "name": _name},
    {"description": _text, "parameters": json_objects, "strict": st.booleans(), **_unknown},
)
_tool = _function | st.sampled_from(
    [
        {"type": "custom", "name": "run", "format": {"type": "grammar", "syntax": "lark", "definition": "start: x"}},
        {"type": "web_search"},
        {"type": "mcp", "server_label": "s", "server_url": "https://example.org"},
    ]
)
_format = st.sampled_from(
    [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True},
        {"type": "grammar", "definition": "x"},
    ]
)

responses_bodies = one_of_each(
    {"model": st.just("m"), "input": _text | st.lists(_items, min_size=1, max_size=4)},
    {
        "instructions": _text,
        "stream": st.just(True),
        "stream_options": st.just({"include_obfuscation": False}),
        "max_output_tokens": st.integers(1, 9),
        "temperature": st.floats(0, 2),
        "top_p": st.floats(0, 1),
        "tools": st.lists(_tool, min_size=1, max_size=2),
        "tool_choice": st.sampled_from(
            ["auto", "none", "required", {"type": "function", "name": "read"}, {"type": "file_search"}]
        ),
        "parallel_tool_calls": st.booleans(),
        "reasoning": one_of_each({"effort": st.sampled_from(["none", "low", "high"])}, {"summary": st.just("auto")}),
        "text": one_of_each({"format": _format}, {"verbosity": st.just("low")}),
        "user": _text,
        "store": st.booleans(),
        "include": st.just(["reasoning.encrypted_content"]),
        "previous_response_id": st.just("resp_1"),
        "background": st.booleans(),
        "metadata": json_objects,
        "truncation": st.just("auto"),
        "prompt_cache_key": _text,
        **_unknown,
    },
)
