"""Tools that stand among the items of the input, for providers that know none there."""

from typing import Any

import pytest

from app.dialects import anthropic_messages, openai_chat, openai_responses
from app.dialects.dialect import left_out_tools
from app.dialects.translation.custom_tools import custom_tools
from app.errors import InvalidRequest
from app.messages import Choice, Function, Message, ModelResponse, Request, ToolCall

_EXEC = {"type": "custom", "name": "exec", "description": "Runs.", "format": {"type": "text"}}
_WAIT = {"type": "function", "name": "wait", "parameters": {"type": "object", "properties": {}}}
_SPACE = {"type": "namespace", "name": "functions", "description": "", "tools": [_EXEC, _WAIT]}
_READ = {"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}}
_NAMES = ["read", "functions__exec", "functions__wait"]


def _request(*tools: Any, **fields: Any) -> Request:
    item = {"type": "additional_tools", "role": "developer", "tools": list(tools)}
    given = [item, {"role": "developer", "content": "Be brief."}, {"role": "user", "content": "Go."}]
    return openai_responses.decode_request({"model": "m", "input": given, **fields}, {})


def test_they_are_tools_of_the_request_behind_the_others() -> None:
    request = _request(_SPACE, tools=[_READ])
    messages = anthropic_messages.encode_request(request)
    assert [tool["name"] for tool in messages["tools"]] == _NAMES
    assert (messages["system"], len(messages["messages"])) == ("Be brief.", 1)
    chat = openai_chat.encode_request(request, custom_tools=False)
    assert [tool["function"]["name"] for tool in chat["tools"]] == _NAMES
    assert [message["role"] for message in chat["messages"]] == ["developer", "user"]
    assert custom_tools(request) == ["functions__exec"]


def test_a_call_of_one_reaches_the_client_by_its_own_name() -> None:
    call = ToolCall(0, "c1", "custom", Function("functions__exec", "text(1)"))
    response = ModelResponse(id="r", choices=(Choice(message=Message(tool_calls=(call,)), finish_reason="tool_calls"),))
    (item,) = openai_responses.encode_response(response, _request(_SPACE))["output"]
    assert (item["type"], item["name"], item["namespace"]) == ("custom_tool_call", "exec", "functions")


def test_one_that_has_to_be_called_is_found_there() -> None:
    request = _request(_SPACE, tool_choice={"type": "custom", "name": "exec"})
    assert anthropic_messages.encode_request(request)["tool_choice"] == {"type": "tool", "name": "functions__exec"}


def test_one_that_the_provider_would_run_is_left_out_and_named() -> None:
    request = _request(_SPACE, {"type": "web_search"})
    assert [tool["name"] for tool in anthropic_messages.encode_request(request)["tools"]] == _NAMES[1:]
    assert left_out_tools(request, "anthropic_messages") == ["web_search"]


def test_the_api_that_has_them_is_given_them_as_they_are() -> None:
    request = _request(_SPACE)
    assert openai_responses.encode_request(request)["input"][0]["tools"] == [_SPACE]
    assert "tools" not in openai_responses.encode_request(request)


@pytest.mark.parametrize(
    ("tool", "param"),
    [
        ({"type": "function"}, "input[0].tools[0].name"),
        ({"name": "f"}, "input[0].tools[0].type"),
        ("f", "input[0].tools[0]"),
    ],
)
def test_one_that_is_not_well_made_is_refused_by_its_place(tool: Any, param: str) -> None:
    request = _request(tool)
    for encode in (openai_chat.encode_request, anthropic_messages.encode_request):
        with pytest.raises(InvalidRequest) as refused:
            encode(request)
        assert refused.value.param == param
    assert custom_tools(request) == []
