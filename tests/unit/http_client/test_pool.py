"""Which connection a request gets, who waits for one, and what becomes of those that are idle."""

import asyncio
import socket
import threading
from contextlib import suppress

import pytest

from app.http_client import HttpError, NoFreeConnection, Pool, UpstreamResponse
from app.http_client.errors import ClosedWithoutResponse, ConnectionLost
from app.http_client.heads import Resource
from tests.support import run
from tests.unit.http_client.rig import (
    OK,
    JumpingLoop,
    asked,
    head_of,
    pool_at,
    read_all,
    responding,
    run_jumping,
    served,
    turns,
    until,
)


class Server:
    """Responds to each request, and counts. `closes` says after which requests of a connection it closes that, instead
    of a response; `silent` that it says nothing until it is let go."""

    def __init__(self, closes: int | None = None, *, silent: bool = False, idle: bytes = b"") -> None:
        self.connections = 0
        self.requests = 0
        self.go = asyncio.Event()
        self.left = asyncio.Event()
        self._closes = closes
        self._idle = idle
        if not silent:
            self.go.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = 0
        try:
            while True:
                await head_of(reader)
                self.requests += 1
                number += 1
                if self._closes is not None and number > self._closes:
                    return
                await self.go.wait()
                writer.write(OK + self._idle)
        finally:
            self.left.set()


async def begin(pool: Pool, resource: Resource, method: str = "POST") -> UpstreamResponse:
    return await pool.request(method, resource, {}, b"", None)


def test_the_connection_that_became_idle_last_is_used_first() -> None:
    async def main() -> None:
        ports: list[int] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                await head_of(reader)
                ports.append(writer.get_extra_info("peername")[1])
                writer.write(OK)

        async with served(serve) as url, pool_at(url) as (pool, resource):
            first, second = await begin(pool, resource), await begin(pool, resource)
            # The first response had come whole before the second request went out.
            assert len(set(ports)) == 1
            await asyncio.gather(asked(pool, resource), asked(pool, resource))
            assert pool.state == (0, 2, 0)
            latest = ports[-1]
            await asked(pool, resource)
            assert ports[-1] == latest
            for response in (first, second):
                assert await read_all(response) == b"ok"

    run(main())


def test_requests_beyond_the_limit_wait_in_turn() -> None:
    async def main() -> None:
        server = Server(silent=True)
        async with served(server.serve) as url, pool_at(url, limit=2) as (pool, resource):
            ended: list[int] = []

            async def one(number: int) -> None:
                await asked(pool, resource)
                ended.append(number)

            tasks = []
            for number in range(6):
                tasks.append(asyncio.create_task(one(number)))
                await turns()
            assert pool.state == (2, 0, 4)
            server.go.set()
            await asyncio.gather(*tasks)
            assert sorted(ended) == list(range(6))
            assert [number for number in ended if number > 1] == [2, 3, 4, 5]
            assert server.connections == 2
            assert pool.state == (0, 2, 0)

    run(main())


def test_the_turn_of_one_that_leaves_goes_to_the_next() -> None:
    async def main() -> None:
        server = Server(silent=True)
        async with served(server.serve) as url, pool_at(url, limit=1) as (pool, resource):
            held, leaving, patient = (asyncio.create_task(asked(pool, resource)) for _ in range(3))
            await turns()
            assert pool.state == (1, 0, 2)
            leaving.cancel()
            await turns()
            assert pool.state == (1, 0, 1)
            held.cancel()
            await turns(10)
            server.go.set()
            assert await patient == b"ok"
            assert pool.state == (0, 1, 0)

    run(main())


def test_one_that_leaves_with_the_right_to_connect_in_hand_hands_it_on() -> None:
    """The task is cancelled after the right was given to it, and before it has run."""

    async def main() -> None:
        server = Server(silent=True)
        async with served(server.serve) as url, pool_at(url, limit=1) as (pool, resource):
            first, leaving, patient = (asyncio.create_task(asked(pool, resource)) for _ in range(3))
            await until(lambda: server.requests and pool.state.waiting == 2)
            first.cancel()
            await until(lambda: pool.state.waiting == 1)
            leaving.cancel()
            server.go.set()
            assert await patient == b"ok"
            assert pool.state == (0, 1, 0)

    run(main())


def test_one_that_leaves_with_a_connection_in_hand_hands_it_on() -> None:
    async def main() -> None:
        server = Server(silent=True)
        async with served(server.serve) as url, pool_at(url, limit=1) as (pool, resource):
            first, leaving, patient = (asyncio.create_task(asked(pool, resource)) for _ in range(3))
            await until(lambda: server.requests and pool.state.waiting == 2)
            server.go.set()
            await until(lambda: pool.state.waiting == 1)
            leaving.cancel()
            assert await patient == await first == b"ok"
            assert (pool.state, server.connections) == ((0, 1, 0), 1)

    run(main())


def test_a_wait_in_vain_is_told_from_a_server_that_cannot_be_reached() -> None:
    async def main() -> None:
        server = Server(silent=True)
        async with served(server.serve) as url, pool_at(url, limit=1, connect_limit=0.05) as (pool, resource):
            held = asyncio.create_task(asked(pool, resource))
            await turns()
            with pytest.raises(NoFreeConnection):
                await asked(pool, resource)
            assert pool.state == (1, 0, 0)
            server.go.set()
            assert await held == b"ok"

    run(main())


def test_connections_that_cannot_be_made_hold_no_place() -> None:
    async def main() -> None:
        async with served(responding()) as url:
            pass
        async with pool_at(url, limit=1) as (pool, resource):
            for _ in range(3):
                with pytest.raises(ConnectionRefusedError):
                    await asked(pool, resource)
            assert pool.state == (0, 0, 0)
            assert not pool.take_news().connects

    run(main())


def test_an_idle_connection_is_closed_after_its_time_and_not_used_beyond_it() -> None:
    async def main(loop: JumpingLoop) -> None:
        server = Server()
        async with served(server.serve) as url, pool_at(url) as (pool, resource):
            await asked(pool, resource)
            loop.jump(29)
            await asked(pool, resource)
            assert (server.connections, pool.state.idle) == (1, 1)
            loop.jump(29)
            await turns()
            assert pool.state.idle == 1
            loop.jump(2)
            await asyncio.wait_for(server.left.wait(), 5)
            assert pool.state == (0, 0, 0)
            await asked(pool, resource)
            # The clock has gone on, and nobody has looked yet: it is not used all the same.
            loop.jump(31)
            await asked(pool, resource)
            assert server.connections == 3

    run_jumping(main)


def test_one_that_the_server_has_closed_is_not_used() -> None:
    async def main() -> None:
        async with served(responding(OK)) as url, pool_at(url) as (pool, resource):
            for _ in range(5):
                assert await asked(pool, resource) == b"ok"
                await until(lambda: not pool.state.idle)
            assert pool.take_news().resent == 0

    run(main())


def test_one_whose_end_the_loop_has_not_seen_yet_is_not_used_either() -> None:
    go, closed = threading.Event(), threading.Event()

    def serve(listener: socket.socket) -> None:
        """Respond, close when told so, and say when that was done; then respond to one more."""
        for _ in range(2):
            accepted, _ = listener.accept()
            with accepted:
                accepted.recv(1000)
                accepted.sendall(OK)
                go.wait(5)
            closed.set()

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve, args=(listener,))
            thread.start()
            async with pool_at(f"http://127.0.0.1:{listener.getsockname()[1]}") as (pool, resource):
                assert await asked(pool, resource) == b"ok"
                assert pool.state.idle == 1
                go.set()
                assert closed.wait(5), "the loop stands still until the server has closed"
                assert await asked(pool, resource) == b"ok"
                assert pool.take_news().resent == 0
            thread.join()

    run(main())


def test_a_refusal_is_read_before_more_of_the_request_is_written() -> None:
    """To write to a connection that the server has closed would lose what came by it."""
    refusal = b"HTTP/1.1 413 X\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno"
    closed = threading.Event()

    def serve(listener: socket.socket) -> None:
        """Refuse a request of which most has not come."""
        accepted, _ = listener.accept()
        with accepted:
            accepted.recv(1000)
            accepted.sendall(refusal)
        closed.set()

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            thread = threading.Thread(target=serve, args=(listener,))
            thread.start()
            async with pool_at(f"http://127.0.0.1:{listener.getsockname()[1]}") as (pool, resource):
                task = asyncio.create_task(pool.request("POST", resource, {}, bytes(20 * 1024**2), None))
                await until(lambda: pool.take_news().connects)
                assert closed.wait(5), "the loop stands still until the server has closed"
                response = await task
                assert (response.status, await read_all(response)) == (413, b"no")
            thread.join()

    run(main())


def test_a_request_that_crossed_with_the_servers_end_goes_out_once_more() -> None:
    async def main() -> None:
        server = Server(closes=1)
        async with served(server.serve) as url, pool_at(url) as (pool, resource):
            for number in range(1, 4):
                assert await asked(pool, resource, b"") == b"ok"
                assert (server.connections, server.requests) == (number, 2 * number - 1)
            news = pool.take_news()
            assert (news.resent, len(news.connects)) == (2, 3)
            news = pool.take_news()
            assert (news.resent, len(news.connects)) == (0, 0)

    run(main())


def test_it_goes_out_twice_at_most_and_only_where_the_connection_had_been_used() -> None:
    async def main() -> None:
        server = Server(closes=0)
        async with served(server.serve) as url, pool_at(url) as (pool, resource):
            with pytest.raises(ClosedWithoutResponse):
                await asked(pool, resource)
            assert server.requests == 1

        used: list[bool] = []

        async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            """The first connection responds once; none responds ever after."""
            while True:
                await head_of(reader)
                used.append(True)
                if len(used) > 1:
                    return
                writer.write(OK)

        async with served(once) as url, pool_at(url) as (pool, resource):
            await asked(pool, resource)
            with pytest.raises(ClosedWithoutResponse):
                await asked(pool, resource)
            assert len(used) == 3

    run(main())


@pytest.mark.parametrize(("method", "again"), [("POST", False), ("GET", True)])
def test_a_server_that_had_the_request_for_a_while_is_asked_again_only_what_may_be_repeated(
    method: str, again: bool
) -> None:
    async def main(loop: JumpingLoop) -> None:
        requests = 0

        async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal requests
            for number in range(2):
                await head_of(reader)
                requests += 1
                if number == 1:
                    loop.jump(1.5)
                    return
                writer.write(OK)

        async with served(slow) as url, pool_at(url) as (pool, resource):
            await asked(pool, resource)
            if again:
                assert await asked(pool, resource, method=method) == b"ok"
            else:
                with pytest.raises(ClosedWithoutResponse):
                    await asked(pool, resource, method=method)
            assert requests == (3 if again else 2)

    run_jumping(main)


def test_a_response_that_had_begun_is_not_asked_for_again() -> None:
    async def main() -> None:
        async with served(responding(OK, b"HTTP/1.1 2")) as url, pool_at(url) as (pool, resource):
            await asked(pool, resource)
            with pytest.raises(ConnectionLost) as raised:
                await asked(pool, resource)
            assert not isinstance(raised.value, ClosedWithoutResponse)
            assert pool.take_news().resent == 0

    run(main())


def test_a_closed_pool_ends_what_is_under_way() -> None:
    async def main() -> None:
        server = Server(silent=True)
        async with served(server.serve) as url, pool_at(url, limit=1) as (pool, resource):
            tasks = [asyncio.create_task(asked(pool, resource)) for _ in range(3)]
            await turns(20)
            await pool.aclose()
            found = await asyncio.gather(*tasks, return_exceptions=True)
            assert all(isinstance(one, ConnectionLost) for one in found)
            with pytest.raises(ConnectionLost):
                await asked(pool, resource)
            server.go.set()
            await asyncio.wait_for(server.left.wait(), 5)
            assert server.connections == 1

    run(main())


def test_a_closed_pool_sends_nothing_once_more() -> None:
    async def main() -> None:
        server = Server()
        async with served(server.serve) as url, pool_at(url) as (pool, resource):
            await asked(pool, resource)
            server.go.clear()
            task = asyncio.create_task(asked(pool, resource))
            await until(lambda: server.requests == 2)
            await pool.aclose()
            with pytest.raises(ConnectionLost):
                await task
            await turns(20)
            assert server.connections == 1

    run(main())


def test_any_order_of_cancellations_leaves_the_pool_as_it_was() -> None:
    async def main() -> None:
        server = Server()
        async with served(server.serve) as url, pool_at(url, limit=3) as (pool, resource):
            for seed in range(40):
                tasks = [asyncio.create_task(asked(pool, resource)) for _ in range(8)]
                for index, task in enumerate(tasks):
                    await turns((seed * 7 + index * 3) % 5)
                    if (seed + index) % 3 == 0:
                        task.cancel()
                for task in tasks:
                    with suppress(asyncio.CancelledError):
                        assert await task == b"ok"
            await until(lambda: not pool.state.active)
            assert pool.state.waiting == 0
            assert pool.state.idle <= 3
            assert await asked(pool, resource) == b"ok"

    run(main())


@pytest.mark.parametrize("garbage", [b"HTTP/1.0 408 Request Time-out\r\n\r\n", b"\0" * 100_000])
def test_bytes_of_an_idle_server_reach_no_request(garbage: bytes) -> None:
    async def main() -> None:
        server = Server(idle=garbage)
        async with served(server.serve) as url, pool_at(url) as (pool, resource):
            for _ in range(10):
                with suppress(HttpError):
                    assert await asked(pool, resource) == b"ok"
            assert server.connections >= 9

    run(main())
