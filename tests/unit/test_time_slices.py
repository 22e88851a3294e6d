import asyncio

from app.time_slices import SLICE, TimeSlices, cost_of


def test_between_two_slices_of_all_who_work_the_loop_goes_on() -> None:
    async def main() -> list[int]:
        slices, done, seen = TimeSlices(), 0, []

        async def work() -> None:
            nonlocal done
            for _ in range(5):
                await slices.next()
                done += 1

        working = [asyncio.ensure_future(work()) for _ in range(10)]
        while not all(one.done() for one in working):
            before = done
            await asyncio.sleep(0)
            seen.append(done - before)
        assert done == 50
        return seen

    assert max(asyncio.run(main())) == 1


def test_who_gives_up_his_turn_keeps_nobody_waiting() -> None:
    async def main() -> None:
        slices = TimeSlices()
        waiting = [asyncio.ensure_future(slices.next()) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        waiting[1].cancel()
        await waiting[2]
        await slices.next()

    asyncio.run(main())


def test_a_short_text_counts_for_more_than_its_characters() -> None:
    assert 0 < cost_of("a") < SLICE
    assert cost_of("a" * SLICE) == SLICE
