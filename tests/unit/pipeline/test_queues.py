"""The queue between two stages: order, bounds, ends, and what it counts."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.errors import QueueOverflow, UpstreamTruncated
from app.pipeline import ByteBudget, StageQueue
from telemetry import QueueStats, TimeLedger
from tests.support import run


def a_queue(
    items: int = 3,
    size: int = 100,
    put_timeout: float = 30,
    budget: ByteBudget | None = None,
    count_of: Callable[[str], int] | None = None,
) -> StageQueue[str]:
    return StageQueue(
        QueueStats("q", items, size),
        size_of=len,
        count_of=count_of,
        put_timeout=put_timeout,
        budget=budget or ByteBudget(10_000),
        ledger=TimeLedger(),
    )


async def all_tasks_blocked() -> None:
    """Let every task run until all of them wait for something else."""
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_batch_is_all_that_waits_in_order() -> None:
    async def main() -> None:
        queue = a_queue()
        for item in ("a", "b", "c"):
            await queue.put(item)
        assert await queue.get_batch() == ["a", "b", "c"]

    run(main())


def test_a_clean_end_comes_after_the_last_item() -> None:
    async def main() -> None:
        queue = a_queue()
        await queue.put("a")
        queue.close()
        assert await queue.get_batch() == ["a"]
        assert await queue.get_batch() == []

    run(main())


def test_a_failure_comes_after_the_last_item() -> None:
    async def main() -> None:
        queue = a_queue()
        await queue.put("a")
        queue.fail(UpstreamTruncated("cut"))
        assert await queue.get_batch() == ["a"]
        with pytest.raises(UpstreamTruncated):
            await queue.get_batch()

    run(main())


def test_a_failure_after_a_clean_end_changes_nothing() -> None:
    async def main() -> None:
        queue = a_queue()
        queue.close()
        queue.fail(UpstreamTruncated("late"))
        assert await queue.get_batch() == []

    run(main())


def test_a_waiting_reader_is_woken_by_an_item_and_by_the_end() -> None:
    async def main() -> None:
        queue = a_queue()
        reader = asyncio.ensure_future(queue.get_batch())
        await all_tasks_blocked()
        assert not reader.done()
        await queue.put("a")
        assert await reader == ["a"]
        reader = asyncio.ensure_future(queue.get_batch())
        await all_tasks_blocked()
        queue.close()
        assert await reader == []

    run(main())


@pytest.mark.parametrize("queue", [lambda: a_queue(items=2), lambda: a_queue(size=2)], ids=["items", "bytes"])
def test_a_full_queue_makes_its_writer_wait_until_there_is_room(queue: Callable[[], StageQueue[str]]) -> None:
    async def main() -> None:
        full = queue()
        await full.put("a")
        await full.put("b")
        writer = asyncio.ensure_future(full.put("c"))
        await all_tasks_blocked()
        assert not writer.done()
        assert await full.get_batch() == ["a", "b"]
        await writer
        assert await full.get_batch() == ["c"]
        assert full.stats.put_blocked_s > 0

    run(main())


def test_a_writer_that_waits_too_long_overflows_by_name() -> None:
    async def main() -> None:
        queue = a_queue(items=1, put_timeout=0.01)
        await queue.put("a")
        with pytest.raises(QueueOverflow) as overflow:
            await queue.put("b")
        assert "queue q" in str(overflow.value.detail)
        assert queue.stats.overflows == 1
        assert await queue.get_batch() == ["a"]

    run(main())


def test_an_empty_queue_takes_an_item_larger_than_itself() -> None:
    async def main() -> None:
        queue = a_queue(size=2)
        await queue.put("a giant")
        assert await queue.get_batch() == ["a giant"]

    run(main())


def test_an_item_that_stands_for_several_counts_as_many_and_fits_into_an_empty_queue() -> None:
    async def main() -> None:
        queue = a_queue(items=3, put_timeout=0.01, count_of=len)
        await queue.put("aaaaa")
        assert (queue.stats.items_in, queue.stats.depth, queue.stats.depth_max) == (5, 5, 5)
        assert not queue.offer("b")
        assert await queue.get_batch() == ["aaaaa"]
        assert queue.offer("bb", "c")
        with pytest.raises(QueueOverflow):
            await queue.put("d")
        queue.discard()
        stats = queue.stats
        assert (stats.items_in, stats.items_out, stats.depth, stats.discarded) == (8, 8, 0, 3)

    run(main())


def test_a_cancelled_writer_leaves_the_queue_as_it_was() -> None:
    async def main() -> None:
        queue = a_queue(items=1)
        await queue.put("a")
        writer = asyncio.ensure_future(queue.put("b"))
        await all_tasks_blocked()
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)
        assert await queue.get_batch() == ["a"]
        await queue.put("c")
        assert await queue.get_batch() == ["c"]

    run(main())


def test_discarding_counts_what_was_left_and_frees_a_blocked_writer() -> None:
    async def main() -> None:
        queue = a_queue(items=1)
        await queue.put("a")
        writer = asyncio.ensure_future(queue.put("b"))
        await all_tasks_blocked()
        queue.discard()
        await writer
        assert queue.stats.discarded == 2
        assert queue.stats.depth == 0

    run(main())


def test_the_processes_bytes_are_shared_and_given_back() -> None:
    async def main() -> None:
        budget = ByteBudget(10)
        one, other = a_queue(budget=budget), a_queue(budget=budget)
        await one.put("12345678")
        await other.put("ab")
        writer = asyncio.ensure_future(other.put("c"))
        await all_tasks_blocked()
        assert not writer.done()
        await one.get_batch()
        await writer
        assert await other.get_batch() == ["ab", "c"]
        assert budget.used == 0

    run(main())


class Collecting:
    """A stage that keeps what it takes. While it is `behind`, what it took last waits for `flush`."""

    def __init__(self) -> None:
        self.taken: list[list[str]] = []
        self.behind = False
        self.flushed = 0
        self.started = 0
        self.caught_up = asyncio.Event()

    def start(self) -> None:
        self.started += 1

    def take(self, items: Sequence[str]) -> bool:
        self.taken.append(list(items))
        return not self.behind

    async def flush(self) -> None:
        await self.caught_up.wait()
        self.flushed += 1


def lent(queue: StageQueue[str], stage: Collecting) -> asyncio.Task[None]:
    return asyncio.create_task(queue.drain_into(stage))


def test_an_idle_stage_works_in_its_writers_turn_and_what_passed_is_counted() -> None:
    async def main() -> None:
        queue, stage = a_queue(), Collecting()
        reading = lent(queue, stage)
        await all_tasks_blocked()
        await queue.put("a", "b")
        assert stage.taken == [["a", "b"]]
        queue.close()
        await reading
        stats = queue.stats
        assert (stats.items_in, stats.items_out, stats.depth, stats.depth_max) == (2, 2, 0, 2)
        assert stats.first_put_at is not None
        assert stats.drained_at is not None

    run(main())


def test_an_item_that_an_idle_stage_takes_counts_for_as_many_as_it_stands_for() -> None:
    async def main() -> None:
        queue, stage = a_queue(count_of=len), Collecting()
        reading = lent(queue, stage)
        await all_tasks_blocked()
        await queue.put("aaa", "bb")
        queue.close()
        await reading
        assert stage.taken == [["aaa", "bb"]]
        assert (queue.stats.items_in, queue.stats.items_out, queue.stats.depth_max) == (5, 5, 5)

    run(main())


def test_what_came_before_the_stage_did_is_taken_first() -> None:
    async def main() -> None:
        queue, stage = a_queue(), Collecting()
        await queue.put("a")
        reading = lent(queue, stage)
        await queue.put("b")
        await all_tasks_blocked()
        await queue.put("c")
        assert stage.taken == [["a", "b"], ["c"]]
        queue.close()
        await reading

    run(main())


def test_a_stage_that_is_lent_without_a_task_takes_what_comes_up_to_the_end() -> None:
    async def main() -> None:
        queue, stage = a_queue(), Collecting()
        queue.lend(stage)
        await queue.put("a")
        await queue.put("b")
        queue.close()
        assert (stage.taken, stage.started) == ([["a"], ["b"]], 0)
        await queue.drain_into(stage)
        assert (stage.flushed, queue.stats.depth) == (0, 0)
        assert queue.stats.get_wait_s > 0

    run(main())


def test_a_stage_that_is_lent_without_a_task_is_started_where_it_falls_behind() -> None:
    async def main() -> None:
        queue, stage = a_queue(), Collecting()
        queue.lend(stage)
        stage.behind = True
        await queue.put("a")
        await queue.put("b")
        assert (stage.taken, stage.started) == ([["a"]], 1)
        stage.behind = False
        stage.caught_up.set()
        reading = lent(queue, stage)
        await all_tasks_blocked()
        assert (stage.taken, stage.flushed) == ([["a"], ["b"]], 1)
        await queue.put("c")
        assert (stage.taken[-1], stage.started) == (["c"], 1)
        queue.close()
        await reading

    run(main())


def test_a_stage_that_is_lent_without_a_task_is_started_where_it_breaks_or_its_queue_fails() -> None:
    class Broken(Collecting):
        def take(self, items: Sequence[str]) -> bool:
            raise ValueError("broken")

    async def main() -> None:
        queue, broken = a_queue(), Broken()
        queue.lend(broken)
        await queue.put("a")
        await queue.put("b")
        assert broken.started == 1
        with pytest.raises(ValueError, match="broken"):
            await queue.drain_into(broken)
        queue, stage = a_queue(), Collecting()
        queue.lend(stage)
        queue.fail(UpstreamTruncated("cut"))
        assert stage.started == 1
        with pytest.raises(UpstreamTruncated):
            await queue.drain_into(stage)

    run(main())


def test_a_stage_that_falls_behind_catches_up_in_its_own_task_while_items_wait() -> None:
    async def main() -> None:
        queue, stage = a_queue(), Collecting()
        reading = lent(queue, stage)
        await all_tasks_blocked()
        stage.behind = True
        await queue.put("a")
        await queue.put("b")
        await queue.put("c")
        await all_tasks_blocked()
        assert stage.taken == [["a"]]
        assert queue.stats.depth == 2
        stage.behind = False
        stage.caught_up.set()
        await all_tasks_blocked()
        assert stage.taken == [["a"], ["b", "c"]]
        assert stage.flushed == 1
        await queue.put("d")
        assert stage.taken[-1] == ["d"]
        queue.close()
        await reading

    run(main())


def test_a_corked_queue_hands_its_stage_all_of_a_turn_at_once() -> None:
    async def main() -> None:
        queue, stage = a_queue(), Collecting()
        reading = lent(queue, stage)
        await all_tasks_blocked()
        queue.cork()
        await queue.put("a")
        await queue.put("b")
        assert stage.taken == []
        queue.uncork()
        assert stage.taken == [["a", "b"]]
        queue.close()
        await reading

    run(main())


def test_what_a_corked_queue_holds_does_not_wait_for_a_writer_that_waits() -> None:
    async def main() -> None:
        queue, stage = a_queue(), Collecting()
        reading = lent(queue, stage)
        await all_tasks_blocked()
        queue.cork()
        await queue.put("a")
        await all_tasks_blocked()
        assert stage.taken == [["a"]]
        queue.uncork()
        queue.close()
        await reading

    run(main())


@pytest.mark.parametrize("corked", [False, True])
def test_what_a_stage_raises_in_its_writers_turn_is_raised_in_its_own_task(corked: bool) -> None:
    class Broken(Collecting):
        def take(self, items: Sequence[str]) -> bool:
            raise ValueError("broken")

    async def main() -> None:
        queue = a_queue()
        reading = lent(queue, Broken())
        await all_tasks_blocked()
        if corked:
            queue.cork()
        await queue.put("a")
        queue.uncork()
        with pytest.raises(ValueError, match="broken"):
            await reading

    run(main())


def test_a_failed_queue_tells_its_stage_after_the_last_item() -> None:
    async def main() -> None:
        queue, stage = a_queue(), Collecting()
        reading = lent(queue, stage)
        await all_tasks_blocked()
        await queue.put("a")
        queue.fail(UpstreamTruncated("cut"))
        with pytest.raises(UpstreamTruncated):
            await reading
        assert stage.taken == [["a"]]

    run(main())


class QueueMachine(RuleBasedStateMachine):
    """One writer and one reader beside a plain deque: nothing lost, nothing twice, bounds kept, counts true."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.budget = ByteBudget(60)
        self.queue = a_queue(items=4, size=40, budget=self.budget)
        self.model: deque[str] = deque()
        self.written = 0
        self.taken = 0
        self.writer: asyncio.Task[None] | None = None
        self.reader: asyncio.Task[list[str]] | None = None

    def turn(self) -> None:
        self.loop.run_until_complete(all_tasks_blocked())

    @precondition(lambda self: self.writer is None)
    @rule(size=st.integers(1, 30))
    def put(self, size: int) -> None:
        item = f"{self.written:04}".ljust(size + 4, "x")
        self.written += 1
        self.model.append(item)
        self.writer = self.loop.create_task(self.queue.put(item))
        self.advance()

    @precondition(lambda self: self.reader is None)
    @rule()
    def get(self) -> None:
        self.reader = self.loop.create_task(self.queue.get_batch())
        self.advance()

    def advance(self) -> None:
        self.turn()
        if self.writer is not None and self.writer.done():
            self.writer.result()
            self.writer = None
        if self.reader is not None and self.reader.done():
            for item in self.reader.result():
                assert item == self.model.popleft()
                self.taken += 1
            self.reader = None

    @invariant()
    def counts_are_true(self) -> None:
        stats = self.queue.stats
        waiting = len(self.model) - (self.writer is not None)
        assert stats.depth == waiting
        assert stats.items_out == self.taken
        assert stats.items_in == self.written - (self.writer is not None)
        assert stats.bytes == self.budget.used == sum(len(item) for item in list(self.model)[:waiting])

    @invariant()
    def bounds_are_kept(self) -> None:
        stats = self.queue.stats
        assert stats.depth <= 4
        assert stats.bytes <= 40 or stats.depth == 1

    @invariant()
    def a_writer_waits_only_when_there_is_no_room(self) -> None:
        assert self.writer is None or self.model
        assert self.reader is None or not self.model

    def teardown(self) -> None:
        for task in (self.writer, self.reader):
            if task is not None:
                task.cancel()
        self.turn()
        self.loop.close()


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
