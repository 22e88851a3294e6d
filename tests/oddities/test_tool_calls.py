"""Tool calls as servers of chat completions send them: each is one call, whole, for clients of every dialect."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, ask, post
from tests.behaviour.provider import Provider
from tests.oddities.client_views import Call, read
from tests.oddities.table import (
    WAYS,
    Case,
    Expected,
    Table,
    Way,
    chat_events,
    chat_whole,
    delta,
    messages_events,
    messages_whole,
    over,
    running_table,
)

_TRANSLATED = tuple(way for way in WAYS if way.client != "chat")
"""A client of chat completions gets the pieces as the provider cut them, byte for byte."""
_READ = Call("read", {"at": 1})
_WRITE = Call("write", {"to": 2})


def piece(index: int | None, id: str | None, name: str | None = None, arguments: Any = None) -> dict[str, Any]:
    fields = {"index": index, "id": id, "type": "function"}
    function = {"name": name, "arguments": arguments}
    given = {name: value for name, value in fields.items() if value is not None}
    return {**given, "function": {name: value for name, value in function.items() if value is not None}}


def streamed(name: str, *events: Any, calls: Any, ways: tuple[Way, ...] = _TRANSLATED) -> Case:
    deltas = [delta(tool_calls=event) if isinstance(event, list) else delta(**event) for event in events]
    # A chat client gets `stop` as its provider said it, as OpenAI does of a call that was demanded.
    script = chat_events(*deltas, delta(finish="tool_calls" if ways is WAYS else "stop"))
    return Case(name, script, None, Expected(calls=calls, finish="tool_calls"), ways=ways)


STREAMED = [
    streamed(
        "another id in each piece",
        [piece(0, "a1b2", "read", "")],
        [piece(0, "c3d4", None, '{"at":')],
        [piece(0, "e5f6", None, " 1}")],
        calls=[_READ],
    ),
    streamed(
        "another id and the name in each piece",
        [piece(0, "a1b2", "read", "")],
        [piece(0, "c3d4", "read", '{"at":')],
        [piece(0, "e5f6", "read", " 1}")],
        calls=[_READ],
    ),
    streamed(
        "an empty id and an empty name",
        [piece(0, "", "read", '{"at":')],
        [piece(0, "", "", " 1}")],
        calls=[_READ],
    ),
    streamed(
        "no index",
        [piece(None, "a1b2", "read", '{"at":')],
        [piece(None, None, None, " 1}")],
        [piece(None, "c3d4", "write", '{"to": 2}')],
        calls=[_READ, _WRITE],
    ),
    streamed(
        "no index, another id in each piece",
        [piece(None, "a1b2", "read", '{"at":')],
        [piece(None, "c3d4", None, " 1}")],
        calls=[_READ],
    ),
    streamed(
        "indexes from 1",
        [piece(1, "a1b2", "read", '{"at": 1}')],
        [piece(2, "c3d4", "write", '{"to": 2}')],
        calls=[_READ, _WRITE],
    ),
    streamed(
        "all numbered 0",
        [piece(0, "a1b2", "read", '{"at": 1}')],
        [piece(0, "c3d4", "write", '{"to": 2}')],
        calls=[_READ, _WRITE],
    ),
    streamed(
        "all numbered 0, without ids",
        [piece(0, None, "read", '{"at": 1}')],
        [piece(0, None, "write", '{"to": 2}')],
        calls=[_READ, _WRITE],
    ),
    streamed(
        "all numbered 0 in one event, the first without arguments",
        [piece(0, "a1b2", "read", ""), piece(0, "c3d4", "write", '{"to": 2}')],
        calls=[Call("read", {}), _WRITE],
    ),
    streamed(
        "a name in pieces",
        [piece(0, "a1b2", "re", "")],
        [piece(0, None, "ad")],
        [piece(0, None, None, '{"at": 1}')],
        calls=[_READ],
    ),
    streamed(
        "a name in pieces, no arguments",
        [piece(0, "a1b2", "re", "")],
        [piece(0, None, "ad")],
        calls=[Call("read", {})],
    ),
    streamed(
        "the old function_call",
        {"function_call": {"name": "read", "arguments": ""}},
        {"function_call": {"arguments": '{"at": 1}'}},
        calls=[_READ],
    ),
    streamed(
        "two calls interleaved",
        [piece(0, "a1b2", "read", '{"at":')],
        [piece(1, "c3d4", "write", '{"to":')],
        [piece(0, None, None, " 1}")],
        [piece(1, None, None, " 2}")],
        calls=[_READ, _WRITE],
        ways=WAYS,
    ),
    streamed("arguments as an object", [piece(0, "a1b2", "read", {"at": 1})], calls=[_READ], ways=WAYS),
    streamed("no arguments", [piece(0, "a1b2", "read", "")], calls=[Call("read", {})]),
    streamed("invalid arguments", [piece(0, "a1b2", "read", '{"at": ')], calls=[Call("read", '{"at": ')], ways=WAYS),
]


@over(STREAMED)
def test_each_piece_belongs_to_the_call_it_means(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


def whole(name: str, call: dict[str, Any], expected: Call, ways: tuple[Way, ...] = WAYS) -> Case:
    script = chat_whole({"content": None, "tool_calls": [call]}, finish="tool_calls" if ways is WAYS else "stop")
    return Case(name, None, script, Expected(calls=[expected], finish="tool_calls"), ways=ways)


WHOLE = [
    whole("stop after a call", piece(None, "a1b2", "read", '{"at": 1}'), _READ, _TRANSLATED),
    whole("arguments as an object", piece(None, "a1b2", "read", {"at": 1}), _READ),
    whole("no type", {"id": "a1b2", "function": {"name": "read", "arguments": '{"at": 1}'}}, _READ),
    whole("no arguments", piece(None, "a1b2", "read", ""), Call("read", {}), _TRANSLATED),
    whole("null for arguments", piece(None, "a1b2", "read", "null"), Call("read", {}), _TRANSLATED),
    whole("a number for an id", {**piece(None, None, "read", '{"at": 1}'), "id": 5}, _READ, _TRANSLATED),
    Case(
        "Anthropic's end_turn after a call",
        messages_events(
            (
                {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}},
                [{"type": "input_json_delta", "partial_json": '{"at": 1}'}],
            )
        ),
        messages_whole([{"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"at": 1}}]),
        Expected(calls=[_READ], finish="tool_calls"),
        model="messages",
    ),
    Case(
        "Anthropic's call without arguments",
        messages_events(({"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}, []), stop="tool_use"),
        messages_whole([{"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}}], stop="tool_use"),
        Expected(calls=[Call("read", {})], finish="tool_calls"),
        model="messages",
    ),
]


@over(WHOLE)
def test_a_call_is_one_that_a_client_can_run(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


@pytest.mark.parametrize("way", _TRANSLATED, ids=str)
@pytest.mark.parametrize("id", [None, "", "call_0", "0", "read", "functions.read:0"])
def test_two_answers_never_have_the_same_id(table: Table, way: Way, id: str | None) -> None:
    call = {**piece(0, None, "read", '{"at": 1}'), "id": id}
    streamed = chat_events(delta(tool_calls=[call, {**call, "index": 1}]), delta(finish="tool_calls"))
    case = Case("", streamed, chat_whole({"content": None, "tool_calls": [call, call]}), Expected())
    ids = [call.id for _ in range(2) for call in table.check(case, way).calls]
    assert len(set(ids)) == 4
    assert all(len(one) <= 40 and one.replace("_", "").isalnum() for one in ids)


@pytest.mark.parametrize("way", _TRANSLATED, ids=str)
def test_an_id_of_an_earlier_turn_is_not_given_again(table: Table, way: Way) -> None:
    call = piece(0, "call_7", "read", "{}")
    case = Case(
        "",
        chat_events(delta(tool_calls=[call]), delta(finish="tool_calls")),
        chat_whole({"content": None, "tool_calls": [call]}),
        Expected(),
    )
    (first,) = table.check(case, way).calls
    assert first.id == "call_7"
    reply = post(
        table.gateways[way.policies], MESSAGES if way.client == "messages" else RESPONSES, _second_turn(way, "call_7")
    )
    (second,) = read(way.client, way.stream, reply).calls
    assert second.id not in ("call_7", "")


def _second_turn(way: Way, id: str) -> dict[str, Any]:
    stream: dict[str, Any] = {"stream": True} if way.stream else {}
    if way.client == "messages":
        return ask("chat", MESSAGES, messages=_anthropic_turns([id]), **stream)
    items = [
        {"type": "function_call", "call_id": id, "name": "read", "arguments": "{}"},
        {"type": "function_call_output", "call_id": id, "output": "done"},
    ]
    return ask("chat", RESPONSES, input=[{"role": "user", "content": "go"}, *items], **stream)


def _anthropic_turns(ids: list[str]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    for id in ids:
        turns.append({"role": "assistant", "content": [{"type": "tool_use", "id": id, "name": "read", "input": {}}]})
        turns.append(
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id, "content": f"result {len(turns)}"}]}
        )
    return turns


def _chat_turns(ids: list[str], arguments: Any = "") -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = [{"role": "user", "content": "go"}]
    for id in ids:
        function = {"name": "read", "arguments": arguments}
        turns.append({"role": "assistant", "tool_calls": [{"id": id, "type": "function", "function": function}]})
        turns.append({"role": "tool", "tool_call_id": id, "content": f"result {len(turns)}"})
    return turns


@pytest.mark.parametrize(
    ("path", "turns"), [(CHAT, _chat_turns), (MESSAGES, _anthropic_turns)], ids=["from chat", "from Anthropic"]
)
def test_claude_gets_ids_that_it_takes_each_once(table: Table, path: str, turns: Any) -> None:
    script = messages_whole([{"type": "text", "text": "done"}])
    table.provider.play(script)
    sent = ["call_0", "functions.read:0", "call_0", ""]
    reply = post(table.gateways["no policy"], path, ask("messages", path, messages=turns(sent)))
    assert reply.status == 200, reply
    blocks = [
        block
        for message in table.provider.received().json()["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
    ]
    ids = [block["id"] for block in blocks if block["type"] == "tool_use"]
    assert ids[0] == "call_0"
    assert len(set(ids)) == 4
    assert all(id and id.replace("_", "").replace("-", "").isalnum() for id in ids)
    assert [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"] == ids
    assert all(block["input"] == {} for block in blocks if block["type"] == "tool_use")


@pytest.mark.parametrize("arguments", ["", "null", None, {}], ids=repr)
def test_a_call_of_an_earlier_turn_without_arguments_has_an_empty_object(table: Table, arguments: Any) -> None:
    for model, path, messages in (
        ("chat", CHAT, _chat_turns(["a1b2"], arguments)),
        ("messages", CHAT, _chat_turns(["a1b2"], arguments)),
    ):
        answer = chat_whole({"content": "done"}) if model == "chat" else messages_whole([])
        table.provider.play(answer)
        reply = post(table.gateways["no policy"], path, ask(model, path, messages=messages))
        assert reply.status == 200, reply
        sent = table.provider.received().json()["messages"][1]
        given = sent["tool_calls"][0]["function"]["arguments"] if model == "chat" else sent["content"][0]["input"]
        assert given in ("{}", {})


@pytest.mark.parametrize(("model", "longest"), [("azure", 40), ("mistral", 9)])
def test_a_provider_gets_ids_as_long_as_it_takes(further_table: Table, model: str, longest: int) -> None:
    long = "toolu_" + "x" * 80
    for path, turns in ((CHAT, _chat_turns([long], "{}")), (MESSAGES, _anthropic_turns([long]))):
        further_table.provider.play(chat_whole({"content": "done"}))
        assert post(further_table.gateways["no policy"], path, ask(model, path, messages=turns)).status == 200
        _, called, answered = further_table.provider.received().json()["messages"]
        id = called["tool_calls"][0]["id"]
        assert len(id) == longest
        assert answered["tool_call_id"] == id


@pytest.fixture(scope="module")
def further_table() -> Iterator[Table]:
    def further(provider: Provider) -> list[str]:
        return [
            f"azure: {{model: azure/x, api_base: '{provider.url}', api_key: k}}",
            f"mistral: {{model: mistral/x, api_base: '{provider.url}/v1', api_key: k}}",
        ]

    with running_table(further) as running:
        yield running
