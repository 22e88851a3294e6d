"""Fields left out of a body by their paths."""

from typing import Any

import pytest

from app.backends.direct.dropped_fields import without_fields

BODY: dict[str, Any] = {
    "a": {"b": {"c": 1, "d": 2}},
    "tools": [{"function": {"name": "f", "strict": True}}, {"function": {"name": "g"}}],
    "stop": ["x", "y"],
    "x.y": 1,
}


@pytest.mark.parametrize(
    ("path", "changed"),
    [
        ("stop", {"stop": None}),
        ("a.b.c", {"a": {"b": {"d": 2}}}),
        ("a.b", {"a": {}}),
        ("tools[*].function.strict", {"tools": [{"function": {"name": "f"}}, {"function": {"name": "g"}}]}),
        ("tools[1].function.name", {"tools": [BODY["tools"][0], {"function": {}}]}),
        ("tools[0]", {"tools": [BODY["tools"][1]]}),
        ("stop[*]", {"stop": []}),
        ("x.y", {"x.y": None}),
        ("nowhere", {}),
        ("a.x.c", {}),
        ("stop.x", {}),
        ("a[0]", {}),
        ("tools[7].function", {}),
        ("", {}),
    ],
)
def test_a_path_leads_to_what_is_left_out(path: str, changed: dict[str, Any]) -> None:
    before = repr(BODY)
    assert without_fields(BODY, [path]) == {k: v for k, v in {**BODY, **changed}.items() if v is not None}
    assert repr(BODY) == before


def test_what_no_path_leads_to_is_the_same_object() -> None:
    assert without_fields(BODY, ["tools[*].x", "nope"])["tools"] is BODY["tools"]
