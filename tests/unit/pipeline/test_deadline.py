"""One timer for all limits of a stream."""

import asyncio
import time

import pytest

from app.pipeline.deadline import Deadline
from tests.support import run


async def forever() -> None:
    await asyncio.get_running_loop().create_future()


def test_a_wait_beyond_its_limit_is_cut_off() -> None:
    async def main() -> None:
        deadline = Deadline(0.02)
        limit = deadline.limit(0.02)
        with pytest.raises(TimeoutError):
            async with limit:
                await forever()
        assert limit.expired
        deadline.close()

    run(main())


def test_the_limit_in_force_counts_and_not_the_shortest() -> None:
    async def main() -> None:
        deadline = Deadline(0.01)
        async with deadline.limit(5):
            await asyncio.sleep(0.05)
        deadline.close()

    run(main())


def test_many_short_waits_add_up_to_no_timeout() -> None:
    async def main() -> None:
        deadline = Deadline(0.03)
        for _ in range(6):
            async with deadline.limit(0.03):
                await asyncio.sleep(0.01)
        deadline.close()

    run(main())


def test_an_outer_limit_stands_still_while_an_inner_one_is_in_force() -> None:
    async def main() -> None:
        deadline = Deadline(0.02)
        async with deadline.limit(0.03), deadline.limit(5):
            await asyncio.sleep(0.06)
        deadline.close()

    run(main())


def test_an_inner_limit_cuts_off_only_its_own_block() -> None:
    async def main() -> str:
        deadline = Deadline(0.02)
        try:
            async with deadline.limit(5):
                try:
                    async with deadline.limit(0.02):
                        await forever()
                except TimeoutError:
                    return "inner"
                return "none"
        finally:
            deadline.close()

    assert run(main()) == "inner"


def test_blocking_code_leaves_an_overrun() -> None:
    async def main() -> None:
        deadline = Deadline(0.01)
        limit = deadline.limit(0.01)
        async with limit:
            time.sleep(0.03)  # noqa: ASYNC251 - the fault under test
        assert limit.overrun
        deadline.close()

    run(main())


def test_zero_means_no_limit() -> None:
    async def main() -> None:
        deadline = Deadline(0)
        limit = deadline.limit(0)
        async with limit:
            await asyncio.sleep(0.01)
        assert not limit.overrun
        deadline.close()

    run(main())
