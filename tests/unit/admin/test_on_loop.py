"""Acts are performed on another thread's event loop within a time, or it is known that they were not."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from app.admin.acts import Act, GetStatus, NotPerformed, Outcome, Refused, Reload
from app.admin.on_loop import PerformerOnLoop
from tests.support import run


class Quick(Act, frozen=True):
    """An act that may take no time."""

    time_limit = 0.05


class Gateway:
    """An event loop in a thread, and a performer that is used on it alone."""

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.performed: list[tuple[Act, str, bool]] = []
        self.may_end = asyncio.Event()

    async def perform(self, act: Act, actor: str) -> Outcome:
        self.performed.append((act, actor, asyncio.get_running_loop() is self.loop))
        if isinstance(act, Reload):
            raise Refused("not now")
        if isinstance(act, Quick):
            await self.may_end.wait()
        return {"done": True}

    def block(self) -> threading.Event:
        """Have the loop stand still until the event is set."""
        assert self.loop is not None
        until = threading.Event()
        self.loop.call_soon_threadsafe(until.wait, 10)
        return until

    def turn(self) -> None:
        """Wait until the loop has done what it was given so far."""
        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), self.loop).result(10)

    def stop(self) -> None:
        if self.loop is not None:
            self.loop.call_soon_threadsafe(self.may_end.set)
            self.turn()
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()
            self.loop.close()


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    made = Gateway()
    yield made
    made.stop()


def test_an_act_is_performed_on_the_gateways_loop(gateway: Gateway) -> None:
    assert run(PerformerOnLoop(gateway, gateway).perform(GetStatus(), "admin")) == {"done": True}
    assert gateway.performed == [(GetStatus(), "admin", True)]


def test_a_refusal_comes_back(gateway: Gateway) -> None:
    with pytest.raises(Refused, match="not now"):
        run(PerformerOnLoop(gateway, gateway).perform(Reload(), "admin"))


def test_while_the_loop_stands_still_nothing_is_performed_then_or_later(gateway: Gateway) -> None:
    until = gateway.block()
    with pytest.raises(NotPerformed, match=r"stood still for 0\.05 s: the act was not performed"):
        run(PerformerOnLoop(gateway, gateway, begin_limit=0.05).perform(GetStatus(), "admin"))
    until.set()
    gateway.turn()
    assert gateway.performed == []


def test_one_that_has_begun_may_end_after_its_time_and_that_is_what_is_told(gateway: Gateway) -> None:
    with pytest.raises(NotPerformed, match=r"has not ended within 0\.05 s; it may end yet"):
        run(PerformerOnLoop(gateway, gateway).perform(Quick(), "admin"))
    assert len(gateway.performed) == 1


def test_without_a_gateway_that_runs_nothing_is_performed() -> None:
    gateway = Gateway()
    gateway.stop()
    with pytest.raises(NotPerformed, match="does not run"):
        run(PerformerOnLoop(gateway, gateway).perform(GetStatus(), "admin"))
    gateway.loop = None
    with pytest.raises(NotPerformed, match="does not run"):
        run(PerformerOnLoop(gateway, gateway).perform(GetStatus(), "admin"))
    assert gateway.performed == []
