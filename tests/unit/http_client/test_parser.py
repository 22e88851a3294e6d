"""Bytes to a response: the same however they are cut, and nothing without bound."""

from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http_client.errors import MalformedResponse, ResponseHeadTooLarge, TooManyInterimResponses
from app.http_client.heads import Framing
from app.http_client.parser import HEAD_LIMIT, INTERIM_LIMIT, ResponseParser

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\ncontent-length: 7\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


@dataclass
class Read:
    """What came of some bytes."""

    status: int | None
    headers: list[tuple[bytes, bytes]]
    body: bytes
    ended: bool
    keeps_alive: bool
    has_excess: bool
    error: str | None


def read(*pieces: bytes, method: str = "POST", closed: bool = False, parser: ResponseParser | None = None) -> Read:
    parser = parser or ResponseParser()
    parser.expect(method)
    error, body = None, b""
    for piece in pieces:
        try:
            parser.feed(piece)
        except MalformedResponse as raised:
            error = type(raised).__name__
        body += b"".join(parser.pieces)
        parser.pieces.clear()
        if error is not None:
            break
    if closed and error is None:
        parser.end_of_input()
    head = parser.head
    return Read(
        head and head.status,
        list(head.raw_headers) if head else [],
        body,
        parser.ended,
        head is not None and head.keeps_alive,
        parser.has_excess,
        error,
    )


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    positions = sorted({0, *(one % (len(data) + 1) for one in cuts), len(data)})
    return [data[begin:end] for begin, end in pairwise(positions)]


RESPONSES: dict[str, tuple[bytes, Read]] = {
    "with a length": (
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\nx-b:  two \t\r\nContent-Length: 5\r\n\r\nhello",
        Read(200, [(b"X-A", b"1"), (b"x-b", b"two"), (b"Content-Length", b"5")], b"hello", True, True, False, None),
    ),
    "in chunks": (
        CHUNKED + b"5;a=b\r\nhello\r\n1\r\n \r\n5\r\nworld\r\n0\r\nx-trailer: dropped\r\n\r\n",
        Read(200, [(b"transfer-encoding", b"chunked")], b"hello world", True, True, False, None),
    ),
    "without a reason": (
        b"HTTP/1.1 429 \r\ncontent-length: 0\r\n\r\n",
        Read(429, [(b"content-length", b"0")], b"", True, True, False, None),
    ),
    "without a body": (b"HTTP/1.1 204 No Content\r\n\r\n", Read(204, [], b"", True, True, False, None)),
    "behind interim responses": (
        CONTINUE + HINTS * 3 + b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        Read(200, [(b"content-length", b"2")], b"ok", True, True, False, None),
    ),
    "the last of its connection": (
        b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok",
        Read(200, [(b"connection", b"close"), (b"content-length", b"2")], b"ok", True, False, False, None),
    ),
    "of HTTP/1.0": (
        b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 2\r\n\r\nok",
        Read(200, [(b"connection", b"keep-alive"), (b"content-length", b"2")], b"ok", True, False, False, None),
    ),
    "with an empty field": (
        b"HTTP/1.1 200 OK\r\nx-empty:\r\nx-blank: \r\ncontent-length: 0\r\n\r\n",
        Read(200, [(b"x-empty", b""), (b"x-blank", b""), (b"content-length", b"0")], b"", True, True, False, None),
    ),
}


@pytest.mark.parametrize("name", RESPONSES)
def test_a_response_is_the_same_cut_at_any_byte(name: str) -> None:
    data, expected = RESPONSES[name]
    assert read(data) == expected
    for at in range(1, len(data)):
        assert read(data[:at], data[at:]) == expected
    assert read(*(data[at : at + 1] for at in range(len(data)))) == expected


@given(st.sampled_from(sorted(RESPONSES)), st.lists(st.integers(0), max_size=8))
def test_a_response_is_the_same_however_it_is_cut(name: str, cuts: list[int]) -> None:
    data, expected = RESPONSES[name]
    assert read(*cut(data, cuts)) == expected


@given(st.lists(st.sampled_from(sorted(RESPONSES)), min_size=1, max_size=5), st.lists(st.integers(0), max_size=8))
def test_one_parser_reads_one_response_after_another(names: list[str], cuts: list[int]) -> None:
    parser = ResponseParser()
    for name in names:
        data, expected = RESPONSES[name]
        assert read(*cut(data, cuts), parser=parser) == expected
        if not expected.keeps_alive:
            break


@given(st.sampled_from(sorted(RESPONSES)), st.integers(1))
def test_a_response_that_is_cut_off_has_not_ended(name: str, at: int) -> None:
    data, expected = RESPONSES[name]
    found = read(data[: at % len(data)], closed=True)
    assert not found.ended
    assert found.error is None
    assert expected.body.startswith(found.body)


@given(st.sampled_from(sorted(RESPONSES)), st.binary(min_size=1, max_size=50), st.lists(st.integers(0), max_size=4))
def test_what_comes_behind_a_response_changes_nothing_of_it(name: str, more: bytes, cuts: list[int]) -> None:
    data, expected = RESPONSES[name]
    found = read(*cut(data + more, cuts))
    found.has_excess = False
    assert found == expected


def test_a_response_that_nobody_asked_for_is_excess() -> None:
    data, _ = RESPONSES["with a length"]
    assert read(data + data).has_excess
    assert read(data, data).has_excess
    assert not read(data).has_excess


def test_a_body_without_length_ends_with_the_connection() -> None:
    data = b"HTTP/1.1 200 OK\r\n\r\nall there is"
    assert not read(data).ended
    found = read(data, closed=True)
    assert (found.body, found.ended, found.keeps_alive) == (b"all there is", True, False)


@pytest.mark.parametrize("method", ["HEAD", "CONNECT"])
def test_a_response_without_the_body_that_its_head_tells_of(method: str) -> None:
    found = read(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n", method=method)
    assert (found.ended, found.body, found.keeps_alive) == (True, b"", False)
    assert not found.has_excess
    found = read(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", method=method)
    assert (found.ended, found.body, found.has_excess) == (True, b"", True)


REFUSED = {
    "another protocol": b"SSH-2.0-OpenSSH_9.2\r\n",
    "HTTP/2": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00",
    "a request": b"GET / HTTP/1.1\r\nhost: a\r\n\r\n",
    "a length beside chunks": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ncontent-length: 5\r\n\r\n",
    "chunks beside a length": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n",
    "a list of lengths": b"HTTP/1.1 200 OK\r\ncontent-length: 5, 6\r\n\r\n",
    "a length that is no number": b"HTTP/1.1 200 OK\r\ncontent-length: five\r\n\r\n",
    "a negative length": b"HTTP/1.1 200 OK\r\ncontent-length: -5\r\n\r\n",
    "a length beyond all numbers": b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999999\r\n\r\n",
    "another transfer coding": b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "a bare carriage return": b"HTTP/1.1 200 OK\r\nx-a: 1\rx-b: 2\r\n\r\n",
    "a folded field": b"HTTP/1.1 200 OK\r\nx-a: 1\r\n  2\r\ncontent-length: 0\r\n\r\n",
    "a space before a colon": b"HTTP/1.1 200 OK\r\ncontent-length : 0\r\n\r\n",
    "a field without a colon": b"HTTP/1.1 200 OK\r\nnothing\r\n\r\n",
    "a NUL": b"HTTP/1.1 200 OK\r\nx-a: \x00\r\n\r\n",
    "a switch of protocols": b"HTTP/1.1 101 Switching\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\x81\x00",
    "a switch to nothing": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "a status below all": b"HTTP/1.1 042 What\r\n\r\n",
    "a version to come": b"HTTP/9.9 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_two_readers_could_understand_differently_is_refused(name: str) -> None:
    data = REFUSED[name]
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        found = read(*pieces)
        assert found.error == "MalformedResponse"
        assert not found.ended


@pytest.mark.parametrize(
    "body",
    [
        b"xyz\r\n",
        b"-5\r\nhello\r\n",
        b"5\r\nhelloworld\r\n",
        b"5\nhello\n",
        b"5 \r\nhello\r\n",
        b"fffffffffffffffff\r\n",
        b"5\r\nhello\r\n0\r\nx: 1\n\n",
    ],
)
def test_a_body_whose_chunks_are_none_is_refused_behind_its_head(body: bytes) -> None:
    found = read(CHUNKED, body)
    assert (found.status, found.error, found.ended) == (200, "MalformedResponse", False)


def test_a_head_is_bounded_to_the_byte() -> None:
    start, end = b"HTTP/1.1 200 OK\r\nx: ", b"\r\ncontent-length: 0\r\n\r\n"
    filling = b"y" * (HEAD_LIMIT - len(start) - len(end))
    whole, larger = start + filling + end, start + filling + b"y" + end
    assert read(whole).ended
    assert read(whole[:1000], whole[1000:]).ended
    for pieces in ([larger], [larger[:1000], larger[1000:]], cut(larger, list(range(0, len(larger), 999)))):
        assert read(*pieces).error == ResponseHeadTooLarge.__name__
    assert read(b"HTTP/1.1 200 OK\r\n" + b"a:b\r\n" * 1000).error == ResponseHeadTooLarge.__name__


def test_a_large_body_may_come_in_one_piece_with_its_head() -> None:
    body = b"x" * (4 * HEAD_LIMIT)
    found = read(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))
    assert (found.body, found.ended) == (body, True)


@pytest.mark.parametrize("beyond", [-10, -6, -1, 0, 1])
def test_a_first_piece_about_as_large_as_a_head_may_be_leaves_room_for_the_end_of_the_chunks(beyond: int) -> None:
    size = HEAD_LIMIT + beyond - len(CHUNKED) - len(b"ffff\r\n")
    found = read(CHUNKED + b"%04x\r\n%b" % (size, b"x" * size), b"\r\n0\r\n\r\n")
    assert (found.error, found.ended, len(found.body)) == (None, True, size)


def test_interim_responses_are_bounded_in_number_and_size() -> None:
    last = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
    assert read(HINTS * INTERIM_LIMIT + last).ended
    assert read(HINTS * (INTERIM_LIMIT + 1) + last).error == TooManyInterimResponses.__name__
    large = b"HTTP/1.1 103 Early Hints\r\nlink: %b\r\n\r\n" % (b"x" * (HEAD_LIMIT // 4))
    assert read(*[large] * 3, last).ended
    assert read(*[large] * 4, last).error == ResponseHeadTooLarge.__name__


@pytest.mark.parametrize("size", [7, 1000, 70_000, 200_000])
def test_framing_without_a_body_is_bounded(size: int) -> None:
    for endless in (b"5;" + b"x" * 1_000_000, b"0" * 1_000_000, b"0\r\n" + b"x: y\r\n" * 200_000):
        pieces = [endless[at : at + size] for at in range(0, len(endless), size)]
        assert read(CHUNKED, *pieces).error in ("MalformedResponse", "ResponseHeadTooLarge")


def test_chunks_of_a_single_byte_are_read_on_and_on() -> None:
    found = read(CHUNKED, *[b"1\r\nx\r\n" * 1000] * 100, b"0\r\n\r\n")
    assert (len(found.body), found.ended) == (100_000, True)


def test_how_the_body_ends_is_told_with_the_head() -> None:
    for data, framing in ((CHUNKED, Framing.CHUNKED), (b"HTTP/1.1 200 OK\r\n\r\n", Framing.CLOSE)):
        parser = ResponseParser()
        parser.expect("GET")
        parser.feed(data)
        assert parser.head is not None
        assert parser.head.framing is framing
