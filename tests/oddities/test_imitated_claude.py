"""Servers that imitate Anthropic's API and leave out, or write otherwise, what its own clients rely on."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.oddities.client_views import Call
from tests.oddities.table import WAYS, Case, Expected, Table, Way, over
from tests.upstream import Body, End, Head, Script, json_reply

Event = dict[str, Any]
WELL = Expected(text="well", finish="stop")
CALLED = Expected(calls=[Call("look", {"a": 1}, "toolu_1")], finish="tool_calls")
HEAD: Event = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
START: Event = {
    "type": "message_start",
    "message": {**HEAD, "content": [], "stop_reason": None, "usage": {"input_tokens": 9, "output_tokens": 1}},
}
TEXT: Event = {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}
WE: Event = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "we"}}
LL: Event = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "ll"}}
STOP: Event = {"type": "content_block_stop", "index": 0}
ENDED: Event = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn", "stop_sequence": None},
    "usage": {"output_tokens": 4},
}
LAST: Event = {"type": "message_stop"}
TOOL: Event = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
TOOL_ENDED: Event = {**ENDED, "delta": {"stop_reason": "tool_use", "stop_sequence": None}}
ARGUMENTS = '{"a": 1}'


def played(*events: Event, named: bool = True) -> Script:
    """A stream of these; each under its type's name, if `named`."""
    rows = [
        f"event: {one['type']}\ndata: {json.dumps(one)}\n\n" if named else f"data: {json.dumps(one)}\n\n"
        for one in events
    ]
    return [Head(), *(Body(row.encode()) for row in rows), End()]


def by_name(*events: Event) -> Script:
    """A stream whose events have their types as names alone."""
    rows = [(one["type"], {name: value for name, value in one.items() if name != "type"}) for one in events]
    return [Head(), *(Body(f"event: {name}\ndata: {json.dumps(one)}\n\n".encode()) for name, one in rows), End()]


def changed(change: Mapping[str, Any], *events: Event) -> list[Event]:
    """The events with these fields; those that are None are left out."""
    return [
        {name: value for name, value in {**one, **change}.items() if value is not None or name not in change}
        for one in events
    ]


def calling(block: Event, *deltas: Event) -> Script:
    start: Event = {"type": "content_block_start", "index": 0, "content_block": block}
    rows: Sequence[Event] = [{"type": "content_block_delta", "index": 0, "delta": one} for one in deltas]
    return played(START, start, *rows, STOP, TOOL_ENDED, LAST)


def whole(content: Any, stop: str = "end_turn", **fields: Any) -> Script:
    body = {**HEAD, "content": content, "stop_reason": stop, "usage": {"input_tokens": 9, "output_tokens": 4}, **fields}
    return json_reply(body)


def without(event: Event, *names: str) -> Event:
    return {name: value for name, value in event.items() if name not in names}


def unsigned(delta: Event) -> Event:
    return {**delta, "delta": without(delta["delta"], "type")}


NO_USAGE: Event = {**START, "message": {**START["message"], "usage": None}}
PARTIAL = {"type": "input_json_delta", "partial_json": ARGUMENTS}
CASES = [
    Case("content is a text", None, whole("well"), WELL, "messages"),
    Case("content is null", None, whole(None, "end_turn"), Expected(text="", finish="stop"), "messages"),
    Case("content of texts", None, whole(["we", "ll"]), WELL, "messages"),
    Case("a block without type", None, whole([{"text": "well"}]), WELL, "messages"),
    Case(
        "a call without type",
        None,
        whole([without(TOOL, "type") | {"input": {"a": 1}}], "tool_use"),
        CALLED,
        "messages",
    ),
    Case("input is a text", None, whole([{**TOOL, "input": ARGUMENTS}], "tool_use"), CALLED, "messages"),
    Case(
        "input is null",
        None,
        whole([{**TOOL, "input": None}], "tool_use"),
        Expected(calls=[Call("look", {}, "toolu_1")], finish="tool_calls"),
        "messages",
    ),
    Case("citations are wrong", None, whole([{"type": "text", "text": "well", "citations": "x"}]), WELL, "messages"),
    Case(
        "usage is null",
        played(NO_USAGE, TEXT, WE, LL, STOP, {**ENDED, "usage": None}, LAST),
        whole([{"type": "text", "text": "well"}], usage=None),
        WELL,
        "messages",
    ),
    Case(
        "an id that is a number",
        played({**START, "message": {**START["message"], "id": 7, "model": None}}, TEXT, WE, LL, STOP, ENDED, LAST),
        whole([{"type": "text", "text": "well"}], id=7, model=None),
        WELL,
        "messages",
    ),
    Case(
        "the first event has the text",
        played({**START, "message": {**START["message"], "content": "well"}}, ENDED, LAST),
        None,
        WELL,
        "messages",
        ways=tuple(way for way in WAYS if way.client != "messages"),
    ),
    Case("no index", played(START, *changed({"index": None}, TEXT, WE, LL, STOP), ENDED, LAST), None, WELL, "messages"),
    Case(
        "an index that is a text",
        played(START, *changed({"index": "0"}, TEXT, WE, LL, STOP), ENDED, LAST),
        None,
        WELL,
        "messages",
    ),
    Case(
        "deltas without type",
        played(START, TEXT, unsigned(WE), unsigned(LL), STOP, ENDED, LAST),
        None,
        WELL,
        "messages",
    ),
    Case(
        "deltas that are texts",
        played(START, TEXT, {**WE, "delta": "we"}, {**LL, "delta": "ll"}, STOP, ENDED, LAST),
        None,
        WELL,
        "messages",
    ),
    Case(
        "empty deltas",
        played(
            START,
            TEXT,
            WE,
            {**LL, "delta": None},
            {**LL, "delta": {"type": "text_delta", "text": None}},
            LL,
            STOP,
            ENDED,
            LAST,
        ),
        None,
        WELL,
        "messages",
    ),
    Case(
        "a start without a block",
        played(START, without(TEXT, "content_block"), WE, LL, STOP, ENDED, LAST),
        None,
        WELL,
        "messages",
    ),
    Case(
        "a start without its type",
        played(START, {**TEXT, "content_block": {"text": "we"}}, LL, STOP, ENDED, LAST),
        None,
        WELL,
        "messages",
    ),
    Case("types as names", by_name(START, TEXT, WE, LL, STOP, ENDED, LAST), None, WELL, "messages"),
    Case("types without names", played(START, TEXT, WE, LL, STOP, ENDED, LAST, named=False), None, WELL, "messages"),
    Case("no first event", played(TEXT, WE, LL, STOP, ENDED, LAST), None, WELL, "messages"),
    Case(
        "a first event that is empty",
        played({"type": "message_start"}, TEXT, WE, LL, STOP, ENDED, LAST),
        None,
        WELL,
        "messages",
    ),
    Case("no start of the block", played(START, WE, LL, STOP, ENDED, LAST), None, WELL, "messages"),
    Case("deltas alone", played(WE, LL, ENDED, LAST), None, WELL, "messages"),
    Case("input at the start", calling({**TOOL, "input": {"a": 1}}), None, CALLED, "messages"),
    Case("input as a text at the start", calling({**TOOL, "input": ARGUMENTS}), None, CALLED, "messages"),
    Case("input at the start and in deltas", calling({**TOOL, "input": {"a": 1}}, PARTIAL), None, CALLED, "messages"),
    Case(
        "input at the start and an empty delta",
        calling({**TOOL, "input": {"a": 1}}, {**PARTIAL, "partial_json": ""}),
        None,
        CALLED,
        "messages",
    ),
    Case("arguments as an object", calling(TOOL, {**PARTIAL, "partial_json": {"a": 1}}), None, CALLED, "messages"),
    Case("arguments without type", calling(TOOL, {"partial_json": ARGUMENTS}), None, CALLED, "messages"),
    Case("a call's start without type", calling(without(TOOL, "type"), PARTIAL), None, CALLED, "messages"),
    Case(
        "thinking without type",
        played(
            START,
            {"type": "content_block_start", "index": 0, "content_block": {"thinking": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"thinking": "hm"}},
            STOP,
            *changed({"index": 1}, TEXT, WE, LL, STOP),
            ENDED,
            LAST,
        ),
        whole([{"thinking": "hm"}, {"type": "text", "text": "well"}]),
        Expected(thinking="hm", text="well", finish="stop"),
        "messages",
    ),
    Case(
        "arguments of no call",
        played(START, {"type": "content_block_delta", "index": 0, "delta": PARTIAL}, STOP, TOOL_ENDED, LAST),
        None,
        Expected(error="", outcome="upstream_error"),
        "messages",
    ),
]


@over(CASES)
def test_an_imitation_of_claudes_api_is_read_as_what_it_means(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


@over([case for case in CASES if case.expected.error is None])
def test_claudes_clients_get_events_that_their_sdk_can_read(table: Table, case: Case, way: Way) -> None:
    if way.client != "messages":
        return
    reply = table.ask(case, way)
    if not way.stream:
        body = reply.json()
        assert isinstance(body["content"], list)
        assert all(block["type"] for block in body["content"])
        assert isinstance(body["usage"]["input_tokens"], int)
        return
    blocks: list[str] = []
    rows = [row.split(b"\n") for row in reply.body.strip().split(b"\n\n") if b"ping" not in row]
    for name, data in rows:
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        match event["type"]:
            case "message_start":
                assert isinstance(event["message"]["usage"]["input_tokens"], int)
            case "content_block_start":
                assert event["index"] == len(blocks)
                blocks.append(event["content_block"]["type"])
            case "content_block_delta":
                assert event["index"] == len(blocks) - 1
                kind = event["delta"]["type"]
                assert kind.removesuffix("_delta") in {"tool_use": "input_json"}.get(blocks[-1], blocks[-1])
            case "message_delta":
                assert isinstance(event["usage"]["output_tokens"], int)
    assert rows[0][0] == b"event: message_start"
