"""The budget of what bodies hold, and the work on large ones beside the event loop."""

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.bodies import SMALL, Bodies, Held
from app.errors import Overloaded
from tests.support import run

LARGE = SMALL + 1


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 400), st.sampled_from(["grow", "resize", "release"]))))
def test_after_any_mix_of_endings_nothing_is_held(moves: list[tuple[int, int, str]]) -> None:
    bodies = Bodies(1000)
    held = [Held(bodies) for _ in range(4)]
    for who, size, move in moves:
        try:
            match move:
                case "grow":
                    held[who].grow(size)
                    assert bodies.used <= 1000 or size == 0
                case "resize":
                    held[who].resize(min(size, held[who].size))
                case _:
                    held[who].release()
        except Overloaded:
            assert bodies.used + size > 1000
        assert bodies.used == sum(one.size for one in held)
    for one in held:
        one.release()
    assert bodies.used == 0


def test_a_block_gives_back_what_it_held_however_it_ends() -> None:
    bodies = Bodies(100)

    def too_much() -> None:
        with Held(bodies) as held:
            held.grow(90)
            held.grow(20)

    with pytest.raises(Overloaded) as refused:
        too_much()
    assert refused.value.retry_after is not None
    assert bodies.used == 0


def test_who_holds_little_still_finds_room_where_large_bodies_do_not() -> None:
    bodies = Bodies(100 * LARGE)
    large, small = Held(bodies), Held(bodies)
    large.grow(80 * LARGE)
    with pytest.raises(Overloaded):
        large.grow(10 * LARGE)
    small.grow(1000)


def test_small_bodies_are_worked_on_at_once_and_large_ones_in_another_thread() -> None:
    async def threads() -> tuple[int, int]:
        bodies = Bodies(100)
        return await bodies.work(SMALL, threading.get_ident), await bodies.work(LARGE, threading.get_ident)

    small, large = run(threads())
    assert small == threading.get_ident() != large


def test_what_waits_for_the_thread_is_bounded_and_who_leaves_makes_room_when_his_work_is_done() -> None:
    async def scenario() -> None:
        bodies, go_on = Bodies(100), threading.Event()
        waiting = [asyncio.create_task(bodies.work(LARGE, go_on.wait, 10)) for _ in range(64)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await bodies.work(LARGE, go_on.is_set)
        for task in waiting:
            task.cancel()
        go_on.set()
        await asyncio.gather(*waiting, return_exceptions=True)
        # Its end is refusal to the loop by the thread, so it may take some turns.
        assert any([await _is_taken(bodies) for _ in range(1000)])

    run(scenario())


def test_a_failure_of_the_work_is_its_callers() -> None:
    async def failing() -> None:
        await Bodies(100).work(LARGE, int, "x")

    with pytest.raises(ValueError, match="invalid literal"):
        run(failing())


async def _is_taken(bodies: Bodies) -> bool:
    await asyncio.sleep(0)
    try:
        return await bodies.work(LARGE, bool, 1)
    except Overloaded:
        return False


def test_work_that_outlives_the_loop_ends_without_a_word(caplog: pytest.LogCaptureFixture) -> None:
    bodies, going_on, ended = Bodies(1000), threading.Event(), threading.Event()

    async def main() -> None:
        working = asyncio.create_task(bodies.work(LARGE, going_on.wait, 10))
        await asyncio.sleep(0)
        working.cancel()

    asyncio.run(main())

    async def last() -> None:
        await bodies.work(LARGE, ended.set)

    going_on.set()
    asyncio.run(last())
    assert ended.is_set()
    assert not caplog.records
