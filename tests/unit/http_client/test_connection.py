"""One connection: what is written and when, who gets what came, and whether it can be used again."""

import asyncio
import contextlib
import gzip
import itertools
import zlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.http_client import BodyIncomplete, HttpError, MalformedResponse, UndecodableBody, UpstreamResponse
from app.http_client.connection import Connection
from app.http_client.errors import ClosedWithoutResponse, ConnectionLost
from tests.support import run
from tests.unit.http_client.rig import OK, Transport, connected, read_all, turns, until

HEAD = b"POST / HTTP/1.1\r\nhost: a\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
LARGE = bytes(5 * 1024**2)


def begun(connection: Connection, body: bytes = b"{}", method: str = "POST") -> "asyncio.Task[UpstreamResponse]":
    return asyncio.create_task(connection.exchange(method, HEAD, body))


async def exchanged(*pieces: bytes, closed: bool = False) -> tuple[UpstreamResponse, Transport, list[str]]:
    """A response of which these pieces have come, and perhaps the end of the connection behind them."""
    connection, transport, owner = connected()
    task = begun(connection)
    await turns()
    for piece in pieces:
        connection.data_received(piece)
    if closed:
        connection.eof_received()
    response = await task
    return response, transport, owner.events


def test_a_request_is_written_at_once_and_the_connection_is_free_with_the_last_byte_of_the_response() -> None:
    async def main() -> None:
        connection, transport, owner = connected()
        for _ in range(2):
            task = begun(connection)
            await turns()
            assert transport.written == HEAD + b"{}"
            transport.written = b""
            connection.data_received(OK[:-1])
            response = await task
            assert (response.status, owner.events) == (200, [])
            connection.data_received(OK[-1:])
            # Nobody has read it yet.
            assert owner.events == ["released"]
            assert await read_all(response) == b"ok"
            assert response.content.at_eof()
            response.close()
            owner.events.clear()
        assert not transport.is_closing()

    run(main())


@given(st.lists(st.integers(0), max_size=6), st.booleans())
def test_a_body_is_the_same_however_it_comes(cuts: list[int], compressed: bool) -> None:
    body = b"".join(b"data: %d\n\n" % number for number in range(200))
    sent, coding = (gzip.compress(body), b"content-encoding: gzip\r\n") if compressed else (body, b"")
    data = b"HTTP/1.1 200 OK\r\n%bcontent-length: %d\r\n\r\n%b" % (coding, len(sent), sent)
    positions = sorted({0, *(one % len(data) for one in cuts), len(data)})

    async def main() -> None:
        pieces = [data[begin:end] for begin, end in itertools.pairwise(positions)]
        response, transport, events = await exchanged(*pieces)
        assert await read_all(response) == body
        assert response.content.at_eof()
        assert (events, transport.is_closing()) == (["released"], False)

    run(main())


@pytest.mark.parametrize(
    "response",
    [
        OK.replace(b"content", b"connection: close\r\ncontent"),
        OK.replace(b"1.1", b"1.0"),
        OK + b"more",
        OK + OK,
    ],
)
def test_a_connection_that_cannot_be_trusted_is_not_used_again(response: bytes) -> None:
    async def main() -> None:
        found, transport, events = await exchanged(response)
        assert transport.is_closing()
        assert await read_all(found) == b"ok"
        await turns()
        assert events == ["lost"]

    run(main())


def test_whatever_comes_while_it_is_idle_ends_it() -> None:
    async def main() -> None:
        for come in ("data", "eof"):
            response, transport, _ = await exchanged(OK)
            connection, transport, _owner = connected()
            task = begun(connection)
            await turns()
            connection.data_received(OK)
            response = await task
            if come == "data":
                connection.data_received(b"HTTP/1.0 408 Request Time-out\r\n\r\n")
            else:
                connection.eof_received()
            assert transport.is_closing()
            assert connection.is_closed
            assert await read_all(response) == b"ok"
            with pytest.raises(ClosedWithoutResponse):
                await connection.exchange("POST", HEAD, b"")

    run(main())


def test_the_end_of_the_connection_ends_a_body_without_length_alone() -> None:
    async def main() -> None:
        response, _, _ = await exchanged(b"HTTP/1.1 200 OK\r\n\r\nall of it", closed=True)
        assert await read_all(response) == b"all of it"
        for cut in (CHUNKED + b"5\r\nhello\r\n", OK[:-1]):
            response, _, _ = await exchanged(cut, closed=True)
            first = await response.read_piece()
            assert first in (b"hello", b"o")
            assert not response.content.at_eof()
            with pytest.raises(BodyIncomplete):
                await response.read_piece()

    run(main())


def test_a_reset_cuts_off_a_body_without_length_too() -> None:
    async def main() -> None:
        connection, _, _ = connected()
        task = begun(connection)
        await turns()
        connection.data_received(b"HTTP/1.1 200 OK\r\n\r\npart")
        response = await task
        connection.connection_lost(ConnectionResetError(104, "reset"))
        assert await response.read_piece() == b"part"
        with pytest.raises(BodyIncomplete) as raised:
            await response.read_piece()
        assert isinstance(raised.value.__cause__, ConnectionResetError)

    run(main())


@pytest.mark.parametrize("come", [b"", b"H", OK[:20]])
@pytest.mark.parametrize("orderly", [True, False])
def test_a_connection_that_ends_before_the_head_says_whether_a_response_had_begun(come: bytes, orderly: bool) -> None:
    async def main() -> None:
        connection, _, _ = connected()
        task = begun(connection)
        await turns()
        if come:
            connection.data_received(come)
        if orderly:
            connection.eof_received()
        else:
            connection.connection_lost(ConnectionResetError())
        with pytest.raises(ConnectionLost) as raised:
            await task
        assert isinstance(raised.value, ClosedWithoutResponse) == (not come)

    run(main())


def test_broken_framing_fails_who_waits_for_it_at_once() -> None:
    async def main() -> None:
        connection, transport, _ = connected()
        task = begun(connection)
        await turns()
        connection.data_received(b"HTTP/1.1 200 OK\ncontent-length: 1\n\n")
        with pytest.raises(MalformedResponse):
            await task
        assert transport.is_closing()

        connection, transport, _ = connected()
        task = begun(connection)
        await turns()
        connection.data_received(CHUNKED + b"5\r\nhello\r\nnonsense")
        response = await task
        assert transport.is_closing()
        assert await response.read_piece() == b"hello"
        with pytest.raises(BodyIncomplete) as raised:
            await response.read_piece()
        assert isinstance(raised.value.__cause__, MalformedResponse)

    run(main())


def test_a_body_that_is_not_what_its_encoding_says_is_an_error() -> None:
    async def main() -> None:
        data = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 5\r\n\r\nhello"
        response, _, _ = await exchanged(data)
        with pytest.raises(UndecodableBody):
            await response.read_piece()

    run(main())


def test_an_unknown_encoding_is_left_to_the_reader() -> None:
    async def main() -> None:
        data = b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 5\r\n\r\nhello"
        response, _, _ = await exchanged(data)
        assert await read_all(response) == b"hello"

    run(main())


def test_events_that_come_compressed_are_there_as_soon_as_they_were_flushed() -> None:
    async def main() -> None:
        made = zlib.compressobj(wbits=31)
        connection, _, _ = connected()
        task = begun(connection)
        await turns()
        connection.data_received(CHUNKED.replace(b"\r\n\r\n", b"\r\ncontent-encoding: gzip\r\n\r\n"))
        response = await task
        for event in (b"data: 1\n\n", b"data: 2\n\n"):
            piece = made.compress(event) + made.flush(zlib.Z_SYNC_FLUSH)
            connection.data_received(b"%x\r\n%b\r\n" % (len(piece), piece))
            assert await response.read_piece() == event
        reading = asyncio.create_task(read_all(response))
        await turns()
        rest = made.flush()
        connection.data_received(b"%x\r\n%b\r\n0\r\n\r\n" % (len(rest), rest))
        assert await reading == b""

    run(main())


def test_a_few_bytes_that_decode_to_many_leave_other_tasks_their_turns() -> None:
    async def main() -> None:
        sent = gzip.compress(bytes(16 * 1024**2))
        head = b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: %d\r\n\r\n" % len(sent)
        response, _, _ = await exchanged(head, sent)
        reading = asyncio.create_task(read_all(response))
        count = 0
        while not reading.done():
            await asyncio.sleep(0)
            count += 1
        assert len(await reading) == 16 * 1024**2
        assert count > 50

    run(main())


def test_reading_pauses_while_too_much_waits_to_be_read() -> None:
    async def main() -> None:
        connection, transport, _ = connected()
        task = begun(connection)
        await turns()
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        response = await task
        sent = 0
        while transport.is_reading():
            connection.data_received(bytes(10_000))
            sent += 10_000
        assert 100_000 < sent < 300_000
        assert len(await response.read_piece()) == sent
        assert transport.is_reading()
        # The last of it frees the connection although nobody reads: it must be able to hear of the server's end.
        connection.data_received(bytes(1_000_000 - sent))
        assert transport.is_reading()
        assert len(await read_all(response)) == 1_000_000 - sent

    run(main())


class Taker:
    """Takes all that comes, and counts it."""

    def __init__(self) -> None:
        self.size = 0

    def take(self, pieces: Sequence[bytes]) -> bool:
        self.size += sum(map(len, pieces))
        return True


def test_a_large_read_that_is_worked_on_at_once_leaves_other_connections_their_turn() -> None:
    async def main() -> None:
        connection, transport, owner = connected()
        task = begun(connection)
        await turns()
        connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
        response, taker = await task, Taker()
        reading = asyncio.ensure_future(response.pass_to(taker))
        await turns()
        for size in (300_000, 10_000, 300_000):
            connection.data_received(bytes(size))
            assert transport.is_reading() == (size == 10_000)
            await turns()
            assert transport.is_reading()
        assert taker.size == 610_000
        # Behind its last bytes comes nothing that would have to wait.
        connection.data_received(bytes(390_000))
        assert transport.is_reading()
        assert not await reading
        assert owner.events == ["released"]
        assert transport.is_reading()

    run(main())


def test_a_large_body_goes_out_in_pieces_as_fast_as_it_is_taken() -> None:
    async def main() -> None:
        connection, transport, owner = connected(room=200_000)
        task = begun(connection, LARGE)
        await turns(20)
        assert len(HEAD) < len(transport.written) < 500_000
        drained = 0
        while len(transport.written) < len(HEAD) + len(LARGE):
            transport.drain()
            await turns(20)
            drained += 1
        assert 10 < drained < 40
        assert transport.written == HEAD + LARGE
        transport.drain()
        connection.data_received(OK)
        assert await read_all(await task) == b"ok"
        assert owner.events == ["released"]

    run(main())


def test_a_large_body_leaves_other_tasks_their_turns_even_where_it_is_taken_at_once() -> None:
    async def main() -> None:
        connection, transport, _ = connected()
        task = begun(connection, LARGE)
        count = 0
        while len(transport.written) < len(HEAD) + len(LARGE):
            await asyncio.sleep(0)
            count += 1
        assert count > 30
        connection.data_received(OK)
        await task

    run(main())


@pytest.mark.parametrize(("status", "goes_on"), [(200, True), (413, False), (503, False)])
def test_an_early_response_ends_the_sending_unless_it_is_one_of_success(status: int, goes_on: bool) -> None:
    async def main() -> None:
        connection, transport, owner = connected(room=200_000)
        task = begun(connection, LARGE)
        await turns(20)
        connection.data_received(b"HTTP/1.1 %d X\r\ncontent-length: 2\r\n\r\no" % status)
        response = await task
        assert response.status == status
        written = len(transport.written)
        transport.drain()
        await turns(20)
        assert (len(transport.written) > written) is goes_on
        transport.drain()
        connection.data_received(b"k")
        assert await read_all(response) == b"ok"
        await turns()
        assert owner.events == ["lost"]

    run(main())


def test_a_response_before_the_request_has_gone_out_frees_nothing() -> None:
    """What is left in the socket's buffer would stand before the next request, and perhaps nobody reads it."""

    async def main() -> None:
        connection, transport, _owner = connected(room=10)
        task = begun(connection, bytes(1000))
        await turns()
        connection.data_received(OK)
        assert await read_all(await task) == b"ok"
        assert transport.is_closing()

    run(main())


def test_a_request_that_nobody_waits_for_any_more_ends_its_connection() -> None:
    async def main() -> None:
        connection, transport, owner = connected()
        task = begun(connection)
        await turns()
        task.cancel()
        await turns()
        assert transport.is_closing()
        assert owner.events == ["lost"]

    run(main())


def test_a_request_that_is_cancelled_with_its_whole_response_there_leaves_the_connection_to_the_next() -> None:
    """The next request takes the connection before the cancelled one has had its turn."""

    async def main() -> None:
        connection, transport, owner = connected()
        first = begun(connection)
        await turns()

        async def take_over() -> UpstreamResponse:
            await until(lambda: owner.events)
            first.cancel()
            return await connection.exchange("POST", HEAD, b"next")

        second = asyncio.create_task(take_over())
        await turns()
        asyncio.get_running_loop().call_soon(connection.data_received, OK)
        await turns()
        assert first.cancelled()
        assert transport.written.endswith(b"next")
        assert not transport.is_closing()
        connection.data_received(OK)
        assert await read_all(await second) == b"ok"

    run(main())


def test_a_cancelled_read_loses_nothing() -> None:
    async def main() -> None:
        connection, _, _ = connected()
        task = begun(connection)
        await turns()
        connection.data_received(OK[:-2])
        response = await task
        reading = asyncio.create_task(read_all(response))
        await turns()
        reading.cancel()
        await turns()
        connection.data_received(OK[-2:])
        assert await read_all(response) == b"ok"

    run(main())


@pytest.mark.parametrize("how", ["close", "give_up"])
def test_a_response_that_is_closed_early_ends_its_connection(how: str) -> None:
    async def main() -> None:
        response, transport, _ = await exchanged(OK[:-1])
        getattr(response, how)()
        assert transport.is_closing()

    run(main())


def test_one_that_was_given_up_when_it_was_whole_ends_its_connection_but_not_another_ones_exchange() -> None:
    async def main() -> None:
        response, transport, _ = await exchanged(OK)
        response.close()
        assert not transport.is_closing()
        response.give_up()
        assert transport.is_closing()

        connection, transport, _owner = connected()
        task = begun(connection)
        await turns()
        connection.data_received(OK)
        first = await task
        task = begun(connection)
        await turns()
        first.give_up()
        assert not transport.is_closing()
        connection.data_received(OK)
        assert await read_all(await task) == b"ok"
        assert transport.is_closing()

    run(main())


@given(
    st.lists(st.sampled_from([OK, OK[:9], b"x", CHUNKED, b"5\r\nhello\r\n", b"0\r\n\r\n", b"", b"\r\n"]), max_size=6)
)
def test_whatever_comes_who_waits_is_told_its_end(pieces: list[bytes]) -> None:
    async def main() -> None:
        connection, transport, _ = connected()
        task = begun(connection)
        await turns()
        for piece in pieces:
            if piece and not transport.is_closing():
                connection.data_received(piece)
        if not transport.is_closing():
            connection.eof_received()
        await turns()
        assert transport.is_closing()
        with contextlib.suppress(HttpError):
            await read_all(await task)

    run(main(), timeout=2)
