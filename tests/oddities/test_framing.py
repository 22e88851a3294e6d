"""Answers in another frame than the standards': marks and ends around a body, odd spellings of events, JSON lines."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.behaviour.clients import ask, post
from tests.behaviour.gateway import RunningGateway, configuration
from tests.behaviour.provider import Provider
from tests.oddities.client_views import Call, read
from tests.oddities.table import (
    PATHS,
    Case,
    Expected,
    Table,
    Way,
    chat_events,
    chat_whole,
    delta,
    messages_whole,
    models,
    over,
    responses_whole,
    sse,
)
from tests.oddities.test_shapes import body_of
from tests.unit.dialects.openai_responses.events import message
from tests.upstream import Body, End, Head, Script


def _data_of(script: Script) -> list[bytes]:
    return [block.removeprefix(b"data: ") for block in body_of(script).split(b"\n\n") if block]


_BOM = b"\xef\xbb\xbf"
_DONE = b"\n\ndata: [DONE]\n\n"
_TEXT = Expected(text="so it is", finish="stop")
_CALLED = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "read", "arguments": '{"at": 1}'}}
_CALL = Expected(calls=[Call("read", {"at": 1})], finish="tool_calls")
_EVENTS = chat_events(delta(role="assistant", content="so"), delta(content=" it is"), delta(finish="stop"))
_CHUNKS = _data_of(_EVENTS)
_WHOLE = body_of(chat_whole({"content": "so it is"}))
_WHOLE_CALL = body_of(chat_whole({"content": None, "tool_calls": [_CALLED]}, finish="tool_calls"))


def _script(body: bytes, content_type: str = "application/json", pieces: int = 1) -> Script:
    size = -(-len(body) // pieces)
    return [Head(content_type=content_type), *(Body(body[at : at + size]) for at in range(0, len(body), size)), End()]


def _same(name: str, script: Script, expected: Expected = _TEXT, model: str = "chat") -> Case:
    return Case(name, script, script, expected, model=model)


def _framed(name: str, *data: bytes) -> Case:
    """Events of this data."""
    body = b"".join(b"data: %b\n\n" % one for one in data)
    return _same(name, _script(body, "text/event-stream"))


BODIES = [
    _same("a mark before the body", _script(_BOM + _WHOLE)),
    _same("a mark before Claude's", _script(_BOM + body_of(messages_whole([{"type": "text", "text": "so it is"}]))),
          model="messages"),
    _same("a mark before a response", _script(_BOM + body_of(responses_whole(message("so it is")))), model="responses"),
    _same("an end behind the body", _script(_WHOLE + _DONE)),
    _same("an end without a field behind the body", _script(_WHOLE + b"\n[DONE]")),
    _same("a call with an end behind it", _script(_BOM + _WHOLE_CALL + _DONE), _CALL),
    _same("not a number", _script(_WHOLE.replace(b'"created": 1760000000', b'"created": 1760000000, "x": NaN'))),
]  # fmt: skip


@over(BODIES)
def test_what_stands_around_a_body_is_no_part_of_it(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


FRAMES = [
    _framed("null among the events", _CHUNKS[0], b"null", *_CHUNKS[1:]),
    _framed("null at first", b"null", *_CHUNKS),
    _framed("an empty text", _CHUNKS[0], b'""', *_CHUNKS[1:]),
    _framed("a small end", *_CHUNKS[:-1], b"[done]"),
    _framed("an end as JSON", *_CHUNKS[:-1], b'"[DONE]"'),
    _framed("an end without brackets", *_CHUNKS[:-1], b"DONE"),
    _framed("the field twice", *(b"data: " + one for one in _CHUNKS)),
    _framed("the field twice once", *_CHUNKS[:2], b"data: " + _CHUNKS[2], _CHUNKS[3]),
    _framed("a whole completion", _WHOLE),
    _framed("a whole completion and its end", _WHOLE, b"[DONE]"),
    _same("a whole call", sse(_WHOLE_CALL.join([b"data: ", b"\n\n"])), _CALL),
    _same("an end that nothing ends", _script(body_of(_EVENTS).replace(b"[DONE]\n\n", b"[done]"), "text/event-stream")),
]


@over(FRAMES)
def test_an_event_in_another_frame_is_the_event(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


_LINES = b"\n".join(_CHUNKS)
_CALL_LINES = b"\n".join(
    block.removeprefix(b"data: ")
    for block in body_of(chat_events(delta(tool_calls=[_CALLED]), delta(finish="tool_calls"), done=False)).split(
        b"\n\n"
    )
)
LINES = [
    _same("lines", _script(_LINES + b"\n", "application/x-ndjson")),
    _same("lines in pieces", _script(_LINES, "application/json", pieces=40)),
    _same("lines without an end", _script(b"\n".join(_CHUNKS[:-1]))),
    _same("lines with CRLF and blank ones", _script(_LINES.replace(b"\n", b"\r\n\r\n"), "text/event-stream")),
    _same("lines of a call", _script(_CALL_LINES, "application/x-ndjson"), _CALL),
    _same("one line", _script(json.dumps(
        {**json.loads(_CHUNKS[0]), "choices": [delta(content="so it is", finish="stop")]}
    ).encode())),
]  # fmt: skip


@over(LINES)
def test_lines_of_json_are_a_stream(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "body",
    [
        _LINES[: _LINES.rindex(b"stop")],
        b"\n".join(_CHUNKS[:2]),
        b"data: %b\n\n" % _WHOLE.replace(b'"stop"', b"null"),
        b"data: null\n\ndata: [DONE]\n\n",
    ],
)
def test_what_has_no_end_is_no_answer(table: Table, body: bytes, stream: bool) -> None:
    way = Way("messages", stream, "no policy")
    reply = table.ask(_same("", _script(body)), way)
    assert read(way.client, way.stream, reply).error
    assert table.transaction(way, reply).outcome in ("upstream_truncated", "upstream_error")


@pytest.fixture(scope="module")
def redacting() -> Iterator[tuple[Provider, RunningGateway]]:
    redact = "  policies: [{use: redact, config: {patterns: [email]}}]"
    with Provider() as provider, RunningGateway(configuration(models(provider), redact)) as gateway:
        yield provider, gateway


_SECRET: dict[str, Any] = {"content": "ask x@example.com"}
_SECRET_CALL = {"id": "call_1", "name": "read", "arguments": '{"at": "x@example.com"}'}
_SECRET_WHOLE = body_of(chat_whole(_SECRET))
_SECRET_EVENTS = chat_events(delta(**_SECRET), delta(finish="stop"))
_REDACTED = {
    "a mark": _BOM + _SECRET_WHOLE,
    "an end": _SECRET_WHOLE + _DONE,
    "no number": _SECRET_WHOLE.replace(b'"created": 1760000000', b'"created": NaN'),
    "an event": b"data: %b\n\n" % _SECRET_WHOLE,
    "lines": b"\n".join(_data_of(_SECRET_EVENTS)),
    "a list of texts": body_of(chat_whole({"content": ["ask x@ex", "ample.com"]})),
    "an object": body_of(chat_whole({"content": {"type": "text", "text": "ask x@example.com"}})),
    "a flat call": body_of(chat_whole({"content": None, "tool_calls": _SECRET_CALL}, finish="tool_calls")),
    "reasoning": body_of(chat_whole({"content": "so", "reasoning": {"text": "ask x@example.com"}})),
    "a delta": body_of(chat_whole({}, choices=[{"index": "0", "delta": _SECRET, "finish_reason": "stop"}])),
}  # fmt: skip


@pytest.mark.parametrize("client", ["chat", "messages", "responses"])
@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("name", _REDACTED)
def test_a_policy_edits_an_answer_in_any_frame(
    redacting: tuple[Provider, RunningGateway], name: str, stream: bool, client: Any
) -> None:
    provider, gateway = redacting
    kind = "text/event-stream" if _REDACTED[name].startswith(b"data:") else "application/json"
    provider.play(list(_script(_REDACTED[name], kind)))
    reply = post(gateway, PATHS[client], ask("chat", PATHS[client], "hi", stream=stream))
    assert reply.status == 200, reply
    assert b"example.com" not in reply.body
    assert read(client, stream, reply).error is None
