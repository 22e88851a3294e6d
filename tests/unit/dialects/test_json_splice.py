"""A client's own bytes with another value here and there."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.dialects.json_splice import with_value_at, with_values

_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.sampled_from(["model", "mod\\el", '"model', "x"]) | st.text(), _VALUES, max_size=6)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b'{"model": "a", "x": [1,  2] }', b'{"model": "NEW", "x": [1,  2] }'),
        (b'\n{ "x" : {"model": "a"} , "model" :\t"b" }\n', b'\n{ "x" : {"model": "a"} , "model" :\t"NEW" }\n'),
        (b'{"mod\\u0065l": "a", "x": {"model": "a"}}', b'{"mod\\u0065l": "NEW", "x": {"model": "a"}}'),
        (b'{"\\"model": 1, "model": "b"}', b'{"\\"model": 1, "model": "NEW"}'),
        (b'{"x": 1 }', b'{"x": 1,"model":"NEW" }'),
        (b"{ }", b'{"model":"NEW" }'),
    ],
)
def test_splicing_a_value_touches_nothing_else(raw: bytes, expected: bytes) -> None:
    assert with_values(raw, {"model": "NEW"}) == expected


@pytest.mark.parametrize("raw", [b'{"model": "aaa", "model": "b"}', b'{"model": "a", "model": "a", "x": 1}'])
def test_of_a_key_that_stands_twice_one_is_left(raw: bytes) -> None:
    changed = with_values(raw, {"model": "NEW"})
    assert changed.count(b'"model"') == 1
    assert json.loads(changed)["model"] == "NEW"


def test_a_value_within_is_set_where_it_stands() -> None:
    raw = b'{ "a": {"b" : 1.50}, "list": [{"b": 1 },  {"b" :2, "c":1e5}] }'
    assert with_value_at(raw, ("a", "b"), "x") == raw.replace(b"1.50", b'"x"')
    assert with_value_at(raw, ("list", 1, "b"), 3) == raw.replace(b":2", b":3").replace(b",  {", b",{")


@given(_OBJECTS, _OBJECTS, st.sampled_from([None, 1, "\t"]), st.booleans())
def test_any_object_says_the_same_with_the_new_values(
    original: dict[str, Any], new: dict[str, Any], indent: Any, ascii_only: bool
) -> None:
    raw = json.dumps(original, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "replace")
    new = {name: value for name, value in new.items() if _is_text(name) and _is_text(json.dumps(value))}
    assert json.loads(with_values(raw, new)) == json.loads(raw) | json.loads(json.dumps(new))
    assert with_values(raw, {}) == raw or len(json.loads(raw)) < len(original)


def _is_text(text: str) -> bool:
    """Half of an emoji cannot be sent."""
    return not any("\ud800" <= char <= "\udfff" for char in text) and "\\ud" not in text
