import json
from typing import Any

import pytest

from app.recorder.titles import title_of

TITLES: list[tuple[Any, str]] = [
    ({"messages": [{"role": "user", "content": "First"}, {"role": "assistant", "content": "No"}]}, "First"),
    ({"messages": [{"role": "user", "content": [{"type": "text", "text": "A\n  b\tc"}]}]}, "A b c"),
    (
        {"messages": [{"role": "user", "content": "Asked"}, {"role": "user", "content": [{"type": "tool_result"}]}]},
        "Asked",
    ),
    ({"input": "Plain"}, "Plain"),
    ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "Item"}]}, {"type": "reasoning"}]}, "Item"),
    ({"prompt": ["one", "two"]}, "two"),
    ({"messages": [{"role": "user", "content": "x" * 500}]}, "x" * 119 + "…"),
    ({"messages": [{"role": "user", "content": "\x1b[31mred\u202e"}]}, "[31mred"),
    ({"messages": "odd"}, "odd"),
    ({"messages": {"role": 1}}, ""),
    ([], ""),
    ({"model": "m"}, ""),
]


@pytest.mark.parametrize(("body", "title"), TITLES)
def test_a_title_is_what_the_user_said_last(body: Any, title: str) -> None:
    assert title_of(json.dumps(body).encode()) == title


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"messages": [' + b"[" * 5000])
def test_a_body_that_is_no_json_has_no_title(body: bytes) -> None:
    assert title_of(body) == ""
