"""How many connections are accepted, and which client an address stands for."""

import asyncio
import errno
import resource
import socket
from contextlib import ExitStack
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from uvicorn.server import ServerState

from app.edge.listener import ConnectionSlots, Listener, client_of, most_connections
from app.edge.server_context import ServerContext
from telemetry import ConnectionMetrics
from tests.support import run
from tests.unit.edge.test_connection import LIMITS


def test_slots_are_bounded_in_all_and_for_one_address() -> None:
    slots = ConnectionSlots(4, 0.5)
    for address in ("a", "a", "b"):
        assert slots.refusal(address) is None
        slots.acquire(address)
    assert slots.refusal("a") == "address"
    slots.acquire("c")
    assert slots.refusal("b") == "total"
    slots.release("a")
    assert slots.refusal("a") is None
    assert slots.taken == 3


def test_connections_without_an_address_are_bounded_in_all_alone() -> None:
    slots = ConnectionSlots(4, 0.25)
    for _ in range(3):
        assert slots.refusal(None) is None
        slots.acquire(None)
    assert slots.refusal("a") is None
    slots.acquire("a")
    assert slots.refusal(None) == "total"
    slots.release(None)
    assert slots.refusal(None) is None
    assert slots.refusal("a") == "address"


@pytest.mark.parametrize(
    ("address", "client"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
    ],
)
def test_the_client_that_an_address_stands_for(address: str, client: str) -> None:
    assert client_of(address) == client


class Aborted(socket.socket):
    """A listening socket whose first connections have broken off by the time they are accepted."""

    broken = 3

    def accept(self) -> Any:
        if self.broken:
            self.broken -= 1
            raise OSError(errno.ECONNABORTED, "Software caused connection abort")
        return super().accept()


def test_a_connection_that_broke_off_is_counted_and_those_behind_it_do_not_wait() -> None:
    registry = CollectorRegistry()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nothing was sent")

    async def main() -> None:
        with Aborted() as listening, socket.socket() as client:
            listening.bind(("127.0.0.1", 0))
            slots = ConnectionSlots(4, 1)
            context = ServerContext(app, ServerState(), {}, LIMITS)
            listener = Listener([listening], context, slots, ConnectionMetrics(registry))
            client.connect(listening.getsockname())
            for _ in range(3):
                await asyncio.sleep(0)
            assert slots.taken == 1
            listener.close()

    run(main())
    name = "flowspan_client_connections_refused_total"
    assert registry.get_sample_value(name, {"reason": "aborted"}) == 3
    assert registry.get_sample_value(name, {"reason": "descriptors"}) == 0


class Slots(ConnectionSlots):
    """Connections of a process that has more than another, if it is `ahead`."""

    def __init__(self, ahead: bool) -> None:
        super().__init__(100, 1)
        self._ahead = ahead
        self._acquired = asyncio.Event()

    def is_ahead(self) -> bool:
        return self._ahead

    def acquire(self, address: str | None) -> None:
        super().acquire(address)
        self._acquired.set()

    async def have(self, connections: int) -> None:
        while self.taken < connections:
            self._acquired.clear()
            await self._acquired.wait()


def test_a_process_that_is_ahead_takes_what_the_other_has_left() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("nothing was sent")

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as listening, ExitStack() as stack:
            metrics = ConnectionMetrics(CollectorRegistry())
            behind, ahead = Slots(ahead=False), Slots(ahead=True)
            both = [
                Listener([listening.dup()], ServerContext(app, ServerState(), {}, LIMITS), slots, metrics)
                for slots in (ahead, behind)
            ]
            for _ in range(3):
                stack.enter_context(socket.create_connection(listening.getsockname()))
            await behind.have(3)
            assert ahead.taken == 0
            both[1].close()
            stack.enter_context(socket.create_connection(listening.getsockname()))
            await ahead.have(1)
            both[0].close()

    run(main())


def test_half_of_the_descriptors_are_left_to_providers() -> None:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most_connections(1) == 1
    assert 1 <= most_connections(10**9) < soft / 2
