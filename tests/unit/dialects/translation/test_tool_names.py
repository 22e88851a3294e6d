"""Names of tools that Anthropic takes and OpenAI does not."""

import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from app.dialects import anthropic_messages, dialect_of, openai_chat, openai_responses
from app.dialects.translation.tool_names import to_openai, with_client_names
from app.messages import Choice, Message, ModelResponse, Request
from tests.unit.dialects.samples import call

LONG = "mcp__a-server-with-a-long-name__" + "a_tool_with_a_long_name_" * 3
DOTTED = "files.read/all"
LEGAL = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def asked(*names: str) -> Request:
    body: dict[str, Any] = {
        "model": "m",
        "max_tokens": 9,
        "tools": [{"name": name, "input_schema": {"type": "object"}} for name in names],
        "tool_choice": {"type": "tool", "name": names[0]},
        "messages": [
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": names[0], "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c", "content": "ok"}]},
        ],
    }
    return anthropic_messages.decode_request(body, {})


def client_names(*names: str) -> Mapping[str, str]:
    request = asked(*names)
    return dialect_of(request).tool_names(request)


@given(st.text(min_size=1, max_size=200))
def test_every_name_becomes_one_that_openai_takes(name: str) -> None:
    short = to_openai(name)
    assert LEGAL.fullmatch(short)
    assert (short == name) == bool(LEGAL.fullmatch(name))


def test_names_that_begin_alike_stay_apart() -> None:
    assert len({to_openai(LONG + end) for end in ("a", "b", "c")}) == 3
    assert to_openai("a.b") != to_openai("a/b") != to_openai("a_b")


def test_a_request_names_its_tools_alike_in_every_place() -> None:
    sent = openai_chat.encode_request(asked(LONG, DOTTED, "plain"))
    names = [tool["function"]["name"] for tool in sent["tools"]]
    assert names == [to_openai(LONG), to_openai(DOTTED), "plain"]
    assert sent["tool_choice"]["function"]["name"] == names[0]
    assert sent["messages"][1]["tool_calls"][0]["function"]["name"] == names[0]


def test_a_chat_clients_names_are_shortened_for_other_apis_alone() -> None:
    tool = {"type": "function", "function": {"name": DOTTED}}
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tools": [tool]}
    request = openai_chat.decode_request(body, {})
    assert dialect_of(request).tool_names(request) == {to_openai(DOTTED): DOTTED}
    assert openai_chat.encode_request(request)["tools"] == [tool]
    assert anthropic_messages.encode_request(request)["tools"][0]["name"] == to_openai(DOTTED)


@pytest.mark.parametrize("streamed", [True, False])
def test_an_answer_has_the_clients_own_names(streamed: bool) -> None:
    message = Message(tool_calls=(call("{}", 0, "c", to_openai(LONG)), call("{}", 1, "d", "plain")))
    choice = Choice(delta=message) if streamed else Choice(message=message)
    response = ModelResponse(choices=(choice,))
    restored = with_client_names(response, client_names(LONG, DOTTED, "plain"))
    calls = (restored.choices[0].delta or restored.choices[0].message or Message()).tool_calls
    assert [one.function.name for one in calls] == [LONG, "plain"]
    assert restored is not response, "the provider's bytes have the short name, and belong to the response as it came"


def test_an_answer_without_such_a_call_is_left_alone() -> None:
    names = client_names(LONG)
    for response in (ModelResponse(), ModelResponse(choices=(Choice(delta=Message(content="a")),))):
        assert with_client_names(response, names) is response
    plain = ModelResponse(choices=(Choice(delta=Message(tool_calls=(call("{}", 0, "c", "plain"),))),))
    assert with_client_names(plain, names) is plain
    assert with_client_names(replace(plain), {}).choices is plain.choices


def test_the_responses_api_gets_the_same_names() -> None:
    sent = openai_responses.encode_request(asked(LONG, DOTTED, "plain"))
    names = [tool["name"] for tool in sent["tools"]]
    assert names == [to_openai(LONG), to_openai(DOTTED), "plain"]
    assert sent["tool_choice"]["name"] == names[0]
    assert sent["input"][1]["name"] == names[0]


def test_a_responses_client_keeps_its_names_at_its_own_api_and_gets_them_back_from_any_other() -> None:
    function = {"type": "function", "name": DOTTED, "parameters": {"type": "object"}, "strict": False}
    space = {"type": "namespace", "name": "a.b", "tools": [{"type": "function", "name": "c"}]}
    body = {"model": "m", "input": "hi", "tools": [function, space]}
    request = openai_responses.decode_request(body, {})
    assert openai_responses.encode_request(request)["tools"] == [function, space]
    names = [tool["function"]["name"] for tool in openai_chat.encode_request(request)["tools"]]
    assert all(map(LEGAL.fullmatch, names))
    assert [dialect_of(request).tool_names(request)[name] for name in names] == [DOTTED, "a.b__c"]
