"""Limits, alone and one within the other."""

import asyncio
import contextlib
import time

import pytest

from app.limits import Limit
from tests.support import run


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def test_a_wait_beyond_its_limit_is_cut_off() -> None:
    async def main() -> None:
        outermost = Limit(0)
        limit = outermost.inner(0.02)
        with pytest.raises(TimeoutError), limit:
            await forever()
        assert limit.expired

    run(main())


def test_a_limit_that_was_left_cuts_off_nothing_that_follows() -> None:
    async def main() -> None:
        outermost = Limit(0)
        with outermost.inner(0.02):
            pass
        with outermost.inner(5):
            await asyncio.sleep(0.05)

    run(main())


def test_many_short_waits_add_up_to_no_timeout() -> None:
    async def main() -> None:
        outermost = Limit(0)
        for _ in range(6):
            with outermost.inner(0.5):
                await asyncio.sleep(0.1)

    run(main())


def test_an_outer_limit_stands_still_while_an_inner_one_is_in_force() -> None:
    async def main() -> None:
        outermost = Limit(0)
        with outermost.inner(0.03), outermost.inner(5):
            await asyncio.sleep(0.06)

    run(main())


def test_an_inner_limit_cuts_off_only_its_own_block() -> None:
    async def main() -> str:
        outermost = Limit(0)
        with outermost.inner(5):
            try:
                with outermost.inner(0.02):
                    await forever()
            except TimeoutError:
                return "inner"
        return "none"

    assert run(main()) == "inner"


def test_blocking_code_leaves_an_overrun() -> None:
    async def main() -> None:
        outermost = Limit(0)
        limit = outermost.inner(0.01)
        with limit:
            time.sleep(0.03)  # noqa: ASYNC251 - the fault under test
        assert limit.overrun

    run(main())


def test_zero_means_no_limit() -> None:
    async def main() -> None:
        outermost = Limit(0)
        limit = outermost.inner(0)
        with limit:
            await asyncio.sleep(0.01)
        assert not limit.overrun

    run(main())


def test_a_cancellation_from_elsewhere_stays_one() -> None:
    async def limited() -> None:
        with Limit(5):
            await forever()

    async def main() -> None:
        task = asyncio.create_task(limited())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_a_cancellation_that_the_block_swallowed_stays_one() -> None:
    async def limited() -> None:
        with Limit(5), contextlib.suppress(asyncio.CancelledError):
            await forever()

    async def main() -> None:
        task = asyncio.create_task(limited())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_a_limit_whose_cancellation_the_block_swallowed_has_expired() -> None:
    async def main() -> None:
        with Limit(0.02) as limit, contextlib.suppress(asyncio.CancelledError):
            await forever()
        assert limit.expired

    run(main())


def test_limits_of_several_tasks_end_each_at_its_own_time() -> None:
    async def limited(seconds: float, ended: list[float]) -> None:
        with pytest.raises(TimeoutError), Limit(seconds):
            await forever()
        ended.append(seconds)

    async def main() -> list[float]:
        ended: list[float] = []
        await asyncio.gather(*(limited(seconds, ended) for seconds in (0.6, 0.2, 0.4)))
        return ended

    assert run(main()) == [0.2, 0.4, 0.6]


def test_a_limit_that_was_put_off_counts_from_then() -> None:
    async def main() -> None:
        with Limit(0.5) as limit:
            for _ in range(6):
                await asyncio.sleep(0.1)
                limit.restart()
        assert not limit.expired

    run(main())
