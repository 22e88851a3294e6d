"""An agent's tools that only another provider could run are left out, and the span names them; its own stay."""

import pytest

from tests.oddities.table import Table, Way, chat_whole, messages_whole
from tests.upstream import Script, json_reply

_OPENAI = {"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}}
_ANTHROPIC = {"name": "read", "input_schema": {"type": "object", "properties": {}}}
_SEARCH = {"type": "web_search", "search_context_size": "low"}
_CODEX = [_OPENAI, {"type": "tool_search", "execution": "client", "parameters": {}}, _SEARCH]
_CLAUDE = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 5}, _ANTHROPIC]
_ANSWERS: dict[str, Script] = {
    "chat": chat_whole({"content": "so"}),
    "messages": messages_whole([{"type": "text", "text": "so"}]),
}


@pytest.mark.parametrize("model", ["chat", "messages"])
@pytest.mark.parametrize("way", [Way("responses", False, "no policy"), Way("responses", False, "looking")], ids=str)
def test_codex_goes_on_without_a_search_that_its_provider_lacks(table: Table, way: Way, model: str) -> None:
    table.provider.play(_ANSWERS[model])
    reply = table.send(way, model, tools=_CODEX, tool_choice="auto")
    assert reply.status == 200, reply
    [tool] = table.provider.received().json()["tools"]
    assert (tool.get("function") or tool)["name"] == "read"
    [attempt] = table.transaction(way, reply).attempts
    assert (attempt.attributes or {})["flowspan.left_out_tools"] == ("tool_search", "web_search")


def test_so_does_a_client_of_anthropics(table: Table) -> None:
    way = Way("messages", False, "no policy")
    table.provider.play(_ANSWERS["chat"])
    reply = table.send(way, "chat", tools=_CLAUDE)
    assert reply.status == 200, reply
    assert [tool["function"]["name"] for tool in table.provider.received().json()["tools"]] == ["read"]


@pytest.mark.parametrize(
    ("fields", "at_fault"),
    [
        ({"tools": _CODEX, "tool_choice": {"type": "web_search"}}, "tool_choice"),
        ({"tools": [_SEARCH]}, "tools[0]"),
        ({"tools": [_OPENAI, {"type": "local_shell"}]}, "tools[1]"),
    ],
    ids=["demanded", "the only tool", "run by the client"],
)
def test_what_the_client_needs_of_them_is_refused(table: Table, fields: dict[str, object], at_fault: str) -> None:
    table.provider.play(json_reply({}))
    reply = table.send(Way("responses", False, "no policy"), "chat", **fields)
    assert (reply.status, reply.json()["error"]["param"]) == (400, at_fault)
    assert not table.provider.requests


def test_a_provider_of_the_clients_own_api_is_told_of_all(table: Table) -> None:
    table.provider.play(_ANSWERS["messages"])
    reply = table.send(Way("messages", False, "no policy"), "messages", tools=_CLAUDE)
    assert reply.status == 200
    assert table.provider.received().json()["tools"] == _CLAUDE
