"""Answers in another shape than was asked for: whole instead of streamed, streamed instead of whole, under any type."""

from collections.abc import Sequence
from typing import Any

import pytest

from tests.oddities.client_views import Api, Call
from tests.oddities.table import (
    APIS,
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
    responses_events,
    responses_whole,
)
from tests.unit.dialects.openai_responses.events import call_item, called, message, text_events
from tests.upstream import Body, End, Head, Script

_USAGE = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
_CALLED = {"id": "call_1", "type": "function", "function": {"name": "read", "arguments": '{"at": 1}'}}
_BLOCK = {"type": "tool_use", "id": "toolu_1", "name": "read", "input": {"at": 1}}
_PIECES = [{"type": "input_json_delta", "partial_json": piece} for piece in ('{"at"', ": 1}")]
_THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "sig"}
_TEXT = Expected(text="so it is", finish="stop", tokens=(9, 4))
_CALL = Expected(calls=[Call("read", {"at": 1})], finish="tool_calls")

_ANSWERS: Sequence[tuple[Api, str, Script, Script, Expected]] = [
    (
        "chat",
        "text",
        chat_events(delta(role="assistant", content="so"), delta(content=" it is"), delta(finish="stop"), usage=_USAGE),
        chat_whole({"content": "so it is"}),
        _TEXT,
    ),
    (
        "chat",
        "call",
        chat_events(delta(tool_calls=[{"index": 0, **_CALLED}]), delta(finish="tool_calls"), usage=_USAGE),
        chat_whole({"content": None, "tool_calls": [_CALLED]}, finish="tool_calls"),
        _CALL,
    ),
    (
        "chat",
        "thinking",
        chat_events(delta(reasoning_content="h"), delta(reasoning_content="m"), delta(content="a", finish="stop")),
        chat_whole({"content": "a", "reasoning_content": "hm"}),
        Expected(text="a", thinking="hm", finish="stop"),
    ),
    (
        "messages",
        "text and thinking",
        messages_events(
            (
                {"type": "thinking", "thinking": "", "signature": ""},
                [{"type": "thinking_delta", "thinking": "hm"}, {"type": "signature_delta", "signature": "sig"}],
            ),
            ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "so it is"}]),
        ),
        messages_whole([_THOUGHT, {"type": "text", "text": "so it is"}]),
        Expected(text="so it is", thinking="hm", finish="stop", tokens=(9, 4)),
    ),
    (
        "messages",
        "call",
        messages_events(({**_BLOCK, "input": {}}, _PIECES), stop="tool_use"),
        messages_whole([_BLOCK], stop="tool_use"),
        _CALL,
    ),
    (
        "responses",
        "text",
        responses_events(text_events("so it is")),
        responses_whole(message("so it is")),
        Expected(text="so it is", finish="stop"),
    ),
    ("responses", "call", responses_events(called('{"at": 1}')), responses_whole(call_item('{"at": 1}')), _CALL),
]
_TYPES = ("text/event-stream", "application/json", "text/plain; charset=utf-8", "application/octet-stream", "")


def body_of(script: Script) -> bytes:
    return b"".join(step.data for step in script if isinstance(step, Body))


def _as(content_type: str, script: Script, before: bytes = b"") -> Script:
    """A script of the same bytes under another content type; an empty one is not sent."""
    body = before + body_of(script)
    return [Head(content_type=content_type), Body(body), End()]


CASES = [
    Case(f"{api} {name} as {content_type or 'nothing'}", streamed, whole, expected, api)
    for api, name, events, body, expected in _ANSWERS
    for content_type in (_TYPES if (api, name) == ("chat", "text") else ("text/plain",))
    for streamed, whole in [
        (_as(content_type, events), _as(content_type, body)),
        (_as(content_type, body), _as(content_type, events)),
    ]
]


@over([case for at, case in enumerate(CASES) if at % 2 == 0])
def test_an_answer_is_read_whatever_type_it_claims(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


@over([case for at, case in enumerate(CASES) if at % 2 == 1])
def test_an_answer_is_read_whatever_shape_was_asked_for(table: Table, case: Case, way: Way) -> None:
    view = table.check(case, way)
    assert view.id
    assert view.model


_ERROR = b'{"error": {"message": "no more of it", "type": "server_error"}}'
_BAD = {
    "an empty body": (b"", "empty"),
    "blank lines": (b"\n\n\n", "the provider"),
    "a page": (b"<!doctype html><html>busy</html>", "the provider"),
    "garbage": (b"hello", "the provider"),
    "half of JSON": (b'{"id": "x", "choices": [', "the provider"),
    "another object": (b'{"ok": true}', "the provider"),
    "an error": (_ERROR, "no more of it"),
    "an error as an event": (b"event: error\ndata: " + _ERROR + b"\n\n", "no more of it"),
    "an error in a list": (b"[" + _ERROR + b"]", "no more of it"),
}


@pytest.mark.parametrize("content_type", ["text/plain", "text/event-stream"])
@pytest.mark.parametrize("name", _BAD)
@pytest.mark.parametrize("api", ["chat", "messages", "responses"])
@pytest.mark.parametrize("stream", [True, False])
def test_what_is_no_answer_in_any_shape_is_the_providers_fault(
    table: Table, api: Api, stream: bool, name: str, content_type: str
) -> None:
    body, word = _BAD[name]
    script: Script = [Head(content_type=content_type), *([Body(body)] if body else []), End()]
    way = Way(api, stream, "no policy")
    reply = table.ask(Case(name, script, script, Expected(), model=api), way)
    assert reply.status == (500 if b"server_error" in body else 502)
    assert word in str(reply.json()["error"]).lower()
    assert table.transaction(way, reply).outcome == "upstream_error"


@pytest.mark.parametrize("stream", [True, False])
def test_blank_lines_that_keep_a_connection_alive_are_no_answer_yet(table: Table, stream: bool) -> None:
    script = _as("application/json", chat_whole({"content": "so it is"}), before=b"\n" * 9000)
    table.check(Case("blank", script, script, _TEXT), Way("messages", stream, "no policy"))


def _bare(api: Api) -> tuple[Script, Script]:
    """An answer that names neither itself nor its model, nor a time."""
    nothing: dict[str, Any] = {"id": None, "model": None, "created": None}
    if api == "chat":
        events = chat_events(delta(content="a"), delta(finish="stop"), **nothing)
        return events, chat_whole({"content": "a"}, **nothing)
    head = {name: value for name, value in nothing.items() if name != "created"}
    if api == "responses":
        whole = responses_whole(message("a"), **head, created_at=None)
        return _without(responses_events(text_events("a")), b'"id": "resp_1", ', b'"model": "gpt", '), whole
    events = messages_events(({"type": "text", "text": ""}, [{"type": "text_delta", "text": "a"}]))
    whole = messages_whole([{"type": "text", "text": "a"}])
    names = b'"id": "msg_scripted", ', b'"model": "claude-scripted", '
    return _without(events, *names), _without(whole, *names)


def _without(script: Script, *pieces: bytes) -> Script:
    body = body_of(script)
    for piece in pieces:
        assert piece in body
        body = body.replace(piece, b"")
    (head,) = [step for step in script if isinstance(step, Head)]
    return [Head(content_type=head.content_type), Body(body), End()]


_BARE = [
    # A provider's own bytes go on to a client of its API as they are.
    Case(
        f"bare {api}", *_bare(api), Expected(text="a"), model=api, ways=tuple(way for way in WAYS if way.client != api)
    )
    for api in APIS
]


@over(_BARE)
def test_a_translated_answer_has_an_id_a_time_and_a_model(table: Table, case: Case, way: Way) -> None:
    view = table.check(case, way)
    assert view.id
    assert view.model == case.model
    if way.client != "messages":
        assert isinstance(view.created, int)
        assert view.created
