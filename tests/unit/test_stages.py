"""Work in the turn of whoever brings something, on the body of a response: what its reader's task gets to do."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.http_client import BodyIncomplete, UpstreamResponse
from app.http_client.connection import Connection
from app.stages import generated, pieces_of
from tests.support import run
from tests.unit.http_client.rig import Owner, Transport, connected, read_all, turns

SIZED = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n"
BROKEN = ValueError("broken")


class Taker:
    """Keeps what it takes. It falls behind with the pieces of `behind`, and breaks with those of `broken`."""

    def __init__(self, behind: str = "", broken: str = "") -> None:
        self.taken = b""
        self.then: Callable[[], None] | None = None
        self._behind = behind.encode()
        self._broken = broken.encode()

    def take(self, items: Sequence[bytes]) -> bool:
        data = b"".join(items)
        if data in self._broken and self._broken:
            raise BROKEN
        self.taken += data
        if self.then is not None:
            self.then()
        return not (data in self._behind and self._behind)


class Exchange:
    """A response whose head has come."""

    def __init__(self, connection: Connection, transport: Transport, owner: Owner, response: UpstreamResponse) -> None:
        self.transport = transport
        self.owner = owner
        self.response = response
        self.comes = connection.data_received
        self.breaks_off = connection.connection_lost

    def reading(self, taker: Taker) -> asyncio.Task[bool]:
        return asyncio.ensure_future(self.response.pass_to(taker))


async def begun(head: bytes) -> Exchange:
    connection, transport, owner = connected()
    task = asyncio.ensure_future(connection.exchange("POST", b"", b""))
    await turns()
    connection.data_received(head)
    return Exchange(connection, transport, owner, await task)


async def idle(size: int, taker: Taker) -> tuple[Exchange, asyncio.Task[bool]]:
    """A body of `size` bytes whose reader waits."""
    exchange = await begun(SIZED % size)
    reading = exchange.reading(taker)
    await turns()
    return exchange, reading


def test_what_comes_is_taken_in_its_turn_and_ends_in_the_readers() -> None:
    async def main() -> None:
        taker = Taker()
        exchange, reading = await idle(3, taker)
        exchange.comes(b"a")
        exchange.comes(b"b")
        assert taker.taken == b"ab"
        exchange.comes(b"c")
        assert (taker.taken, exchange.owner.events) == (b"abc", ["released"])
        assert not await reading

    run(main())


def test_what_came_before_there_was_a_reader_is_taken_first() -> None:
    async def main() -> None:
        taker = Taker()
        exchange = await begun(SIZED % 3 + b"a")
        reading = exchange.reading(taker)
        exchange.comes(b"b")
        await turns()
        exchange.comes(b"c")
        assert not await reading
        assert taker.taken == b"abc"

    run(main())


def test_a_taker_that_falls_behind_gets_no_more_until_it_is_passed_to_again() -> None:
    async def main() -> None:
        taker = Taker(behind="a")
        exchange, reading = await idle(4, taker)
        exchange.comes(b"a")
        exchange.comes(b"b")
        exchange.comes(b"c")
        assert await reading
        assert taker.taken == b"a"
        reading = exchange.reading(taker)
        await turns()
        assert taker.taken == b"abc"
        exchange.comes(b"d")
        assert taker.taken == b"abcd"
        assert not await reading

    run(main())


def test_a_taker_that_is_behind_holds_up_the_connection() -> None:
    async def main() -> None:
        taker = Taker(behind="a")
        exchange, reading = await idle(1_000_000, taker)
        for _ in range(50):
            exchange.comes(bytes(10_000))
        assert exchange.transport.is_reading()
        exchange.comes(b"a")
        assert await reading
        sent = 0
        while exchange.transport.is_reading():
            exchange.comes(bytes(10_000))
            sent += 10_000
        assert 100_000 < sent < 300_000
        reading = exchange.reading(taker)
        await turns()
        assert exchange.transport.is_reading()
        assert len(taker.taken) == 500_001 + sent
        reading.cancel()

    run(main())


def test_the_last_of_a_body_may_leave_its_taker_behind() -> None:
    async def main() -> None:
        taker = Taker(behind="b")
        exchange, reading = await idle(2, taker)
        exchange.comes(b"a")
        exchange.comes(b"b")
        assert exchange.owner.events == ["released"]
        assert await reading
        assert not await exchange.response.pass_to(taker)
        assert taker.taken == b"ab"

    run(main())


def test_what_a_taker_raises_is_its_readers_matter_and_not_the_connections() -> None:
    async def main() -> None:
        taker = Taker(broken="b")
        exchange, reading = await idle(3, taker)
        exchange.comes(b"a")
        exchange.comes(b"b")
        exchange.comes(b"c")
        with pytest.raises(ValueError, match="broken"):
            await reading
        assert taker.taken == b"a"
        assert exchange.owner.events == ["released"]

    run(main())


@pytest.mark.parametrize("behind", [False, True])
def test_a_body_that_breaks_off_says_so_after_all_that_came(behind: bool) -> None:
    async def main() -> None:
        taker = Taker(behind="a" if behind else "")
        exchange, reading = await idle(9, taker)
        exchange.comes(b"a")
        exchange.comes(b"b")
        exchange.breaks_off(None)
        if behind:
            assert await reading
            reading = exchange.reading(taker)
        with pytest.raises(BodyIncomplete):
            await reading
        assert taker.taken == b"ab"

    run(main())


@pytest.mark.parametrize("behind", [False, True])
def test_a_reader_that_is_cancelled_has_its_taker_back(behind: bool) -> None:
    async def main() -> None:
        taker = Taker(behind="a" if behind else "")
        exchange, reading = await idle(3, taker)
        exchange.comes(b"a")
        reading.cancel()
        await asyncio.wait({reading})
        exchange.comes(b"b")
        assert taker.taken == b"a"
        exchange.comes(b"c")
        assert await read_all(exchange.response) == b"bc"

    run(main())


def test_a_connection_can_be_closed_from_within_its_own_turn() -> None:
    async def main() -> None:
        taker = Taker()
        exchange, reading = await idle(2, taker)
        taker.then = exchange.response.give_up
        exchange.comes(b"ab")
        assert exchange.transport.is_closing()
        assert exchange.owner.events == []
        assert not await reading
        await turns()
        assert (taker.taken, exchange.owner.events) == (b"ab", ["lost"])

    run(main())


def test_a_compressed_body_is_taken_in_its_readers_turn() -> None:
    async def main() -> None:
        taker = Taker()
        exchange = await begun(b"HTTP/1.1 200 OK\r\ncontent-encoding: deflate\r\ncontent-length: 13\r\n\r\n")
        reading = exchange.reading(taker)
        await turns()
        exchange.comes(b"x\x9c\xcbH\xcd\xc9\xc9\x07\x00\x06,\x02\x15")
        assert taker.taken == b""
        assert not await reading
        assert taker.taken == b"hello"

    run(main())


@generated
async def letters(text: str) -> AsyncGenerator[Sequence[str], None]:
    for letter in text:
        yield [letter]
        if letter == "!":
            raise BROKEN


def test_a_generator_is_a_source_that_its_reader_runs() -> None:
    async def main() -> None:
        source = letters("abc")
        assert [list(piece) async for piece in pieces_of(source)] == [["a"], ["b"], ["c"]]
        with pytest.raises(ValueError, match="broken"):
            [piece async for piece in pieces_of(letters("a!"))]

    run(main())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([b"comes", b"turn", b"read"]), max_size=30), st.data())
def test_however_reader_and_connection_take_turns_nothing_is_lost(steps: list[bytes], data: st.DataObject) -> None:
    async def main() -> None:
        sent = bytes(range(64, 64 + steps.count(b"comes") + 1))
        behind = data.draw(st.sets(st.sampled_from(list(sent))))
        taker = Taker(behind=bytes(sorted(behind)).decode())
        exchange = await begun(SIZED % len(sent))
        reading: asyncio.Task[bool] | None = None
        came = 0
        for step in steps:
            match step:
                case b"comes":
                    exchange.comes(sent[came : came + 1])
                    came += 1
                case b"turn":
                    await turns()
                case _ if reading is None or reading.done():
                    reading = exchange.reading(taker)
        exchange.comes(sent[came:])
        if reading is None or await reading:
            while await exchange.response.pass_to(taker):
                pass
        assert taker.taken == sent

    run(main())
