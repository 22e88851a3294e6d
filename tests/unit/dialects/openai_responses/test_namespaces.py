"""Tools of a namespace, for providers that have none."""

import json
from typing import Any

import pytest

from app.dialects import anthropic_messages, openai_chat, openai_responses
from app.dialects.openai_responses.namespaces import flat_name
from app.errors import InvalidRequest
from app.messages import Choice, Function, Message, ModelResponse, Received, Request, ToolCall
from tests.unit.dialects.legality import events

_SPAWN = {"type": "function", "name": "spawn", "description": "Begin.", "parameters": {"type": "object"}}
_RUN = {"type": "custom", "name": "run", "format": {"type": "text"}}
_ALONE = {"type": "function", "name": "spawn", "parameters": {"type": "object", "properties": {}}}
_CALL = {"type": "function_call", "call_id": "c1", "name": "spawn", "namespace": "agents", "arguments": "{}"}
_RESULT = {"type": "function_call_output", "call_id": "c1", "output": "begun"}


def _space(*tools: dict[str, Any]) -> dict[str, Any]:
    return {"type": "namespace", "name": "agents", "description": "Others.", "tools": list(tools)}


def _request(*tools: dict[str, Any]) -> Request:
    return openai_responses.decode_request({"model": "m", "input": [_CALL, _RESULT], "tools": list(tools)}, {})


def test_each_tool_stands_for_itself_and_calls_are_named_alike() -> None:
    chat = openai_chat.encode_request(_request(_space(_SPAWN, _RUN), _ALONE))
    assert [tool[tool["type"]]["name"] for tool in chat["tools"]] == ["agents__spawn", "agents__run", "spawn"]
    assert chat["tools"][0]["function"]["description"] == "Begin."
    assert chat["messages"][0]["tool_calls"][0]["function"]["name"] == "agents__spawn"
    messages = anthropic_messages.encode_request(_request(_space(_SPAWN), _ALONE))
    assert [tool["name"] for tool in messages["tools"]] == ["agents__spawn", "spawn"]
    assert messages["messages"][1]["content"][0]["name"] == "agents__spawn"


def test_a_long_name_is_cut_to_what_every_provider_takes_and_stays_its_own() -> None:
    names = {flat_name("n" * 60, f"{'t' * 40}{end}") for end in "ab"}
    assert [len(name) for name in names] == [64, 64]


def test_an_answers_calls_have_their_own_names_again() -> None:
    request = _request(_space(_SPAWN), _ALONE)
    names = enumerate(["agents__spawn", "spawn"])
    message = Message(tool_calls=tuple([ToolCall(at, f"c{at}", function=Function(name, "{}")) for at, name in names]))
    formatter = openai_responses.DIALECT.formatter(request, "txn_1", 0)
    body = formatter.format(Received(ModelResponse(id="r", choices=(Choice(delta=message),)))) + formatter.finish()
    streamed = json.loads(events(body)[-1].data)["response"]
    whole = openai_responses.encode_response(ModelResponse(id="r", choices=(Choice(message=message),)), request)
    for response in (streamed, whole):
        called = [(item["name"], item.get("namespace")) for item in response["output"]]
        assert called == [("spawn", "agents"), ("spawn", None)]


@pytest.mark.parametrize(
    ("space", "param"),
    [
        (_space(_SPAWN, {"type": "mcp", "name": "x"}), "tools[0].tools[1]"),
        (_space({"type": "function"}), "tools[0].tools[0].name"),
        ({"type": "namespace", "name": "agents"}, "tools[0].tools"),
    ],
)
def test_what_is_no_tool_of_the_clients_is_refused_by_its_place(space: dict[str, Any], param: str) -> None:
    for encode in (openai_chat.encode_request, anthropic_messages.encode_request):
        with pytest.raises(InvalidRequest) as refused:
            encode(_request(space))
        assert refused.value.param == param


def test_a_provider_with_namespaces_gets_them_as_they_are() -> None:
    body = openai_responses.encode_request(_request(_space(_SPAWN, _RUN)))
    assert (body["tools"], body["input"]) == ([_space(_SPAWN, _RUN)], [_CALL, _RESULT])
