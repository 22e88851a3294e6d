"""A response as bytes: one head, a body framed as the head says, and nothing that a client could take for more."""

import pytest

from app.edge.response import Response

Headers = list[tuple[bytes, bytes]]
CLOSE = b"connection: close\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n"


def response(
    headers: Headers,
    *pieces: bytes,
    status: int = 200,
    version: str = "1.1",
    is_head: bool = False,
    keep_alive: bool = True,
) -> tuple[bytes, Response]:
    """All bytes of a response whose body comes in these pieces."""
    made = Response(version, is_head=is_head, keep_alive=keep_alive)
    made.begin(status, headers)
    sent = b"".join(made.piece(piece) for piece in pieces[:-1])
    return sent + made.last(*pieces[-1:]), made


def test_the_head_goes_with_the_first_bytes() -> None:
    made = Response("1.1", is_head=False, keep_alive=True)
    made.begin(200, [(b"content-length", b"2")])
    sent = [made.is_sent]
    assert made.piece(b"a") == b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\na"
    sent.append(made.is_sent)
    assert made.last(b"b") == b"b"
    assert (sent, made.is_complete) == ([False, True], True)


@pytest.mark.parametrize(
    ("request_", "framing", "body", "keeps"),
    [
        ({}, CHUNKED, b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", True),
        ({"keep_alive": False}, CHUNKED + CLOSE, b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n", False),
        ({"version": "1.0", "keep_alive": False}, CLOSE, b"abc", False),
        ({"is_head": True}, b"", b"", True),
        ({"status": 304}, b"", b"", True),
        ({"status": 204}, b"", b"", True),
    ],
    ids=["chunks", "chunks, then the end", "up to the end", "HEAD", "304", "204"],
)
def test_a_body_without_a_length(request_: dict[str, object], framing: bytes, body: bytes, keeps: bool) -> None:
    sent, made = response([(b"x", b"y")], b"a", b"", b"bc", **request_)  # type: ignore[arg-type]
    head, _, rest = sent.partition(b"\r\n\r\n")
    assert head.partition(b"\r\n")[2] + b"\r\n" == b"x: y\r\n" + framing
    assert (rest, made.keep_alive) == (body, keeps)


def test_the_answer_to_head_has_the_length_of_what_it_leaves_out() -> None:
    sent, _ = response([(b"content-length", b"3")], b"abc", is_head=True)
    assert sent == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n"


def test_a_status_that_http_has_no_words_for_is_sent() -> None:
    assert response([(b"content-length", b"0")], b"", status=529)[0].startswith(b"HTTP/1.1 529 \r\n")


@pytest.mark.parametrize("value", [b"close", b"Close", b"keep-alive, close"])
def test_an_application_may_end_the_connection(value: bytes) -> None:
    sent, made = response([(b"connection", value), (b"content-length", b"0")], b"")
    assert sent.count(b"connection") == sent.count(CLOSE) == 1
    assert not made.keep_alive


@pytest.mark.parametrize("pieces", [(b"abc",), (b"ab", b"c"), (b"a",), (b"",)])
def test_a_body_of_another_length_than_announced_is_an_error(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(RuntimeError):
        response([(b"content-length", b"2")], *pieces)


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"a\r\nset-cookie: b"),
        (b"x", b"a\r\n\r\nbody"),
        (b"x", b"a\nb"),
        (b"x", b"a\rb"),
        (b"x", b"a\0b"),
        (b"x: a\r\ny", b"b"),
        (b"x y", b"a"),
        (b"x:", b"a"),
        (b"", b"a"),
        (b"X", b"a"),
    ],
    ids=repr,
)
def test_a_header_that_could_be_read_as_more_is_refused(header: tuple[bytes, bytes]) -> None:
    made = Response("1.1", is_head=False, keep_alive=True)
    with pytest.raises(RuntimeError):
        made.begin(200, [(b"a", b"b"), header, (b"c", b"d")])
    assert not made.is_begun


@pytest.mark.parametrize("status", [0, 101, 600, 999])
def test_a_status_that_no_response_has_is_refused(status: int) -> None:
    made = Response("1.1", is_head=False, keep_alive=True)
    with pytest.raises(RuntimeError):
        made.begin(status, [])
    assert not made.is_begun


@pytest.mark.parametrize("value", [b"", b" ", b"a: b", b"a\tb", b"\xe4"])
def test_a_header_of_any_text_is_sent(value: bytes) -> None:
    assert b"x: %b\r\n" % value in response([(b"x", value)], b"")[0]


def test_everything_has_its_place() -> None:
    made = Response("1.1", is_head=False, keep_alive=True)
    with pytest.raises(RuntimeError):
        made.piece(b"a")
    made.begin(200, [])
    with pytest.raises(RuntimeError):
        made.begin(200, [])
    made.last()
    for late in (made.piece, made.last):
        with pytest.raises(RuntimeError):
            late(b"a")
