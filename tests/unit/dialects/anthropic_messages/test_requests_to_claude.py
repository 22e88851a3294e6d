"""What clients of other APIs ask of Claude arrives as each generation of it takes it, whatever they wrote."""

import base64
import json
from typing import Any

import pytest

from app.dialects import anthropic_messages, openai_chat, openai_responses
from app.dialects.anthropic_messages.claude_models import claude_model
from app.errors import InvalidRequest

_NEW = "claude-opus-4-8"
_OLD = "claude-sonnet-4-5-20250929"
_MARK = {"cache_control": {"type": "ephemeral"}}
_HELLO = {"role": "user", "content": "hi"}
_PNG = "iVBORw0KGgoAAAANS"
_JPEG = "/9j/4AAQSkZJRg=="


def chat(*messages: dict[str, Any], model: str = _NEW, **fields: Any) -> dict[str, Any]:
    body = {"model": model, "messages": list(messages) or [_HELLO], **fields}
    return anthropic_messages.encode_request(openai_chat.decode_request(body, {}))


def responses(*items: dict[str, Any], model: str = _NEW, **fields: Any) -> dict[str, Any]:
    body = {"model": model, "input": list(items) or "hi", **fields}
    return anthropic_messages.encode_request(openai_responses.decode_request(body, {}))


def native(*messages: dict[str, Any], model: str = _NEW, **fields: Any) -> dict[str, Any]:
    body = {"model": model, "max_tokens": 20000, "messages": list(messages) or [_HELLO], **fields}
    return anthropic_messages.encode_request(anthropic_messages.decode_request(body, {}))


def call(id: str = "c1", name: str = "f") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": "{}"}}


def calls(*ids: str, **fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [call(id) for id in ids], **fields}


def result(id: str = "c1", content: Any = "r", **fields: Any) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": content, **fields}


def function(name: str = "f", **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **fields}}


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


_TOOLS = [function()]


@pytest.mark.parametrize(
    ("name", "same"),
    [
        ("claude-opus-4-8[1m]", "claude-opus-4-8"),
        ("anthropic.claude-opus-4-6-v1:0", "claude-opus-4-6"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5"),
        ("Claude-Opus-4.7", "claude-opus-4-7"),
        ("claude-3-5-sonnet-20241022", "claude-sonnet-3-5"),
        ("claude-sonnet-4@20250514", "claude-sonnet-4"),
        ("claude-opus-6-1", "claude-opus-5-5"),
        ("claude-saga-7", "claude-opus-5-5"),
        ("claude-2.1", "claude-3-opus-20240229"),
        ("up-claude", "claude-latest"),
        ("deepseek-chat", "m"),
    ],
)
def test_a_generation_is_known_by_any_providers_name_of_a_model(name: str, same: str) -> None:
    assert claude_model(name) == claude_model(same)


@pytest.mark.parametrize(
    ("model", "effort", "thinking", "word"),
    [
        ("claude-opus-4-8", "high", "adaptive", "high"),
        ("claude-opus-4-8", "minimal", "adaptive", "low"),
        ("claude-opus-4-8", "xhigh", "adaptive", "xhigh"),
        ("claude-opus-4-8", "unheard of", "adaptive", None),
        ("claude-opus-4-8", "none", None, None),
        ("claude-opus-4-6", "xhigh", "adaptive", "high"),
        ("claude-opus-4-6", "max", "adaptive", "max"),
        ("claude-sonnet-5", "none", "disabled", None),
        ("claude-sonnet-5-5", "none", "between_tools", None),
        ("claude-opus-5-5", "none", None, "low"),
        ("claude-opus-9", "medium", "adaptive", "medium"),
        ("up-claude", "medium", "adaptive", "medium"),
        ("claude-3-5-haiku-latest", "high", None, None),
    ],
)
def test_an_effort_is_said_as_the_model_takes_it(
    model: str, effort: str, thinking: str | None, word: str | None
) -> None:
    for body in (chat(model=model, reasoning_effort=effort), responses(model=model, reasoning={"effort": effort})):
        assert body.get("thinking", {}).get("type") == thinking
        assert body.get("output_config", {}).get("effort") == word


def test_an_older_model_gets_a_budget_below_its_limit() -> None:
    body = chat(model=_OLD, reasoning_effort="high", max_completion_tokens=32000)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 16384}
    assert "output_config" not in body
    assert "thinking" not in chat(model=_OLD, reasoning_effort="high", max_tokens=1500)
    assert chat(model=_OLD)["max_tokens"] == 64000
    assert chat(model=_OLD, max_tokens=200000)["max_tokens"] == 64000


def test_an_effort_does_not_collide_with_a_forced_tool_or_a_temperature() -> None:
    forced = chat(model="claude-opus-4-6", reasoning_effort="low", tools=_TOOLS, tool_choice="required")
    assert ("thinking" in forced, forced["output_config"], forced["tool_choice"]) == (
        False,
        {"effort": "low"},
        {"type": "any"},
    )
    assert chat(model="claude-opus-5", tools=_TOOLS, tool_choice="required")["thinking"] == {"type": "disabled"}
    sampled = chat(model="claude-opus-4-6", reasoning_effort="low", temperature=0.2)
    assert ("thinking" in sampled, sampled["temperature"], sampled["output_config"]) == (False, 0.2, {"effort": "low"})


def test_a_model_that_refuses_to_be_forced_is_told_at_the_end_of_the_conversation() -> None:
    body = chat(model="claude-opus-5-5", tools=_TOOLS, tool_choice=function())
    assert body["tool_choice"] == {"type": "auto"}
    assert body["messages"] == [{"role": "user", "content": [text("hi"), text("Call the tool f now.")]}]


@pytest.mark.parametrize(
    ("model", "given", "sent"),
    [
        (_OLD, {"temperature": 1.7}, {"temperature": 1}),
        (_OLD, {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5}),
        (_OLD, {"temperature": 1, "top_p": 0.5}, {"top_p": 0.5}),
        ("claude-3-haiku-20240307", {"temperature": 0.5, "top_p": 0.5}, {"temperature": 0.5, "top_p": 0.5}),
        (_NEW, {"temperature": 0.5, "top_p": 0.5, "top_k": 4}, {}),
    ],
)
def test_sampling_is_what_the_model_takes(model: str, given: dict[str, Any], sent: dict[str, Any]) -> None:
    names = ("temperature", "top_p", "top_k")
    for body in (chat(model=model, **given), native(model=model, **given) if given.get("temperature", 0) <= 1 else {}):
        assert not body or {name: body[name] for name in names if name in body} == sent


def test_stop_sequences_of_white_space_go() -> None:
    assert chat(stop=["", "\n\n", "END", " "])["stop_sequences"] == ["END"]
    assert "stop_sequences" not in chat(stop="\n")


def test_a_users_id_is_opaque() -> None:
    assert chat(user="u-1")["metadata"] == {"user_id": "u-1"}
    for personal in ("someone@example.org", "+49 30 1234567", "x" * 300):
        sent = chat(user=personal)["metadata"]["user_id"]
        assert len(sent) == 64
        assert sent == chat(user=personal)["metadata"]["user_id"]
    assert "metadata" not in chat(user="")


def test_blank_texts_go_and_what_is_left_alternates() -> None:
    body = chat(
        {"role": "system", "content": " "},
        {"role": "user", "content": [text("\n"), text("q")]},
        calls("c1", content="\n\n"),
        result(content=[text(" "), text("r")]),
        {"role": "assistant", "content": "  "},
        {"role": "user", "content": "and?"},
        tools=_TOOLS,
    )
    assert "system" not in body
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][1]["content"]] == ["tool_use"]
    assert body["messages"][2]["content"] == [
        {"type": "tool_result", "tool_use_id": "c1", "content": [text("r")]},
        text("and?"),
    ]


def test_a_beginning_of_an_answer_loses_the_white_space_at_its_end_or_is_followed_by_a_user() -> None:
    begun = {"role": "assistant", "content": "Once upon \n"}
    assert chat(_HELLO, begun, model=_OLD)["messages"][-1] == {"role": "assistant", "content": "Once upon"}
    assert chat(_HELLO, begun, model=_NEW)["messages"][-1]["role"] == "user"
    assert native(_HELLO, begun, model=_OLD)["messages"][-1]["content"] == "Once upon"
    blank = {"role": "user", "content": " "}
    assert chat(_HELLO, begun, blank, model=_OLD)["messages"][-1]["role"] == "user"


def test_results_follow_their_calls_and_nothing_is_lost() -> None:
    body = chat(
        _HELLO,
        calls("a", "b", content="Both."),
        result("b", "2"),
        {"role": "user", "content": "wait"},
        {"role": "assistant", "content": "yes"},
        result("a", "1"),
        result("gone", "3"),
        calls("c"),
        {"role": "user", "content": "so?"},
        tools=_TOOLS,
    )
    roles = [message["role"] for message in body["messages"]]
    assert roles == ["user", "assistant", "user", "assistant", "user", "assistant", "user"]
    _, both, answers, _, orphan, _, last = (message["content"] for message in body["messages"])
    assert [block["type"] for block in both] == ["text", "tool_use", "tool_use"]
    assert [block.get("content") for block in answers] == ["1", "2", None]
    assert orphan == [text("Output of tool call gone:\n3")]
    assert (last[0]["tool_use_id"], last[0]["is_error"], last[1]) == ("c", True, text("so?"))


def test_ids_that_a_provider_gives_again_each_turn_become_unique() -> None:
    turn = [calls("call_0"), result("call_0", "r")]
    first, second = chat(_HELLO, *turn, tools=_TOOLS), chat(_HELLO, *turn, _HELLO, *turn, tools=_TOOLS)
    ids = [block["id"] for message in second["messages"] for block in message["content"] if "id" in block]
    named = [
        block["tool_use_id"] for message in second["messages"] for block in message["content"] if "tool_use_id" in block
    ]
    assert ids == named == ["call_0", "call_0_2"]
    assert second["messages"][:2] == first["messages"][:2]


def test_the_beginning_of_a_prompt_stays_the_same_from_turn_to_turn() -> None:
    turns = [{"role": "system", "content": "s"}, _HELLO, calls("a"), result("a"), {"role": "assistant", "content": "x"}]
    later = [*turns, {"role": "system", "content": "be brief"}, {"role": "user", "content": "go on"}]
    options: dict[str, Any] = {"tools": _TOOLS, "reasoning_effort": "low", "response_format": {"type": "json_object"}}
    before, after = chat(*turns, **options), chat(*later, **options)
    assert before["system"] == after["system"]
    assert before["tools"] == after["tools"]
    assert after["messages"][:4] == before["messages"][:4]
    assert after["messages"][4]["content"][0]["text"] == "<system-reminder>\nbe brief\n</system-reminder>"
    assert json.dumps(chat(*later, **options)) == json.dumps(after)


@pytest.mark.parametrize(
    ("parameters", "schema"),
    [
        (None, {"type": "object", "properties": {}}),
        ({}, {"type": "object", "properties": {}}),
        ({"properties": {"a": {}}}, {"properties": {"a": {}}, "type": "object"}),
        ({"type": None, "properties": None, "required": None}, {"type": "object", "properties": {}}),
        ({"type": ["object", "null"], "properties": {}}, {"type": "object", "properties": {}}),
        (
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "object", "properties": {"a": {}}}}},
            {"type": "object", "properties": {"a": {}}, "$defs": {"A": {"type": "object", "properties": {"a": {}}}}},
        ),
        (
            {
                "anyOf": [
                    {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a", "b"]},
                    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
                ]
            },
            {
                "properties": {"a": {"anyOf": [{"type": "string"}, {"type": "integer"}]}, "b": {}},
                "required": ["a"],
                "type": "object",
            },
        ),
        (
            {"type": "object", "allOf": [{"required": ["a"]}, {"properties": {"a": {}}}]},
            {"type": "object", "properties": {"a": {}}, "required": ["a"]},
        ),
    ],
)
def test_a_tools_schema_is_an_object(parameters: Any, schema: dict[str, Any]) -> None:
    assert chat(tools=[function(parameters=parameters)])["tools"][0]["input_schema"] == schema
    tool = {"type": "function", "name": "f", "parameters": parameters}
    assert responses(tools=[tool])["tools"][0]["input_schema"] == schema


def test_a_schema_that_is_fit_goes_on_as_it_is() -> None:
    parameters = {"type": "object", "properties": {"a": {"minLength": 2}}, "additionalProperties": False}
    assert chat(tools=[function(parameters=parameters)])["tools"][0]["input_schema"] == parameters


def test_tools_have_legal_names_one_each() -> None:
    names = [tool["name"] for tool in chat(tools=[function("a.b"), function("f"), function("f")])["tools"]]
    assert len(names) == 2
    assert names[1] == "f"
    assert "." not in names[0]


def test_calls_without_tools_get_tools_that_nobody_may_call() -> None:
    body = chat(_HELLO, calls("a"), result("a"))
    assert (body["tools"], body["tool_choice"]) == (
        [{"name": "f", "input_schema": {"type": "object", "properties": {}}}],
        {"type": "none"},
    )
    assert "tool_choice" not in chat(tool_choice="auto")
    assert "tool_choice" not in native(tool_choice={"type": "auto"}, tools=[])


def test_functions_of_old_are_tools() -> None:
    body = chat(
        _HELLO,
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "r"},
        functions=[{"name": "f", "parameters": {"type": "object", "properties": {}}}],
        function_call={"name": "f"},
    )
    assert [tool["name"] for tool in body["tools"]] == ["f"]
    assert body["tool_choice"] == {"type": "tool", "name": "f", "disable_parallel_tool_use": True}
    assert body["messages"][2]["content"][0]["tool_use_id"] == "f"


@pytest.mark.parametrize(
    ("mode", "names", "tools", "choice"),
    [
        ("auto", ["a", "b"], ["a", "b"], {"type": "auto"}),
        ("required", ["a", "b"], ["a", "b"], {"type": "any"}),
        ("required", ["b"], ["a", "b", "c"], {"type": "tool", "name": "b"}),
        ("auto", ["b"], ["b"], {"type": "auto"}),
    ],
)
def test_allowed_tools_are_the_tools(mode: str, names: list[str], tools: list[str], choice: dict[str, Any]) -> None:
    allowed = {"mode": mode, "tools": [function(name) for name in names]}
    body = chat(
        tools=[function(name) for name in "abc"], tool_choice={"type": "allowed_tools", "allowed_tools": allowed}
    )
    assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (tools, choice)
    flat = [{"type": "function", "name": name} for name in "abc"]
    body = responses(
        tools=flat,
        tool_choice={
            "type": "allowed_tools",
            "mode": mode,
            "tools": [{"type": "function", "name": name} for name in names],
        },
    )
    assert ([tool["name"] for tool in body["tools"]], body["tool_choice"]) == (tools, choice)


def test_a_json_object_is_asked_for_in_words_behind_the_system_prompt() -> None:
    body = chat({"role": "system", "content": "s"}, _HELLO, response_format={"type": "json_object"})
    assert body["system"].startswith("s\n\n")
    assert "JSON" in body["system"]
    assert "JSON" in responses(text={"format": {"type": "json_object"}})["system"]
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    assert (
        json.dumps(schema, separators=(",", ":"))
        in chat(model="claude-3-opus-20240229", response_format=wanted)["system"]
    )


def test_an_answers_schema_keeps_to_what_a_grammar_can_hold() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "string", "minLength": 2, "description": "d"},
            "b": {"oneOf": [{"type": "array", "items": {"type": "object", "properties": {}}, "minItems": 3}]},
            "minimum": {"type": "string", "format": "not known"},
        },
    }
    sent = chat(response_format={"type": "json_schema", "json_schema": {"name": "n", "schema": schema}})
    assert sent["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {
            "a": {"type": "string", "description": 'd\n\n{"minLength":2}'},
            "b": {
                "anyOf": [
                    {
                        "type": "array",
                        "items": {"type": "object", "properties": {}, "additionalProperties": False},
                        "description": '{"minItems":3}',
                    }
                ]
            },
            "minimum": {"type": "string", "description": '{"format":"not known"}'},
        },
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("url", "source"),
    [
        (f"data:image/jpg;base64,{_JPEG}", {"type": "base64", "media_type": "image/jpeg", "data": _JPEG}),
        (f"data:IMAGE/PNG;charset=x;base64,{_PNG}", {"type": "base64", "media_type": "image/png", "data": _PNG}),
        (f"data:image/png;base64,{_JPEG}", {"type": "base64", "media_type": "image/jpeg", "data": _JPEG}),
        (f"data:;base64,{_PNG}", {"type": "base64", "media_type": "image/png", "data": _PNG}),
        ("DATA:image/webp;BASE64,UklGRg", {"type": "base64", "media_type": "image/webp", "data": "UklGRg"}),
        ("https://example.org/a.png", {"type": "url", "url": "https://example.org/a.png"}),
    ],
)
def test_images_are_of_the_type_that_they_are(url: str, source: dict[str, Any]) -> None:
    part = {"type": "image_url", "image_url": {"url": url}}
    assert chat({"role": "user", "content": [part]})["messages"][0]["content"][0]["source"] == source
    item = {"role": "user", "content": [{"type": "input_image", "image_url": url}]}
    assert responses(item)["messages"][0]["content"][0]["source"] == source


@pytest.mark.parametrize(
    ("file", "kind", "source"),
    [
        ({"file_data": "data:text/markdown;base64,aGk="}, "document", {"type": "text", "data": "hi"}),
        ({"file_data": "data:application/json,%7B%7D"}, "document", {"type": "text", "data": "{}"}),
        ({"file_data": "aGk=", "filename": "a.csv"}, "document", {"type": "text", "data": "hi"}),
        ({"file_data": "JVBERi0x", "filename": "a"}, "document", {"type": "base64", "data": "JVBERi0x"}),
        ({"file_data": f"data:image/png;base64,{_PNG}"}, "image", {"type": "base64", "data": _PNG}),
    ],
)
def test_files_are_documents_texts_or_images(file: dict[str, Any], kind: str, source: dict[str, Any]) -> None:
    (block,) = chat({"role": "user", "content": [{"type": "file", "file": file}]})["messages"][0]["content"]
    assert block["type"] == kind
    assert {name: block["source"][name] for name in source} == source
    item = {"role": "user", "content": [{"type": "input_file", **file}]}
    assert responses(item)["messages"][0]["content"][0]["source"] == block["source"]


@pytest.mark.parametrize(
    "file",
    [
        {"file_data": "data:application/vnd.ms-excel;base64,AAAA"},
        {"file_data": f"data:text/plain;base64,{base64.b64encode(bytes([255])).decode()}"},
    ],
)
def test_a_file_that_claude_does_not_read_is_named(file: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        chat({"role": "user", "content": [{"type": "file", "file": file}]})
    assert refused.value.param == "messages[0].content[0]"


def test_cache_marks_stay_where_litellms_clients_put_them() -> None:
    body = chat(
        {"role": "system", "content": "s", **_MARK},
        {"role": "user", "content": [{**text("q"), **_MARK}]},
        calls("a", "b"),
        result("a", "r", **_MARK),
        result("b", [{**text("r"), **_MARK}]),
        tools=[function("f")],
    )
    assert body["system"] == [{**text("s"), **_MARK}]
    assert body["messages"][0]["content"] == [{**text("q"), **_MARK}]
    assert [block["cache_control"] for block in body["messages"][2]["content"]] == [_MARK["cache_control"]] * 2
    tools = [{**function("f"), **_MARK}, function("g", **_MARK)]
    body = chat(_HELLO, tools=tools, cache_control=_MARK["cache_control"])
    assert [tool["cache_control"] for tool in body["tools"]] == [_MARK["cache_control"]] * 2
    assert body["cache_control"] == _MARK["cache_control"]
    item = {"role": "user", "content": [{"type": "input_text", "text": "q", **_MARK}]}
    assert responses(item)["messages"][0]["content"] == [{**text("q"), **_MARK}]


def test_an_error_of_a_tool_stays_one() -> None:
    body = chat(_HELLO, calls("a"), result("a", "no", is_error=True), tools=_TOOLS)
    assert body["messages"][2]["content"][0]["is_error"] is True


@pytest.mark.parametrize(
    ("model", "given", "sent"),
    [
        (_NEW, {"thinking": {"type": "enabled", "budget_tokens": 2000}}, ({"type": "adaptive"}, "low")),
        (_NEW, {"thinking": {"type": "disabled"}}, ({"type": "disabled"}, None)),
        ("claude-opus-4-6", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, (None, None)),
        (_OLD, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}, ("budget", None)),
        ("claude-opus-5-5", {"thinking": {"type": "disabled"}}, (None, "low")),
        ("claude-sonnet-5-5", {"thinking": {"type": "disabled"}}, ({"type": "between_tools"}, None)),
        (
            "claude-opus-5",
            {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}},
            ({"type": "disabled"}, "high"),
        ),
        ("m", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, (None, None)),
    ],
)
def test_a_client_of_anthropics_that_asks_for_another_generations_thinking(
    model: str, given: dict[str, Any], sent: tuple[Any, str | None]
) -> None:
    body = native(model=model, **given)
    thinking, effort = sent
    if (thinking, effort) == (None, None):
        assert {name: body[name] for name in given} == given
        return
    if thinking == "budget":
        thinking = {"type": "enabled", "budget_tokens": 2048}
    assert body.get("thinking") == thinking
    assert body.get("output_config", {}).get("effort") == effort


def test_blank_texts_of_a_client_of_anthropics_go_and_nothing_else() -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": [text("q"), text(" ")]},
        {"role": "user", "content": [text("x")], "y": 1},
    ]
    sent = native(*messages, system=[text(""), text("s")])
    assert sent["messages"] == [{"role": "user", "content": [text("q")]}, messages[1]]
    assert sent["system"] == [text("s")]
