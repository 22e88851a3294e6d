"""Tool calls in forms that are not OpenAI's: understood, or an error; never lost in an answer that ends well."""

from typing import Any

from tests.oddities.client_views import Call
from tests.oddities.table import WAYS, Case, Expected, Table, Way, chat_events, chat_whole, delta, over
from tests.oddities.test_tool_calls import piece

_TRANSLATED = tuple(way for way in WAYS if way.client != "chat")
"""A client of chat completions gets the pieces as the provider cut them, byte for byte."""
_READ = Call("read", {"at": 1})
_ARGUMENTS = '{"at": 1}'
_PIECES = [[piece(0, "a1b2", "read", "")], [piece(0, None, None, '{"at":')], [piece(0, None, None, " 1}")]]


def streamed(name: str, *events: Any, calls: Any, ways: tuple[Way, ...] = WAYS) -> Case:
    deltas = [delta(tool_calls=event) for event in events]
    script = chat_events(*deltas, delta(finish="tool_calls"))
    return Case(name, script, None, Expected(calls=calls, finish="tool_calls"), ways=ways)


REPEATED = [
    streamed("all again", *_PIECES, [piece(0, None, None, _ARGUMENTS)], calls=[_READ]),
    streamed("all again, spelled otherwise", *_PIECES, [piece(0, None, None, '{ "at" : 1 }')], calls=[_READ]),
    streamed("all again with the name", *_PIECES, [piece(0, None, "read", _ARGUMENTS)], calls=[_READ]),
    streamed("all again with id and name", *_PIECES, [piece(0, "a1b2", "read", _ARGUMENTS)], calls=[_READ]),
    streamed("all again as an object", *_PIECES, [piece(0, "a1b2", "read", {"at": 1})], calls=[_READ]),
    streamed("all again without an index", *_PIECES, [piece(None, "a1b2", "read", _ARGUMENTS)], calls=[_READ]),
    streamed("nothing at last", *_PIECES, [piece(0, None, None, "{}")], calls=[_READ]),
    streamed(
        "nothing at first",
        [piece(0, "a1b2", "read", "{}")],
        [piece(0, None, None, '{"at":')],
        [piece(0, None, None, " 1}")],
        calls=[_READ],
        ways=_TRANSLATED,
    ),
    streamed(
        "nothing at first as an object, and the name again",
        [piece(0, "a1b2", "read", {})],
        [piece(0, "a1b2", "read", _ARGUMENTS)],
        calls=[_READ],
        ways=_TRANSLATED,
    ),
    streamed(
        "nothing at first of two calls",
        [piece(0, "a1b2", "read", "{}"), piece(1, "c3d4", "read", "{}")],
        [piece(0, None, None, _ARGUMENTS)],
        [piece(1, None, None, _ARGUMENTS)],
        calls=[_READ, _READ],
        ways=_TRANSLATED,
    ),
    streamed(
        "nothing at all of two calls",
        [piece(0, "a1b2", "read", "{}")],
        [piece(1, "c3d4", "read", "{}")],
        calls=[Call("read", {}), Call("read", {})],
    ),
    streamed("null", [piece(0, "a1b2", "read", "null")], calls=[Call("read", {})], ways=_TRANSLATED),
    streamed(
        "null after the name",
        [piece(0, "a1b2", "read", "")],
        [piece(0, None, None, "null")],
        calls=[Call("read", {})],
        ways=_TRANSLATED,
    ),
    streamed(
        "the same call twice in one event",
        [piece(0, "a1b2", "read", _ARGUMENTS), piece(1, "c3d4", "read", _ARGUMENTS)],
        calls=[_READ, _READ],
    ),
    streamed(
        "the same call under another id",
        [piece(0, "a1b2", "read", _ARGUMENTS)],
        [piece(0, "c3d4", "read", _ARGUMENTS)],
        calls=[_READ, _READ],
        ways=_TRANSLATED,
    ),
]


@over(REPEATED)
def test_arguments_that_come_again_are_the_same_ones(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


def both(name: str, calls: Any, expected: Any = (_READ,)) -> Case:
    streamed = chat_events(delta(tool_calls=calls), delta(finish="tool_calls"))
    whole = chat_whole({"content": None, "tool_calls": calls}, finish="tool_calls")
    return Case(name, streamed, whole, Expected(calls=expected, finish="tool_calls"))


_FLAT = {"index": 0, "id": "a1b2", "type": "function", "name": "read", "arguments": _ARGUMENTS}
_CALL = piece(0, "a1b2", "read", _ARGUMENTS)

FORMS = [
    both("flat", [_FLAT]),
    both("flat, an object for arguments", [{**_FLAT, "arguments": {"at": 1}}]),
    both("flat, no type", [{name: value for name, value in _FLAT.items() if name != "type"}]),
    both("flat beside null", [{**_FLAT, "function": None}]),
    both("flat beside an empty function", [{**_FLAT, "function": {"name": None}}]),
    both("the name beside", [{**_CALL, "name": "read", "function": {"arguments": _ARGUMENTS}}]),
    both("the arguments beside", [{**_CALL, "arguments": _ARGUMENTS, "function": {"name": "read"}}]),
    both("Llama's parameters", [{**_CALL, "function": {"name": "read", "parameters": {"at": 1}}}]),
    both("Anthropic's input", [{"index": 0, "id": "a1b2", "type": "tool_use", "name": "read", "input": {"at": 1}}]),
    both("one object", _CALL),
    both("one flat object", _FLAT),
    both("nulls", [None, _CALL, None]),
    Case(
        "nothing but nulls",
        chat_events(delta(content="so", tool_calls=[None]), delta(finish="stop")),
        chat_whole({"content": "so", "tool_calls": [None]}),
        Expected(text="so", calls=(), finish="stop"),
    ),
    Case(
        "an empty call",
        chat_events(
            delta(content="so", tool_calls=[{"index": 0, "id": "", "function": {"name": "", "arguments": ""}}]),
            delta(finish="stop"),
        ),
        chat_whole({"content": "so", "tool_calls": [{"id": "", "function": {"name": "", "arguments": ""}}]}),
        Expected(text="so", finish="stop"),
        ways=_TRANSLATED,
    ),
]


@over(FORMS)
def test_a_call_in_another_form_is_a_call(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


def lost(name: str, calls: Any) -> Case:
    streamed = chat_events(delta(content="so"), delta(tool_calls=calls), delta(finish="tool_calls"))
    whole = chat_whole({"content": None, "tool_calls": calls}, finish="tool_calls")
    return Case(name, streamed, whole, Expected(error="unknown form", outcome="upstream_error"))


LOST = [
    lost("no name", [piece(0, "a1b2", None, _ARGUMENTS)]),
    lost("no name and no id", [piece(0, None, None, _ARGUMENTS)]),
    lost("an empty name", [piece(0, "a1b2", "", _ARGUMENTS)]),
    lost("no name and no arguments", [piece(0, "a1b2")]),
    lost("a text", "read"),
    lost("texts", ["read"]),
    lost("a name that is no text", [piece(0, "a1b2", ["read"], _ARGUMENTS)]),  # type: ignore[arg-type]
]


@over(LOST)
def test_a_call_that_nobody_can_run_is_the_providers_failure(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)
