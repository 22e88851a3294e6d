"""Text that a provider cuts where no character ends: each character arrives whole, whoever asks."""

from typing import Any

import pytest

from tests.behaviour.clients import CHAT, MESSAGES, RESPONSES, ask, post
from tests.oddities.client_views import Call
from tests.oddities.table import (
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
)

_FACE = "\U0001f600"
_FIRST, _SECOND = "\ud83d", "\ude00"
_TEXT: dict[str, Any] = {"type": "text", "text": ""}


def cut(name: str, *deltas: dict[str, Any], whole: dict[str, Any], expected: Expected) -> Case:
    return Case(name, chat_events(*(delta(**one) for one in deltas), delta(finish="stop")), chat_whole(whole), expected)


def _arguments(text: str, **call: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": 0, **call, "function": {"name": "read", "arguments": text}}]}


CASES = [
    cut(
        "a pair in two events",
        {"content": f"a{_FIRST}"},
        {"content": f"{_SECOND}b"},
        whole={"content": f"a{_FACE}b"},
        expected=Expected(text=f"a{_FACE}b"),
    ),
    cut(
        "a pair of thinking in two events",
        {"reasoning_content": f"a{_FIRST}"},
        {"reasoning_content": f"{_SECOND}b"},
        {"content": "so"},
        whole={"content": "so", "reasoning_content": f"a{_FACE}b"},
        expected=Expected(text="so", thinking=f"a{_FACE}b"),
    ),
    cut(
        "a pair of arguments in two events",
        _arguments(f'{{"at": "{_FIRST}', id="a1b2", type="function"),
        _arguments(f'{_SECOND}"}}'),
        whole=_arguments(f'{{"at": "{_FACE}"}}', id="a1b2", type="function"),
        expected=Expected(calls=[Call("read", {"at": _FACE})]),
    ),
    cut(
        "a half alone amid a text",
        {"content": f"a{_FIRST}b"},
        whole={"content": f"a{_FIRST}b"},
        expected=Expected(text="a\ufffdb"),
    ),
    cut(
        "a half alone at the end of an event",
        {"content": f"a{_FIRST}"},
        {"content": "b"},
        whole={"content": f"a{_FIRST}b"},
        expected=Expected(text="a\ufffdb"),
    ),
    cut(
        "a half alone at the end of the text",
        {"content": f"a{_FIRST}"},
        whole={"content": f"a{_FIRST}"},
        expected=Expected(text="a\ufffd"),
    ),
    cut(
        "a second half alone",
        {"content": "a"},
        {"content": f"{_SECOND}b"},
        whole={"content": f"a{_SECOND}b"},
        expected=Expected(text="a\ufffdb"),
    ),
    Case(
        "Anthropic's pair in two events",
        messages_events(
            (
                _TEXT,
                [{"type": "text_delta", "text": f"a{_FIRST}"}, {"type": "text_delta", "text": f"{_SECOND}{_FIRST}"}],
            ),
            ({"type": "text", "text": ""}, [{"type": "text_delta", "text": "b"}]),
        ),
        messages_whole([{"type": "text", "text": f"a{_FIRST}{_SECOND}{_FIRST}"}, {"type": "text", "text": "b"}]),
        Expected(text=f"a{_FACE}\ufffdb"),
        model="messages",
    ),
]


@over(CASES)
def test_a_character_arrives_whole(table: Table, case: Case, way: Way) -> None:
    table.check(case, way)


@pytest.mark.parametrize(
    ("path", "fields", "at"),
    [
        (CHAT, {"messages": [{"role": "user", "content": f"a{_FIRST}"}]}, "messages[0].content"),
        (
            MESSAGES,
            {"messages": [{"role": "user", "content": [{"type": "text", "text": _SECOND}]}]},
            "messages[0].content[0].text",
        ),
        (RESPONSES, {"input": f"{_FIRST}b"}, "input"),
        (CHAT, {"metadata": {_FIRST: "a"}}, "metadata"),
    ],
)
def test_a_half_in_a_request_is_named(table: Table, path: str, fields: dict[str, Any], at: str) -> None:
    reply = post(table.gateways["no policy"], path, ask("chat", path, **fields))
    assert reply.status == 400
    assert reply.json()["error"]["message"].startswith(f"{at}: half of a surrogate pair stands alone")
