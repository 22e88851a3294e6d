"""A Responses request for a provider of another dialect, and the reverse."""

from typing import Any

import pytest

from app.dialects import anthropic_messages, openai_chat, openai_responses
from app.dialects.openai_responses.request_encoding import ENCRYPTED
from app.dialects.openai_responses.response_decoding import decode_response
from app.errors import InvalidRequest

_SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}


def _request(*items: dict[str, Any], **fields: Any) -> Any:
    return openai_responses.decode_request({"model": "m", "input": list(items) or "hi", **fields}, {})


def _to_chat(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return openai_chat.encode_request(_request(*items, **fields))


def _to_anthropic(*items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return anthropic_messages.encode_request(_request(*items, **fields))


def _from_chat(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    body = {"model": "m", "messages": list(messages) or [{"role": "user", "content": "hi"}], **fields}
    return openai_responses.encode_request(openai_chat.decode_request(body, {}))


def _from_anthropic(*messages: dict[str, Any], **fields: Any) -> dict[str, Any]:
    sent = list(messages) or [{"role": "user", "content": "hi"}]
    body = {"model": "m", "max_tokens": 10, "messages": sent, **fields}
    return openai_responses.encode_request(anthropic_messages.decode_request(body, {}))


_CONVERSATION: tuple[dict[str, Any], ...] = (
    {"role": "developer", "content": "Be kind."},
    {
        "role": "user",
        "content": [
            {"type": "input_text", "text": "go"},
            {"type": "input_image", "image_url": "https://a/i.png", "detail": "low"},
        ],
    },
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}], "encrypted_content": "gA"},
    {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Reading.", "annotations": []}],
    },
    {"type": "function_call", "id": "fc_1", "call_id": "c.1", "name": "read", "arguments": '{"x":1}'},
    {"type": "function_call", "call_id": "c2", "name": "read", "arguments": "{}"},
    {"type": "function_call_output", "call_id": "c.1", "output": "one"},
    {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "two"}]},
    {"type": "web_search_call", "id": "ws_1", "status": "completed"},
    {"role": "user", "content": "and?"},
)


def test_items_of_one_turn_become_one_message_of_a_chat() -> None:
    calls = [
        {"id": "c.1", "type": "function", "function": {"name": "read", "arguments": '{"x":1}'}},
        {"id": "c2", "type": "function", "function": {"name": "read", "arguments": "{}"}},
    ]
    assert _to_chat(*_CONVERSATION, instructions="Be brief.")["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": "Be kind."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "go"},
                {"type": "image_url", "image_url": {"url": "https://a/i.png", "detail": "low"}},
            ],
        },
        {"role": "assistant", "content": "Reading.", "reasoning_content": "hm", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c.1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": "two"},
        {"role": "user", "content": "and?"},
    ]


def test_items_become_blocks_of_a_message() -> None:
    body = _to_anthropic(*_CONVERSATION, instructions="Be brief.")
    assert body["system"] == [{"type": "text", "text": "Be brief."}, {"type": "text", "text": "Be kind."}]
    assert body["messages"][1:] == [
        {
            "role": "assistant",
            "content": [
                {"type": "text", "text": "Reading."},
                {"type": "tool_use", "id": "c_1", "name": "read", "input": {"x": 1}},
                {"type": "tool_use", "id": "c2", "name": "read", "input": {}},
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c_1", "content": "one"},
                {"type": "tool_result", "tool_use_id": "c2", "content": "two"},
                {"type": "text", "text": "and?"},
            ],
        },
    ]


def test_options_have_their_counterparts_in_a_chat() -> None:
    tool = {"type": "function", "name": "read", "description": "d", "parameters": _SCHEMA, "strict": True}
    custom = {"type": "custom", "name": "run", "format": {"type": "grammar", "syntax": "lark", "definition": "x"}}
    schema = {"name": "n", "schema": _SCHEMA, "strict": True}
    assert _to_chat(
        max_output_tokens=9,
        temperature=0.5,
        tools=[tool, custom],
        tool_choice={"type": "function", "name": "read"},
        parallel_tool_calls=False,
        reasoning={"effort": "low", "summary": "auto"},
        text={"format": {"type": "json_schema", **schema}, "verbosity": "low"},
        user="u",
        store=False,
        include=[ENCRYPTED],
        prompt_cache_key="k",
        stream=True,
    ) == {
        "model": "m",
        "messages": [{"role": "user", "content": "hi"}],
        "max_completion_tokens": 9,
        "temperature": 0.5,
        "tools": [
            {
                "type": "function",
                "function": {name: tool[name] for name in ("name", "description", "parameters", "strict")},
            },
            {
                "type": "custom",
                "custom": {
                    "name": "run",
                    "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "x"}},
                },
            },
        ],
        "tool_choice": {"type": "function", "function": {"name": "read"}},
        "parallel_tool_calls": False,
        "reasoning_effort": "low",
        "response_format": {"type": "json_schema", "json_schema": schema},
        "verbosity": "low",
        "store": False,
        "prompt_cache_key": "k",
        "user": "u",
        "stream": True,
        "stream_options": {"include_usage": True},
    }


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"tools": [{"type": "file_search", "vector_store_ids": []}]}, "tools[0]"),
        ({"tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"text": {"format": {"type": "grammar"}}}, "text.format"),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0]"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}]}, "input[0].content[0]"),
    ],
)
def test_what_only_this_api_has_is_refused_by_name(fields: dict[str, Any], named: str) -> None:
    request = openai_responses.decode_request({"model": "m", "input": "hi", **fields}, {})
    for dialect in (openai_chat, anthropic_messages):
        with pytest.raises(InvalidRequest) as caught:
            dialect.encode_request(request)
        assert caught.value.param == named


def test_log_probabilities_are_asked_of_an_api_that_has_them() -> None:
    include = ["message.output_text.logprobs"]
    body = _to_chat(include=include, top_logprobs=2)
    assert (body["logprobs"], body["top_logprobs"]) == (True, 2)
    assert not {"logprobs", "top_logprobs"} & _to_chat(top_logprobs=2).keys()
    request = openai_responses.decode_request({"model": "m", "input": "hi", "include": include}, {})
    with pytest.raises(InvalidRequest) as caught:
        anthropic_messages.encode_request(request)
    assert caught.value.param == "include"


def test_what_is_not_wanted_is_not_refused() -> None:
    assert "background" not in _to_chat(background=False)


def test_a_reference_to_thinking_is_dropped_as_thinking_is() -> None:
    items = [{"type": "item_reference", "id": "rs_1"}, {"role": "user", "content": "go"}]
    assert _to_chat(*items)["messages"] == [{"role": "user", "content": "go"}]


def test_a_chat_becomes_items() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": "{}"}}
    custom = {"id": "c2", "type": "custom", "custom": {"name": "run", "input": "x"}}
    audio = {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}}
    body = _from_chat(
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "go"},
                {"type": "image_url", "image_url": {"url": "https://a"}},
                audio,
            ],
        },
        {"role": "assistant", "content": "Reading.", "tool_calls": [call, custom], "reasoning_content": "hm"},
        {"role": "tool", "tool_call_id": "c1", "content": "one"},
        {"role": "tool", "tool_call_id": "c2", "content": [{"type": "text", "text": "two"}]},
    )
    assert body["input"] == [
        {"role": "system", "content": "s"},
        {
            "role": "user",
            "content": [
                {"type": "input_text", "text": "go"},
                {"type": "input_image", "detail": "auto", "image_url": "https://a"},
                audio,
            ],
        },
        {"role": "assistant", "content": "Reading."},
        {"type": "function_call", "call_id": "c1", "name": "read", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "run", "input": "x"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
        {"type": "custom_tool_call_output", "call_id": "c2", "output": "two"},
    ]


def test_a_chats_options_change_their_names_and_nothing_is_stored() -> None:
    assert _from_chat(
        max_completion_tokens=90,
        reasoning_effort="low",
        response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": _SCHEMA}},
        verbosity="low",
        tools=[{"type": "function", "function": {"name": "read"}}],
        tool_choice={"type": "function", "function": {"name": "read"}},
        metadata={"a": "b"},
        logprobs=True,
        top_logprobs=2,
        seed=3,
        stream=True,
    ) == {
        "model": "m",
        "input": [{"role": "user", "content": "hi"}],
        "max_output_tokens": 90,
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "low", "format": {"type": "json_schema", "name": "n", "schema": _SCHEMA}},
        "tools": [
            {
                "type": "function",
                "name": "read",
                "parameters": {"type": "object", "properties": {}},
                "strict": False,
            }
        ],
        "tool_choice": {"type": "function", "name": "read"},
        "metadata": {"a": "b"},
        "top_logprobs": 2,
        "store": False,
        "include": [ENCRYPTED, "message.output_text.logprobs"],
        "stream": True,
    }


@pytest.mark.parametrize(
    ("fields", "named"), [({"stop": "END"}, "stop"), ({"n": 2}, "n"), ({"logit_bias": {"1": 2}}, "logit_bias")]
)
def test_what_this_api_has_no_word_for_is_refused(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        _from_chat(**fields)
    assert caught.value.param == named


def test_a_message_becomes_items_and_only_openais_own_thinking_goes_back() -> None:
    pdf = {"type": "base64", "media_type": "application/pdf", "data": "AA"}
    body = _from_anthropic(
        {"role": "user", "content": [{"type": "document", "source": pdf}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "redacted_thinking", "data": "of-anthropic"},
                {"type": "redacted_thinking", "data": "openai_responses:gAAA"},
                {"type": "tool_use", "id": "c1", "name": "read", "input": {}},
            ],
        },
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1", "content": "one"}]},
        system="Be brief.",
        thinking={"type": "enabled", "budget_tokens": 2048},
    )
    assert body["input"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "input_file", "file_data": "data:application/pdf;base64,AA", "filename": "document.pdf"}
            ],
        },
        {"type": "reasoning", "summary": [], "encrypted_content": "gAAA"},
        {"type": "function_call", "call_id": "c1", "name": "read", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "one"},
    ]
    assert (body["reasoning"], body["include"]) == ({"effort": "low"}, [ENCRYPTED])


def test_each_provider_gets_back_its_own_thinking_and_not_anothers() -> None:
    signed = {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "hm"}]}
    signed["encrypted_content"] = "anthropic_messages.signature:sig"
    redacted = {"type": "reasoning", "id": "rs_2", "summary": []}
    redacted["encrypted_content"] = "anthropic_messages.redacted:xyz"
    plain_reasoning = {"type": "reasoning", "id": "rs_3", "summary": [], "encrypted_content": "gAAA"}
    answer = {"role": "assistant", "content": "a"}
    request = _request({"role": "user", "content": "hi"}, signed, redacted, plain_reasoning, answer)
    assert anthropic_messages.encode_request(request)["messages"][1]["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "a"},
    ]
    assert openai_responses.encode_request(request)["input"][1:] == [plain_reasoning, answer]


def test_a_policys_change_reaches_instructions_inputs_and_outputs() -> None:
    shell = {"type": "shell_call_output", "call_id": "c", "output": [{"stdout": "secret", "stderr": "secret"}]}
    request = _request(
        {"role": "user", "content": [{"type": "input_text", "text": "secret"}]},
        {"type": "function_call", "call_id": "c1", "name": "read", "arguments": '{"a": "secret"}'},
        {"type": "function_call_output", "call_id": "c1", "output": "secret"},
        {"type": "local_shell_call_output", "id": "c2", "output": "secret"},
        shell,
        instructions="secret",
    )
    body = openai_responses.encode_request(request.map_text(lambda text: text.replace("secret", "***")))
    assert "secret" not in str(body)
    assert body["instructions"] == "***"
    assert body["input"][4]["output"] == [{"stdout": "***", "stderr": "***"}]


def test_a_chats_client_sees_nothing_of_the_response_but_the_message() -> None:
    output = [{"type": "message", "content": [{"type": "output_text", "text": "a"}]}]
    body = {"id": "r", "created_at": 5, "model": "m", "status": "completed", "output": output, "tools": []}
    asked = openai_chat.decode_request({"model": "m", "messages": [{"role": "user", "content": "hi"}]}, {})
    encoded = openai_chat.encode_response(decode_response(body), asked)
    assert encoded.keys() == {"id", "object", "created", "model", "choices"}
    assert encoded["choices"][0]["message"]["content"] == "a"


def _from_agent(*content: dict[str, Any]) -> dict[str, Any]:
    return {"type": "agent_message", "author": "/lead", "recipient": "/lead/a", "content": list(content)}


def test_what_one_agent_writes_to_another_is_a_users_message_elsewhere() -> None:
    """Its prompt is called encrypted, and is so only where OpenAI's model wrote it."""
    head, prompt = {"type": "input_text", "text": "Payload:\n"}, {"type": "encrypted_content"}
    item = _from_agent(head, {**prompt, "encrypted_content": "say the word"})
    assert _to_chat(item)["messages"] == [{"role": "user", "content": "Payload:\nsay the word"}]
    assert openai_responses.encode_request(_request(item))["input"] == [item]
    with pytest.raises(InvalidRequest, match=r"input\[0\]"):
        _to_chat(_from_agent(head, {**prompt, "encrypted_content": "gAAAAABm"}))
