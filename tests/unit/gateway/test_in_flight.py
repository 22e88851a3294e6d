"""Shutdown: unready at once, and an end for what does not end by itself."""

import asyncio

from app.errors import Cancelled, Draining, GatewayError
from app.gateway.in_flight import InFlight
from telemetry import TransactionView
from tests.support import run


class Open:
    def __init__(self, id: str = "", key: str = "", seconds: float = 0.0) -> None:
        self.id, self.key, self.seconds = id, key, seconds
        self.stopped: list[GatewayError] = []

    def stop(self, error: GatewayError) -> None:
        self.stopped.append(error)

    def view(self) -> TransactionView:
        return TransactionView(
            transaction_id=self.id,
            api="openai_chat",
            key=self.key,
            model="m",
            deployment="east",
            conversation="",
            seconds=self.seconds,
            waiting_for="upstream",
            bytes_sent=0,
            bytes_queued=0,
            stream=True,
        )


def test_draining_is_told_at_once_and_what_is_left_is_stopped_at_the_limit() -> None:
    async def main() -> tuple[Open, Open]:
        in_flight, short, long = InFlight(), Open(), Open()
        in_flight.opened(long, 9)
        in_flight.opened(short, 9)
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
        in_flight.opened(exchange, 9)
        in_flight.drain(0.01)
        in_flight.drain(10)
        await asyncio.sleep(0.05)
        return exchange

    assert len(run(main()).stopped) == 1


def test_what_is_open_is_listed_the_oldest_first() -> None:
    in_flight = InFlight()
    for exchange in (Open("b", seconds=1), Open("a", seconds=3), Open("c", seconds=2)):
        in_flight.opened(exchange, 9)
    assert [view.transaction_id for view in in_flight.views()] == ["a", "c", "b"]


def test_one_request_is_cancelled_or_all_of_a_key() -> None:
    in_flight, first, second, other = InFlight(), Open("a", "ci"), Open("b", "ci"), Open("c", "people")
    for exchange in (first, second, other):
        in_flight.opened(exchange, 9)
    assert in_flight.cancel(transaction_id="a") == 1
    assert ([type(error) for error in first.stopped], second.stopped) == ([Cancelled], [])
    assert in_flight.cancel(key="ci") == 2
    assert len(second.stopped) == 1
    assert not other.stopped
    assert in_flight.cancel(transaction_id="d") == 0
