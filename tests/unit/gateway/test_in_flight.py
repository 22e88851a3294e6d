"""Shutdown: unready at once, and an end for what does not end by itself."""

import asyncio

from app.errors import Draining, GatewayError
from app.gateway.in_flight import InFlight
from tests.support import run


class Open:
    def __init__(self) -> None:
        self.stopped: list[GatewayError] = []

    def stop(self, error: GatewayError) -> None:
        self.stopped.append(error)


def test_draining_is_told_at_once_and_what_is_left_is_stopped_at_the_limit() -> None:
    async def main() -> tuple[Open, Open]:
        in_flight, short, long = InFlight(), Open(), Open()
        in_flight.opened(long)
        in_flight.opened(short)
        in_flight.drain(0.01)
        assert in_flight.leaving
        assert not long.stopped
        in_flight.ended(short)
        await asyncio.sleep(0.05)
        return short, long

    short, long = run(main())
    assert short.stopped == []
    assert [type(error) for error in long.stopped] == [Draining]


def test_a_second_signal_does_not_put_the_end_off() -> None:
    async def main() -> Open:
        in_flight, exchange = InFlight(), Open()
        in_flight.opened(exchange)
        in_flight.drain(0.01)
        in_flight.drain(10)
        await asyncio.sleep(0.05)
        return exchange

    assert len(run(main()).stopped) == 1
