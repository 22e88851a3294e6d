"""A body in pieces: bounded while it is read."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.types import Message

from app.bodies import Bodies, Held
from app.errors import ClientDisconnected, InvalidRequest, RequestTimeout, RequestTooLarge
from app.gateway.body import read_pieces
from app.gateway.client_connection import connection_of
from tests.support import run


class Pieces:
    """An ASGI receive that knows how often it was asked; after the last piece it is silent."""

    def __init__(self, pieces: Iterable[bytes], then: Message | None = None, whole: bool = True) -> None:
        pieces = list(pieces)
        self.asked = 0
        self._messages: list[Message] = [
            {"type": "http.request", "body": piece, "more_body": not whole or number < len(pieces)}
            for number, piece in enumerate(pieces, 1)
        ]
        if then is not None:
            self._messages.append(then)

    async def __call__(self) -> Message:
        self.asked += 1
        if not self._messages:
            await asyncio.get_running_loop().create_future()
        return self._messages.pop(0)


def read(pieces: Pieces, length: str | None = None, limit: int = 10) -> bytes:
    headers = [] if length is None else [(b"content-length", length.encode())]
    connection, _ = connection_of({"headers": headers}, pieces)
    return b"".join(run(read_pieces(connection, limit, 0.02, Held(Bodies(1000)))))


def test_the_pieces_are_joined() -> None:
    assert read(Pieces([b"ab", b"", b"cd"])) == b"abcd"


def test_a_body_of_just_the_limit_is_taken() -> None:
    assert read(Pieces([b"12345", b"67890"]), "10") == b"1234567890"


def test_reading_stops_at_the_limit() -> None:
    pieces = Pieces([b"123456"] * 100)
    with pytest.raises(RequestTooLarge):
        read(pieces)
    assert pieces.asked == 2


def test_an_announced_size_is_believed_before_anything_is_read() -> None:
    pieces = Pieces([b"1"])
    with pytest.raises(RequestTooLarge):
        read(pieces, "9" * 30)
    assert pieces.asked == 0


@pytest.mark.parametrize("length", ["-1", "ten", "1 ", "²", ""])
def test_a_size_that_is_no_number_is_refused(length: str) -> None:
    with pytest.raises(InvalidRequest):
        read(Pieces([b"1"]), length)


def test_a_body_that_stops_coming_times_out() -> None:
    with pytest.raises(RequestTimeout):
        read(Pieces([b"1"], whole=False))


def test_a_client_that_leaves_amid_its_body_is_gone() -> None:
    with pytest.raises(ClientDisconnected):
        read(Pieces([b"1"], then={"type": "http.disconnect"}, whole=False))
