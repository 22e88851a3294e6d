import pytest

from app.bodies.request_body import parse_body
from app.errors import InvalidRequest


def test_a_body_is_parsed_to_its_object() -> None:
    assert parse_body('{"a": [1, 2.5, "é\\ud83d\\ude00", null]}'.encode(), 10, 1_000_000) == {
        "a": [1, 2.5, "é\U0001f600", None]
    }


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"[]",
        b"3",
        b"null",
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": 1e400}',
        b'{"a": "\\ud800"}',
        b'{"a": "\\ud83d\\u0041"}',
        b'{"a": "\xff"}',
        b'{"a": "\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": 1} x',
        b'{"a": ' + b"1" * 5000 + b"}",
        b'{"a": "\x01"}',
    ],
)
def test_what_is_not_a_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidRequest):
        parse_body(raw, 100, 1_000_000)


def test_of_duplicate_keys_the_last_one_counts() -> None:
    assert parse_body(b'{"a": 1, "a": 2}', 10, 1_000_000) == {"a": 2}


def test_big_integers_are_kept_exactly() -> None:
    assert parse_body(b'{"a": 123456789012345678901234567890}', 10, 1_000_000) == {"a": 123456789012345678901234567890}


@pytest.mark.parametrize("brackets", [b"[", b'{"a":'])
def test_a_hundred_thousand_brackets_are_refused(brackets: bytes) -> None:
    with pytest.raises(InvalidRequest, match="deeper"):
        parse_body(b'{"a": ' + brackets * 100_000, 100, 1_000_000)


def test_nesting_is_allowed_up_to_the_limit_and_not_beyond() -> None:
    def nested(levels: int) -> bytes:
        return b'{"x": [[], [], []], "a": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"

    assert parse_body(nested(8), 8, 1_000_000)["a"] == [[[[[[[]]]]]]]
    with pytest.raises(InvalidRequest, match="deeper than 8 levels"):
        parse_body(nested(9), 8, 1_000_000)


def test_brackets_in_texts_are_no_nesting() -> None:
    text = "[" * 500
    assert parse_body(b'{"a": "' + text.encode() + b'"}', 4, 1_000_000) == {"a": text}
