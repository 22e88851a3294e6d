"""The console's server: a thread and a port of its own, which it gives back, whoever still looks at a page."""

import http.client
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest
from msgspec.structs import replace

from app.console import Console, ConsoleServer
from app.settings import ConsoleSettings, Port, Settings
from telemetry import setup
from tests.behaviour.gateway import until


def _console(**settings: object) -> Console:
    return Console(replace(Settings(), console=replace(ConsoleSettings(port=Port(0)), **settings)), setup())


@pytest.fixture
def server() -> Iterator[ConsoleServer]:
    made = ConsoleServer(_console())
    yield made
    made.close()


class Visitor:
    """Has a connection for each request, until the test is over."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def get(self, port: int, path: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        self._stack.callback(connection.close)
        connection.request("GET", path)
        return self._stack.enter_context(connection.getresponse())

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def visitor() -> Iterator[Visitor]:
    made = Visitor()
    yield made
    made.close()


def test_it_serves_at_its_address_from_a_thread_of_its_own(server: ConsoleServer, visitor: Visitor) -> None:
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert visitor.get(server.port, "/").status == 200
    assert "flowspan-console" in {thread.name for thread in threading.enumerate()}


def test_where_the_port_is_taken_it_takes_another_and_warns(
    server: ConsoleServer, caplog: pytest.LogCaptureFixture
) -> None:
    other = ConsoleServer(_console(port=Port(server.port)))
    try:
        assert other.port != server.port
        assert f"port {server.port} is taken by another program: the console is at {other.url}" in caplog.text
    finally:
        other.close()


def test_the_next_gateway_gets_the_port_while_pages_of_this_one_are_open(
    visitor: Visitor, caplog: pytest.LogCaptureFixture
) -> None:
    leaving = ConsoleServer(_console())
    with closing(leaving), closing(http.client.HTTPConnection("127.0.0.1", leaving.port, timeout=5)) as page:
        page.request("GET", "/")
        page.getresponse().read()
        leaving.stop_listening()
        until(lambda: _is_refused(leaving.port), "the port is free")

        with closing(ConsoleServer(_console(port=Port(leaving.port)))) as following:
            page.request("GET", "/")
            assert page.getresponse().status == 200
            assert following.port == leaving.port
            assert visitor.get(following.port, "/").status == 200
    assert not caplog.text


def _is_refused(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_an_address_that_cannot_be_had_is_an_error() -> None:
    with pytest.raises(OSError, match="assign"):
        ConsoleServer(_console(host="192.0.2.1"))


def test_a_stream_of_events_ends_with_the_server(visitor: Visitor) -> None:
    server = ConsoleServer(_console())
    events = visitor.get(server.port, "/flow/events")
    assert events.headers["content-type"].startswith("text/event-stream")
    assert events.readline() == b"event: flow\n"

    server.close()
    assert b"data:" in events.read()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port))
    server.close()


def test_so_many_may_look_at_a_time(server: ConsoleServer, visitor: Visitor) -> None:
    streams = [visitor.get(server.port, "/flow/events") for _ in range(32)]
    for stream in streams:
        stream.readline()
    assert visitor.get(server.port, "/flow/events").status == 503
    assert visitor.get(server.port, "/").status == 200
