"""Bytes to requests: whatever the cuts, the same requests; nothing of a body is one; all that is no body is bounded."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.edge.head import MOST_FIELDS, Refused
from app.edge.parser import END, RequestHead, RequestParser

LIMIT = 8 * 1024
HEAD = b"POST /v1/messages HTTP/1.1\r\nhost: gateway\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"
INNER = b"GET /inner HTTP/1.1\r\nhost: gateway\r\nx-api-key: stolen\r\n\r\n"


@dataclass
class Parsed:
    requests: list[tuple[str, bytes, bytes, bool]]
    """Method, path, body, and whether it came to its end."""
    heads: list[RequestHead]
    refused: Refused | None


def parse(*pieces: bytes, limit: int = LIMIT) -> Parsed:
    parser = RequestParser(limit)
    parsed = Parsed([], [], None)
    for piece in pieces:
        at = 0
        while at < len(piece) and parser.refused is None:
            taken, events = parser.step(memoryview(piece)[at:])
            assert taken > 0
            at += taken
            for event in events:
                if isinstance(event, RequestHead):
                    parsed.heads.append(event)
                    parsed.requests.append((event.known.method, event.known.target.raw_path, b"", False))
                else:
                    method, path, body, _ = parsed.requests[-1]
                    parsed.requests[-1] = (method, path, body if event is END else body + event, event is END)
    parsed.refused = parser.refused
    return parsed


def chunked(body: bytes, size: int, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    framed = b"".join(b"%x%b\r\n%b\r\n" % (len(piece), extension, piece) for piece in pieces)
    return framed + b"0\r\n" + trailers + b"\r\n"


UPGRADES = [
    b"",
    b"Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\n",
    b"UPGRADE: h2c\r\nConnection: keep-alive, upgrade\r\n",
    b"connection: UPGRADE\r\nupgrade: websocket\r\n",
]
BODIES = st.lists(
    st.sampled_from([b"", INNER, b"\r\n", b"\r\nUpgrade: x\r\n\r\n", b"0\r\n\r\n", b"x" * 1500, b"UPGRADE: h2c"]),
    max_size=3,
).map(b"".join)


@st.composite
def messages(draw: st.DrawFn) -> tuple[bytes, tuple[str, bytes, bytes, bool]]:
    """A request's bytes, and what they are."""
    path = b"/" + draw(st.sampled_from([b"a", b"b", b"v1/messages?x=y"]))
    upgrade, body = draw(st.sampled_from(UPGRADES)), draw(BODIES)
    head = b"POST %b HTTP/1.1\r\nHost: gateway\r\n%b" % (path, upgrade)
    if draw(st.booleans()):
        trailers = draw(st.sampled_from([b"", b"x-api-key: stolen\r\n", b"upgrade: h2c\r\nconnection: upgrade\r\n"]))
        extension = draw(st.sampled_from([b"", b";a=b"]))
        framed = chunked(body, draw(st.integers(20, 700)), extension, trailers)
        data = head + b"Transfer-Encoding: chunked\r\n\r\n" + framed
    elif body or draw(st.booleans()):
        data = head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    else:
        data = head + b"\r\n"
    return data, ("POST", path.partition(b"?")[0], body, True)


@given(st.lists(messages(), min_size=1, max_size=5), st.lists(st.integers(1, 400), max_size=60))
def test_requests_are_the_same_however_their_bytes_are_cut(
    sent: list[tuple[bytes, tuple[str, bytes, bytes, bool]]], sizes: list[int]
) -> None:
    data = b"".join(one for one, _ in sent)
    pieces = []
    at = 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    expected = [request for _, request in sent]
    assert parse(*pieces, data[at:]).requests == expected
    assert parse(*(bytes([byte]) for byte in data)).requests == expected


@pytest.mark.parametrize(
    "fields",
    [
        b"Connection: Upgrade\r\nUPGRADE: h2c\r\n",
        b"Connection: Upgrade, close\r\nupgrade: h2c\r\n",
        b"connection: upgrade\r\nUpGrAdE: websocket\r\n",
    ],
)
def test_a_wish_for_another_protocol_is_ignored_and_its_body_kept(fields: bytes) -> None:
    head = HEAD + fields + b"x-kept: 1\r\ncontent-length: %d\r\n\r\n" % len(INNER)
    for pieces in ([head + INNER], [head, INNER], [bytes([byte]) for byte in head + INNER]):
        parsed = parse(*pieces)
        assert parsed.requests == [("POST", b"/v1/messages", INNER, True)]
        names = [name for name, _ in parsed.heads[0].fields]
        assert b"x-kept" in names
        assert b"upgrade" not in names
        assert parsed.heads[0].known.keep_alive is (b"close" not in fields)


def test_a_head_that_comes_again_is_known_whatever_the_length_of_its_body() -> None:
    again = [HEAD + b"Content-LENGTH: %d \r\n\r\n%b" % (len(body), body) for body in (b"", b"a", b"bcd")]
    other = HEAD + b"x-api-key: b\r\ncontent-length: 1\r\n\r\nx"
    parsed = parse(*again, other, CHUNKED + chunked(b"hello", 5), again[0])
    assert [body for _, _, body, _ in parsed.requests] == [b"", b"a", b"bcd", b"x", b"hello", b""]
    assert [head.length for head in parsed.heads] == [b"0", b"1", b"3", b"1", None, b"0"]
    first, second, third, *others = [head.known for head in parsed.heads]
    assert first is second is third
    assert len({id(one) for one in (first, *others)}) == 4
    assert (b"x-api-key", b"b") in parsed.heads[3].fields
    assert parsed.heads[2].fields == [(b"host", b"gateway"), (b"content-length", b"3")]


def test_trailers_are_dropped() -> None:
    (head,) = parse(CHUNKED + chunked(b"hello", 5, trailers=b"x-api-key: stolen\r\n")).heads
    assert [name for name, _ in head.fields] == [b"host", b"transfer-encoding"]


@pytest.mark.parametrize(
    ("begun", "repeated"),
    [
        (HEAD, b"a: b\r\n"),
        (HEAD + b"a: ", b"a"),
        (CHUNKED + b"0\r\n", b"a: b\r\n"),
        (CHUNKED + b"0\r\na: ", b"a"),
        (CHUNKED + b"5;x=", b"a"),
        (CHUNKED, b"1;x\r\na\r\n"),
        (CHUNKED, b"00000001\r\na\r\n"),
        (CHUNKED + b"fffff\r\n" + b"z" * 0xFFFFF + b"\r\n", b"1;x=yyyyyyy\r\na\r\n"),
        (CHUNKED, b"10;" + b"x" * 200 + b"\r\n" + b"y" * 16 + b"\r\n"),
        (b"", b"\r\n"),
        (b"GET /", b"a"),
        (INNER, b"\r\n"),
    ],
)
def test_what_is_no_body_is_refused_soon(begun: bytes, repeated: bytes) -> None:
    parser = RequestParser(LIMIT)
    parser_takes(parser, begun)
    sent = 0
    while parser.refused is None:
        assert sent < 2 * LIMIT + 32 * 1024
        parser_takes(parser, repeated * 10)
        sent += len(repeated) * 10
    assert parser.refused.status == 431


def parser_takes(parser: RequestParser, data: bytes) -> None:
    at = 0
    while at < len(data) and parser.refused is None:
        at += parser.step(memoryview(data)[at:])[0]


@pytest.mark.parametrize("size", [1, 2, 5, 8, 100])
def test_chunks_of_any_size_are_taken_whatever_the_length(size: int) -> None:
    """Encoders that write JSON piece by piece make such small ones."""
    body = b"x" * 100_000
    assert parse(CHUNKED + chunked(body, size)).requests[0][2:] == (body, True)


def test_a_head_with_too_many_fields_is_refused() -> None:
    def with_fields(count: int) -> Parsed:
        return parse(b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a:b\r\n" * (count - 1) + b"\r\n", limit=64 * 1024)

    assert with_fields(MOST_FIELDS).refused is None
    refused = with_fields(MOST_FIELDS + 1).refused
    assert refused is not None
    assert refused.status == 431


def test_little_is_parsed_beyond_the_first_request() -> None:
    parser = RequestParser(LIMIT)
    _, events = parser.step(memoryview(INNER * 1000))
    assert events.count(END) <= 1024 // len(INNER) + 1


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nHost: a\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nHost: b\r\n",
        b"GET / HTTP/1.1\r\nhost: a b\r\n",
        b"GET / HTTP/1.1\r\nhost: a/b\r\n",
        b"GET / HTTP/1.1\r\nhost: user@a\r\n",
        b"GET / HTTP/1.1\r\nhost: a:b\r\n",
        b"GET / HTTP/1.0\r\nhost: a\r\nhost: a\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: b\r\n c\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx : b\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n x: b\r\n",
        b"GET / HTTP/1.1\r\n x: b\r\nhost: a\r\n",
        b"GET / HTTP/1.1\r\nhost: a\nx: b\r\n",
        b"GET / HTTP/1.1\nhost: a\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: b\rc\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: b\0c\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx\0: b\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: b\x7f\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n: b\r\n",
        b"GET /\xff HTTP/1.1\r\nhost: a\r\n",
        b"GET /#part HTTP/1.1\r\nhost: a\r\n",
        b"GET /a b HTTP/1.1\r\nhost: a\r\n",
        b"GET * HTTP/1.1\r\nhost: a\r\n",
        b"GET a HTTP/1.1\r\nhost: a\r\n",
        b"GET ftp://a/ HTTP/1.1\r\nhost: a\r\n",
        b"GET http:///x HTTP/1.1\r\nhost: a\r\n",
        b"GET http://user@a/ HTTP/1.1\r\nhost: a\r\n",
        b"get / HTTP/1.1\r\nhost: a\r\n",
        b"GET\t/ HTTP/1.1\r\nhost: a\r\n",
        b"GET / HTTP/1.2\r\nhost: a\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ncontent-length: 3\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked, identity\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n chunked\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding:\r\n",
        b"POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n",
        *(
            b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %b\r\n" % length
            for length in (b"+3", b"-3", b"3, 3", b"3,4", b"0x3", b"3 3", b"", b"9" * 30)
        ),
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 3\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ncontent-length: 4\r\n",
    ],
    ids=repr,
)
@pytest.mark.parametrize("wish", [b"", b"connection: upgrade\r\nupgrade: h2c\r\n"])
def test_a_head_that_two_readers_could_read_differently_is_refused(head: bytes, wish: bytes) -> None:
    parsed = parse(head + wish + b"\r\n" + INNER)
    assert parsed.requests == []
    assert parsed.refused is not None
    assert parsed.refused.status == 400


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /\r\n\r\n", 505),
        (b"GET / HTTP/2.0\r\nhost: a\r\n\r\n", 505),
        (b"CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: gzip, chunked\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: xchunked\r\n\r\n", 501),
    ],
)
def test_what_is_not_spoken_here(head: bytes, status: int) -> None:
    parsed = parse(head + INNER)
    assert parsed.requests == []
    assert parsed.refused is not None
    assert parsed.refused.status == status


@pytest.mark.parametrize(
    "framing",
    [
        b"3\nabc\r\n",
        b"3;a\nabc\r\n",
        b"3 \r\nabc\r\n",
        b"3\r\nabcd\r\n",
        b"+3\r\nabc\r\n",
        b"0x3\r\nabc\r\n",
        b"f" * 17 + b"\r\n",
        b"0\r\ncontent-length: 3\r\n\r\n",
        b"0\r\nx : y\r\n\r\n",
        b"0\r\n\n",
    ],
)
def test_a_chunk_that_two_readers_could_read_differently_ends_it(framing: bytes) -> None:
    parsed = parse(CHUNKED + framing + INNER)
    assert [ended for *_, ended in parsed.requests] == [False]
    assert parsed.refused is not None
    assert parsed.refused.status == 400


@pytest.mark.parametrize("host", [b"a", b"a:80", b"a.b-c_d", b"127.0.0.1:1", b"[::1]:80", b"", b"%61"])
def test_hosts_that_are_valid(host: bytes) -> None:
    assert parse(b"GET / HTTP/1.1\r\nhost: %b \r\n\r\n" % host).refused is None


def test_a_target_in_absolute_form_outweighs_the_host() -> None:
    (head,) = parse(b"GET http://Other:81/p%20q?r=s HTTP/1.1\r\nhost: gateway\r\n\r\n").heads
    target = head.known.target
    assert (target.path, target.query, target.authority) == ("/p q", b"r=s", b"Other:81")
    (bare,) = parse(b"GET http://other HTTP/1.1\r\nhost: gateway\r\n\r\n").heads
    assert bare.known.target.path == "/"


def test_http_1_0_needs_no_host() -> None:
    (head,) = parse(b"GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n").heads
    assert not head.known.keep_alive
