"""Tools that are called with plain text, for providers that know functions alone."""

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialects import anthropic_messages, openai_chat, openai_responses
from app.dialects.translation.custom_calls import CustomCalls, InputReader
from app.dialects.translation.custom_tools import arguments_of, custom_tools
from app.messages import BlockEnd, Choice, Function, Message, ModelResponse, Request, ToolCall

_GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}
_PATCH = {"type": "custom", "name": "patch", "description": "Edits files.", "format": _GRAMMAR}
_CALLED = {"type": "custom_tool_call", "call_id": "c1", "name": "patch", "input": 'a "b"\n'}
_RESULT = {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"}
_CHAT_PATCH = {
    "type": "custom",
    "custom": {
        "name": "patch",
        "description": "Edits files.",
        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /.+/"}},
    },
}
_CHAT_CALLED = {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": 'a "b"\n'}}
_TURN = [
    {"role": "user", "content": "Go."},
    {"role": "assistant", "content": None, "tool_calls": [_CHAT_CALLED]},
    {"role": "tool", "tool_call_id": "c1", "content": "done"},
]
_SPACE = {"type": "namespace", "name": "editor", "description": "Edits.", "tools": [_PATCH]}


def _responses(*tools: dict[str, Any], **fields: Any) -> Request:
    body = {"model": "m", "input": [{"role": "user", "content": "Go."}, _CALLED, _RESULT], "tools": list(tools)}
    return openai_responses.decode_request({**body, **fields}, {})


def _chat(*tools: dict[str, Any], **fields: Any) -> Request:
    return openai_chat.decode_request({"model": "m", "messages": _TURN, "tools": list(tools), **fields}, {})


@pytest.mark.parametrize("request_", [_responses(_PATCH), _chat(_CHAT_PATCH)], ids=["responses", "chat"])
def test_claude_is_given_a_function_of_one_text(request_: Request) -> None:
    body = anthropic_messages.encode_request(request_)
    (tool,) = body["tools"]
    assert (tool["name"], tool["description"]) == ("patch", "Edits files.")
    assert tool["input_schema"]["required"] == ["input"]
    assert list(tool["input_schema"]["properties"]) == ["input"]
    assert "lark" in tool["input_schema"]["properties"]["input"]["description"]
    assert "start: /.+/" in tool["input_schema"]["properties"]["input"]["description"]
    called, result = body["messages"][1]["content"][0], body["messages"][2]["content"][0]
    assert (called["type"], called["name"], called["input"]) == ("tool_use", "patch", {"input": 'a "b"\n'})
    assert (result["type"], result["tool_use_id"]) == ("tool_result", called["id"])


@pytest.mark.parametrize("request_", [_responses(_PATCH), _chat(_CHAT_PATCH)], ids=["responses", "chat"])
def test_chat_completions_without_custom_tools_are_given_the_same_function(request_: Request) -> None:
    body = openai_chat.encode_request(request_, custom_tools=False)
    (tool,) = body["tools"]
    assert (tool["type"], tool["function"]["name"]) == ("function", "patch")
    assert tool["function"]["parameters"]["required"] == ["input"]
    (call,) = body["messages"][1]["tool_calls"]
    assert (call["type"], call["function"]["name"]) == ("function", "patch")
    assert json.loads(call["function"]["arguments"]) == {"input": 'a "b"\n'}
    assert body["messages"][2] == {"role": "tool", "tool_call_id": "c1", "content": "done"}
    assert "custom" not in json.dumps(body)


def test_those_that_have_them_are_given_them_as_they_are() -> None:
    assert openai_responses.encode_request(_responses(_PATCH))["tools"] == [_PATCH]
    assert openai_responses.encode_request(_chat(_CHAT_PATCH))["tools"] == [_PATCH]
    for request in (_responses(_PATCH), _chat(_CHAT_PATCH)):
        body = openai_chat.encode_request(request)
        assert (body["tools"], body["messages"][1]["tool_calls"]) == ([_CHAT_PATCH], [_CHAT_CALLED])


def test_a_conversation_keeps_its_calls_when_the_tool_is_gone() -> None:
    body = anthropic_messages.encode_request(_chat())
    assert body["messages"][1]["content"][0]["input"] == {"input": 'a "b"\n'}


@pytest.mark.parametrize(
    "request_",
    [
        _responses(_PATCH, tool_choice={"type": "custom", "name": "patch"}, parallel_tool_calls=False),
        _chat(_CHAT_PATCH, tool_choice={"type": "custom", "custom": {"name": "patch"}}, parallel_tool_calls=False),
        _responses(
            _PATCH,
            tool_choice={
                "type": "allowed_tools",
                "mode": "required",
                "tools": [{"type": "custom", "name": "patch"}],
            },
            parallel_tool_calls=False,
        ),
    ],
    ids=["responses", "chat", "allowed"],
)
def test_one_that_has_to_be_called_has_to_be_called_everywhere(request_: Request) -> None:
    messages = anthropic_messages.encode_request(request_)
    assert messages["tool_choice"] == {"type": "tool", "name": "patch", "disable_parallel_tool_use": True}
    chat = openai_chat.encode_request(request_, custom_tools=False)
    assert chat["tool_choice"] == {"type": "function", "function": {"name": "patch"}}
    assert chat["parallel_tool_calls"] is False
    if request_.tool_choice is not None:
        native = openai_chat.encode_request(request_)
        assert native["tool_choice"] == {"type": "custom", "custom": {"name": "patch"}}
        native = openai_responses.encode_request(request_)
        assert native["tool_choice"] == {"type": "custom", "name": "patch"}


@pytest.mark.parametrize("choice", [{"type": "custom", "name": "patch"}, {"type": "custom", "namespace": "editor"}])
def test_one_in_a_namespace_goes_by_its_flat_name(choice: dict[str, Any]) -> None:
    request = _responses(_SPACE, tool_choice={"name": "patch", **choice})
    assert custom_tools(request) == ["editor__patch"]
    messages = anthropic_messages.encode_request(request)
    assert [tool["name"] for tool in messages["tools"]] == ["editor__patch"]
    assert messages["tool_choice"] == {"type": "tool", "name": "editor__patch"}
    chat = openai_chat.encode_request(request)
    assert chat["tool_choice"] == {"type": "custom", "custom": {"name": "editor__patch"}}


def _pieces(*arguments: str, name: str = "patch", kind: str = "function") -> list[ModelResponse]:
    first = ToolCall(0, "c1", kind, Function(name, ""))
    calls = [first, *(ToolCall(0, function=Function(arguments=piece)) for piece in arguments)]
    return [ModelResponse(choices=(Choice(delta=Message(tool_calls=(call,))),)) for call in calls]


def _end(ends: BlockEnd | None = None, finish: str | None = None) -> ModelResponse:
    return ModelResponse(choices=(Choice(delta=Message(), finish_reason=finish),) if finish else (), ends=ends)


def _calls(*chunks: ModelResponse) -> list[ToolCall]:
    reader = CustomCalls(["patch"])
    changed = [reader.as_for_client(chunk) for chunk in chunks]
    return [call for one in changed for choice in one.choices if choice.delta for call in choice.delta.tool_calls]


def _text(*chunks: ModelResponse) -> str:
    return "".join(call.function.arguments for call in _calls(*chunks))


@given(text=st.text(), escaped=st.booleans(), cuts=st.lists(st.integers(0, 400), max_size=8), space=st.booleans())
def test_the_text_comes_as_it_is_however_its_json_is_cut(
    text: str, escaped: bool, cuts: list[int], space: bool
) -> None:
    whole = json.dumps({"input": text}, ensure_ascii=escaped, indent=1 if space else None)
    ends = sorted({min(cut, len(whole)) for cut in cuts} | {0, len(whole)})
    reader = InputReader()
    pieces = [reader.feed(whole[start:end]) for start, end in pairwise(ends)]
    assert "".join([*pieces, reader.finish()]) == text
    assert not any("\ud800" <= character <= "\udfff" for piece in pieces for character in piece)


def test_the_text_is_not_held_back() -> None:
    reader = InputReader()
    assert [reader.feed(piece) for piece in ('{"in', 'put": "a', "b\\", 'nc\\"', 'd"', "}")] == [
        "", "a", "b", '\nc"', "d", "",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("", ""),
        ("{}", ""),
        ("null", ""),
        ('{"note": "x", "input": "a"}', "a"),
        ('{"input": "a", "note": "x"}', "a"),
        ('{"input": "a\nb"}', "a\nb"),
        ('{"input": "a\\db"}', "a\\db"),
        ('{"input": "\\ud83d\\ude00\\ud83d!"}', "\U0001f600\ufffd!"),
        ('{"input": "\\ude00\\ud83d\\ud83d\\ude00"}', "\ufffd\ufffd\U0001f600"),
        ('{"input": "cut', "cut"),
        ('{"input": "cut\\u00', "cut"),
        # What is no object with a text goes on as it is.
        ("*** Begin Patch", "*** Begin Patch"),
        ("nothing", "nothing"),
        ('{"input": 5}', '{"input": 5}'),
        ('{"patch": "a"}', '{"patch": "a"}'),
        ('{"inp', '{"inp'),
        ('["a"]', '["a"]'),
    ],
)
def test_whatever_a_model_writes_reaches_the_client(arguments: str, text: str) -> None:
    assert _text(*_pieces(arguments), _end(ends="all")) == text
    assert _text(*_pieces(arguments), _end(finish="tool_calls")) == text
    assert _text(*_pieces(*arguments), _end(ends=0)) == text
    whole = ToolCall(0, "c1", function=Function("patch", arguments))
    response = ModelResponse(choices=(Choice(message=Message(tool_calls=(whole,)), finish_reason="tool_calls"),))
    changed = CustomCalls(["patch"]).as_for_client(response).choices[0].message
    assert changed is not None
    assert changed.tool_calls == (ToolCall(0, "c1", "custom", Function("patch", text)),)


def test_calls_at_once_are_read_apart_and_functions_stay_as_they_are() -> None:
    one, two = _pieces('{"input": "a'), _pieces('{"input": "b"}', name="patch")
    moved = [
        ModelResponse(
            choices=tuple(
                Choice(
                    delta=Message(
                        tool_calls=tuple(ToolCall(1, call.id, function=call.function) for call in c.delta.tool_calls)
                    )
                )
                for c in chunk.choices
                if c.delta
            )
        )
        for chunk in two
    ]
    calls = _calls(*one, *moved, *_pieces('a2"}')[1:], _end(finish="tool_calls"))
    texts = {at: "".join(call.function.arguments for call in calls if call.index == at) for at in (0, 1)}
    assert (texts, {call.type for call in calls}) == ({0: "aa2", 1: "b"}, {"custom"})
    reader = CustomCalls(["patch"])
    for chunk in (*_pieces('{"input": 1}', name="other"), _end(finish="tool_calls")):
        assert reader.as_for_client(chunk) is chunk


def test_calls_that_are_all_numbered_0_are_told_apart() -> None:
    other = ToolCall(0, "c2", function=Function("other", '{"input": "x"}'))
    chunk = ModelResponse(choices=(Choice(delta=Message(tool_calls=(other,))),))
    *first, rest, last = _calls(*_pieces('{"patch": "a"}'), chunk, *_pieces('{"input": "b"}'), _end(ends="all"))[:4]
    assert [(call.type, call.function.arguments) for call in (*first, rest)] == [
        ("custom", ""), ("custom", ""), ("custom", '{"patch": "a"}'),
    ]  # fmt: skip
    assert last is other
    assert _text(*_pieces('{"input": "a"}'), chunk) == 'a{"input": "x"}'


def test_a_call_that_is_a_custom_one_already_is_the_same_object() -> None:
    reader = CustomCalls(["patch"])
    for chunk in (*_pieces('{"input": "a"}', kind="custom"), _end(ends="all")):
        assert reader.as_for_client(chunk) is chunk


def test_what_was_a_text_is_json_of_it() -> None:
    assert json.loads(arguments_of('"\\\n\u2028')) == {"input": '"\\\n\u2028'}
