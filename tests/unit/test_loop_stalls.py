"""How long the event loop stood still, as a timer on it can tell."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from app.loop_stalls import LoopStalls
from tests.support import run


async def _watched(stalls: LoopStalls, act: Callable[[], Awaitable[None]]) -> None:
    watch = asyncio.create_task(stalls.run())
    await asyncio.sleep(0)
    try:
        await act()
    finally:
        watch.cancel()


def test_a_stall_counts_for_what_began_before_its_end() -> None:
    stalls = LoopStalls()

    async def act() -> None:
        begun = time.monotonic()
        time.sleep(0.4)  # noqa: ASYNC251  # the stall under test
        assert stalls.seconds_since(begun) >= 0.25
        await asyncio.sleep(0.12)
        assert stalls.seconds_since(begun) >= 0.25
        assert stalls.seconds_since(time.monotonic()) < 0.25

    run(_watched(stalls, act))


def test_without_a_watch_nothing_is_known() -> None:
    assert LoopStalls().seconds_since(0) == 0
