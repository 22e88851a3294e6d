"""JSON decoded and encoded in steps is the same as at once, for what is well formed and for what is not."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.bodies.json_decoding import TooDeep, TooManyValues, decode, decode_in_steps, structure
from app.bodies.json_encoding import AT_ONCE, encode

MANY = 10**9
texts = st.text(st.sampled_from('ab"\\\n/é漢😀[]{},: '), max_size=60)
numbers = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(texts, inner, max_size=6),
    max_leaves=30,
)
steps = st.sampled_from([(8, 12), (9, 9), (16, 40), (64, 16), (64, 1000)])


def at_once(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "no JSON"


def in_steps(raw: bytes, step: int, long: int) -> Any:
    try:
        return decode_in_steps(raw, 1000, MANY, step, long)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "no JSON"


@given(documents, steps, st.booleans(), st.sampled_from([None, 1]))
@settings(max_examples=400, deadline=None)
def test_whatever_is_json_comes_out_the_same(
    document: Any, step: tuple[int, int], ascii_only: bool, indent: int | None
) -> None:
    raw = json.dumps(document, ensure_ascii=ascii_only, indent=indent).encode()
    assert in_steps(raw, *step) == at_once(raw)


@given(documents, steps, st.booleans(), st.data())
@settings(max_examples=600, deadline=None)
def test_whatever_is_broken_is_refused_by_both(
    document: Any, step: tuple[int, int], ascii_only: bool, data: st.DataObject
) -> None:
    raw = json.dumps(document, ensure_ascii=ascii_only).encode()
    at = data.draw(st.integers(0, len(raw)))
    put = data.draw(st.sampled_from([b"", *(bytes([one]) for one in b'[]{},:"\\x 1\xff'), rb"\ud83d", rb"\ude00"]))
    broken = raw[:at] + put + raw[at + data.draw(st.integers(0, 2)) :]
    assert in_steps(broken, *step) == at_once(broken)


@pytest.mark.parametrize("piece", [r"\n", r"\u0041", r"\ud83d\ude00", r"\\", r"\"", "é", "😀", "a"])
def test_a_long_text_is_cut_at_no_bad_place(piece: str) -> None:
    for before in range(7):
        raw = f'{{"a": ["{"x" * before}{piece * 50}"], "b": 1}}'.encode()
        assert in_steps(raw, 16, 10) == at_once(raw) != "no JSON"


def test_the_last_of_two_equal_keys_counts_here_too() -> None:
    raw = b'{"a": [%b], "b": 2, "a": 1}' % b", ".join([b'"0123456789"'] * 20)
    assert decode_in_steps(raw, 10, MANY, 16, 1000) == {"a": 1, "b": 2}


def test_values_are_counted_and_those_in_texts_are_not() -> None:
    assert decode(b'["' + b"," * 1000 + b'"]', 10, 10) == ["," * 1000]
    assert decode(b"[1,2,3]", 10, 3) == [1, 2, 3]
    with pytest.raises(TooManyValues):
        decode(b"[1,2,3,4]", 10, 3)
    with pytest.raises(TooManyValues):
        decode(b"[" + b'"",' * 200_000 + b'""]', 10, 100_000)


def test_a_text_that_is_too_deep_is_given_up_on_the_way() -> None:
    with pytest.raises(TooDeep):
        decode_in_steps(b"[" * 1_000_000, 200, MANY)


@given(documents)
@settings(max_examples=200, deadline=None)
def test_what_is_encoded_in_steps_is_what_is_encoded_at_once(document: Any) -> None:
    assert encode(document, AT_ONCE + 1) == msgspec.json.encode(document) == encode(document, 0)


def test_a_long_text_is_encoded_in_slices() -> None:
    document = {"a": ['\n"é😀' * 500_000, [], {}]}
    assert encode(document, AT_ONCE + 1) == msgspec.json.encode(document)


@pytest.mark.parametrize("size", [10, 10_000])
@pytest.mark.parametrize("every", [1, 2, 63, 64, 65, 1000])
def test_values_are_counted_whether_they_are_few_or_many(size: int, every: int) -> None:
    raw = b"".join([b",[{"[at % 3 : at % 3 + 1] if at % every == 0 else b"x" for at in range(size)])
    assert structure(raw) == len(range(0, size, every))
