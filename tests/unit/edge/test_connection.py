"""What a client's connection lets through once its client has closed its side."""

import asyncio
from typing import Any

import pytest
from uvicorn.server import ServerState

from app.edge.connection import Connection
from app.edge.server_context import Limits, ServerContext
from app.errors import ClientDisconnected
from app.gateway.client_connection import CONNECTION, ClientConnection
from tests.support import run

LIMITS = Limits(header_size=1 << 16, header_timeout=10, keep_alive=10, linger_timeout=10, linger_size=1 << 20, stall=10)


class Transport(asyncio.Transport):
    """A transport that keeps what is written to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_paused = False

    def write(self, data: Any) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def pause_reading(self) -> None:
        self.is_paused = True

    def resume_reading(self) -> None:
        self.is_paused = False


def test_what_is_written_after_the_clients_end_is_an_error_and_not_dropped_in_silence() -> None:
    """The transport would take it without a word until the loop's next turn, and the stream would look delivered."""

    async def main() -> None:
        handed = asyncio.get_running_loop().create_future()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            handed.set_result(scope["extensions"][CONNECTION]["connection"])
            await asyncio.Event().wait()

        transport, lost = Transport(), asyncio.Event()
        connection = Connection(ServerContext(app, ServerState(), {}, LIMITS), on_closed=lambda: None)
        connection.connection_made(transport)
        connection.data_received(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n")
        client: ClientConnection = await handed
        client.when_lost(lost.set)
        client.write(b"first")
        connection.eof_received()
        assert client.is_lost
        assert lost.is_set()
        with pytest.raises(ClientDisconnected):
            client.write(b"second")
        assert b"first" in transport.written
        assert b"second" not in transport.written

    run(main())


HEAD = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: "


def test_one_read_is_held_at_most_whatever_the_application_waits_for() -> None:
    """An application that has the whole body and waits for its client's end has nothing more read."""

    async def main() -> None:
        waiting = asyncio.Event()

        async def app(scope: Any, receive: Any, send: Any) -> None:
            assert (await receive())["body"] == b"body"
            waiting.set()
            await receive()

        transport = Transport()
        connection = Connection(ServerContext(app, ServerState(), {}, LIMITS), on_closed=lambda: None)
        connection.connection_made(transport)
        # A request and, while it is being answered, one more.
        connection.data_received(HEAD + b"4\r\n\r\nbody")
        connection.data_received(HEAD + b"0\r\n\r\n")
        assert transport.is_paused
        await waiting.wait()
        await asyncio.sleep(0)
        assert transport.is_paused

    run(main())


def test_a_body_that_is_not_complete_is_read_on() -> None:
    async def main() -> None:
        async def app(scope: Any, receive: Any, send: Any) -> None:
            while (await receive())["more_body"]:
                pass
            done.set()

        transport, done = Transport(), asyncio.Event()
        connection = Connection(ServerContext(app, ServerState(), {}, LIMITS), on_closed=lambda: None)
        connection.connection_made(transport)
        connection.data_received(HEAD + b"200000\r\n\r\n" + b"x" * 100_000)
        pauses = [transport.is_paused]
        await asyncio.sleep(0)
        pauses.append(transport.is_paused)
        assert pauses == [True, False]
        connection.data_received(b"x" * 100_000)
        await done.wait()

    run(main())
