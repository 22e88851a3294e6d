"""What stands around an answer where it should not, and lines of JSON in place of events."""

import pytest

from app.backends.direct.body_forms import may_be_lines
from app.backends.direct.odd_framing import LineReader, is_line_of_chunks, plain_item, whole_json

_CHUNK = b'{"choices": [{"delta": {"content": "a"}}]}'


@pytest.mark.parametrize(
    ("data", "plain"),
    [
        (b'{"a": 1}', b'{"a": 1}'),
        (b'data: {"a": 1}', b'{"a": 1}'),
        (b'data:data:  {"a": 1}', b'{"a": 1}'),
        (b"[DONE]", b"[DONE]"),
        (b"[done]", b"[DONE]"),
        (b'"[DONE]"', b"[DONE]"),
        (b"data: [DONE]", b"[DONE]"),
        (b"null", b""),
        (b"[]", b""),
        (b'"text"', b'"text"'),
        (b"[1]", b"[1]"),
        (b"garbage", b"garbage"),
    ],
)
def test_the_data_of_an_event_is_found(data: bytes, plain: bytes) -> None:
    given = (b"event: x\ndata: %b\n\n" % data, b"x", data)
    raw, name, found = plain_item(given)
    assert found == plain
    assert (raw, name, found) == given or not plain or raw == b"event: x\ndata: %b\n\n" % plain


@pytest.mark.parametrize(
    "body",
    [
        b'{"a": 1}',
        b'\xef\xbb\xbf{"a": 1}',
        b'{"a": 1}\n\ndata: [DONE]\n\n',
        b'{"a": 1}\r\n[DONE]',
        b'{"a": 1}data:[DONE]',
    ],
)
def test_a_body_is_its_json(body: bytes) -> None:
    assert whole_json(body) == b'{"a": 1}'


def test_a_text_that_names_the_end_is_a_text() -> None:
    body = b'{"a": "data: [DONE]"}'
    assert whole_json(body) is body


@pytest.mark.parametrize(
    ("start", "are_lines"),
    [
        (_CHUNK, True),
        (_CHUNK + b"\n" + _CHUNK[:9], True),
        (b"\xef\xbb\xbf\r\n" + _CHUNK + b"\r\n", True),
        (_CHUNK[:-1], False),
        (b'{"choices": [{"message": {"content": "a"}}]}', False),
        (b'{\n "choices": [{"delta": {}}]}', False),
        (b'{"error": {}}\n', False),
        (b"[1]", False),
    ],
)
def test_a_first_line_tells_of_the_others(start: bytes, are_lines: bool) -> None:
    assert is_line_of_chunks(start) is are_lines


def test_no_more_is_waited_for_than_a_line_needs() -> None:
    assert may_be_lines(_CHUNK[:20])
    assert may_be_lines(b'{"delta": ' + b" " * 600)
    assert not may_be_lines(b"{" + b" " * 600)
    assert not may_be_lines(_CHUNK + b"\n")
    assert not may_be_lines(b"[" + _CHUNK)
    assert not may_be_lines(b'{"delta": ' + b" " * 65536)


def test_lines_do_not_depend_on_how_they_are_split() -> None:
    body = _CHUNK + b"\r\n\n" + _CHUNK + b"\n[DONE]\n"
    for size in (1, 7, len(body)):
        reader = LineReader(1000)
        rows = [row for at in range(0, len(body), size) for row in reader.feed(body[at : at + size])]
        rows += reader.finish()
        assert [data for _, _, data in rows] == [[_CHUNK], [_CHUNK], [b"[DONE]"]]
        assert rows[0][0] == b"data: %b\n\n" % _CHUNK


def test_the_end_of_lines_is_the_end_of_the_stream() -> None:
    reader = LineReader(1000)
    assert [data for _, _, data in reader.feed(_CHUNK + b"\n" + _CHUNK)] == [[_CHUNK]]
    assert [data for _, _, data in reader.finish()] == [[_CHUNK], [b"[DONE]"]]


def test_a_line_above_the_limit_ends_the_reading() -> None:
    reader = LineReader(1000)
    assert [row for _ in range(200) for row in reader.feed(b"x" * 64)] == []
    assert reader.too_large
