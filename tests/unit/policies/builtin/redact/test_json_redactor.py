import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.policies.builtin.redact.json_redactor import JsonRedactor
from app.policies.builtin.redact.patterns import BUILTIN
from app.policies.builtin.redact.stream_redactor import Detector, Redaction
from tests.unit.policies.builtin.redact.redacting import redact_json

ALL = Detector(Redaction(pattern, '["x"\n]') for pattern in BUILTIN.values())

strings = st.lists(
    st.sampled_from(
        ["bob@x.org", "bob", "@", "\n", "\\", '"', "é", "\U0001f600", "4111111111111111", " ", "a\tb", "/"]
    ),
    max_size=6,
).map("".join)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.sampled_from([0, -1.5, 4111111111111111, 1e30]) | strings,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(strings, inner, max_size=4),
    max_leaves=12,
)
documents = st.builds(
    lambda value, ascii_only, indent: json.dumps(value, ensure_ascii=ascii_only, indent=indent),
    values,
    st.booleans(),
    st.sampled_from([None, 2]),
)


def in_pieces(text: str, cuts: list[int]) -> str:
    redactor = JsonRedactor(ALL)
    positions = sorted(cut % (len(text) + 1) for cut in cuts)
    pieces = [text[start:end] for start, end in zip([0, *positions], [*positions, len(text)], strict=True)]
    return "".join(redactor.feed(piece) for piece in pieces) + redactor.flush()


@given(documents)
def test_valid_json_stays_valid(document: str) -> None:
    json.loads(redact_json(document, ALL))


@given(documents)
def test_no_address_is_left_however_it_is_escaped(document: str) -> None:
    assert "bob@x.org" not in json.dumps(json.loads(redact_json(document, ALL)), ensure_ascii=False)


@given(documents, st.lists(st.integers(0, 1000), max_size=10))
def test_however_json_is_cut_the_output_is_the_same(document: str, cuts: list[int]) -> None:
    assert in_pieces(document, cuts) == redact_json(document, ALL)


@given(st.text('{}[]",:\\u0aefn1 @.bob', max_size=60), st.lists(st.integers(0, 1000), max_size=10))
def test_what_is_not_json_is_treated_the_same_however_it_is_cut(text: str, cuts: list[int]) -> None:
    assert in_pieces(text, cuts) == redact_json(text, ALL)


@pytest.mark.parametrize(
    "text",
    ['{"a": "caf\\u00e9 \\ud83d\\ude00", "b": [1, 2.50, true]}', '{"path": "/tm', '{"a": "x\\', "", "plain prose"],
)
def test_what_needs_no_redaction_is_kept_to_the_letter(text: str) -> None:
    assert redact_json(text, ALL) == text
    assert in_pieces(text, list(range(len(text)))) == text


def test_an_escaped_newline_before_an_address_stays_whole() -> None:
    assert json.loads(redact_json('"a\\nbob@x.org"', ALL)) == 'a\n["x"\n]'


@pytest.mark.parametrize("number", ["4111111111111111", "-4111111111111111", "4111111111111111.5"])
def test_a_card_number_written_as_a_number_becomes_zero_and_stays_a_number(number: str) -> None:
    assert json.loads(redact_json(f'{{"card": {number}, "n": 1}}', ALL)) == {"card": 0, "n": 1}


def test_what_is_no_number_and_stands_where_one_could_becomes_a_string() -> None:
    assert redact_json("[bob@x.org]", ALL) == json.dumps(['["x"\n]'])


def test_the_end_of_a_string_ends_what_is_held() -> None:
    redactor = JsonRedactor(ALL)
    assert redactor.feed('{"name": "bob') == '{"name": "'
    assert redactor.feed('"') == 'bob"'


def test_replaced_matches_are_counted_once() -> None:
    redactor = JsonRedactor(ALL)
    redactor.feed('{"a": "bob@x.org", "b": 4111111111111111}')
    assert (redactor.take_replaced(), redactor.take_replaced()) == (2, 0)
