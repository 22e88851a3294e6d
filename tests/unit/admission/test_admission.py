"""Slots and waits as requests meet them: nobody is lost, no slot is lost or given twice, and refusals have a reason."""

import asyncio
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.admission import Admission, Demand, SharedSlots, Slot
from app.errors import AdmissionQueueFull, AdmissionRefused, AdmissionTimeout
from app.settings import AdmissionSettings, Deployment, WorkerProcess
from telemetry import AttemptAllowance
from tests.support import run
from tests.unit.telemetry.fakes import Bench, ManualClock, attributes_of, event_names


def _deployment(id: str = "a", **limits: Any) -> Deployment:
    return Deployment(id=id, model_name="m", model=f"x/{id}", provider="x", **limits)


class Rig:
    """Admission to some deployments, with a clock of its own and real telemetry."""

    def __init__(
        self, *deployments: Deployment, queue_size: int = 1000, worker: WorkerProcess | None = None, **fields: Any
    ) -> None:
        self.bench = Bench()
        self.clock = ManualClock()
        self.deployments = deployments
        chosen = AdmissionSettings(queue_size=queue_size, **fields)
        self.admission = Admission(chosen, deployments, worker, self.clock)

    def demand(self, caller: str = "", priority: int = 0, tokens: int = 0, seconds: float = 30) -> Demand:
        return Demand(caller, self.clock() + seconds, priority, tokens)

    def enter(self, caller: str = "", at: int = 0, **fields: Any) -> Slot | None:
        return self.admission.enter(self.deployments[at], self.demand(caller, **fields))

    def ask(self, caller: str = "", among: Sequence[int] = (0,), **fields: Any) -> asyncio.Task[Slot]:
        """A request that waits if it has to."""
        demand = self.demand(caller, **fields)
        return asyncio.create_task(self._ask([self.deployments[at] for at in among], demand))

    async def _ask(self, deployments: Sequence[Deployment], demand: Demand) -> Slot:
        with self.bench.open() as obs:
            try:
                slot = self.admission.enter(deployments[0], demand)
                return slot or await self.admission.wait(deployments, demand, obs)
            finally:
                obs.finish("ok", status=200)

    def count(self, name: str, **labels: str) -> float:
        return self.bench.value(f"flowspan_admission_{name}", **{"deployment": "a", **labels}) or 0.0


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_what_nothing_limits_has_slots_for_everybody() -> None:
    rig = Rig(_deployment())
    assert not rig.admission.gates
    assert rig.admission.unlimited(rig.deployments[0]) is not None
    assert all(rig.enter() for _ in range(100))


def test_a_request_waits_until_a_slot_is_free() -> None:
    async def main() -> None:
        rig = Rig(_deployment(max_parallel=1))
        first = rig.enter()
        assert first is not None
        assert rig.admission.is_busy(rig.deployments[0])
        waiting = rig.ask()
        await turns()
        assert not waiting.done()
        assert rig.count("waiting_requests") == 1
        rig.bench.clock.advance(2)
        first.end()
        slot = await waiting
        assert rig.enter() is None
        slot.end()
        slot.end()
        last = rig.enter()
        assert last is not None
        assert rig.enter() is None
        assert rig.count("waiting_requests") == 0
        assert rig.count("enqueued_requests_total") == 1
        assert rig.count("dequeued_requests_total", result="admitted") == 1
        assert rig.count("wait_seconds_sum") == 2
        span = rig.bench.spans()["flowspan.admission a"]
        assert attributes_of(span) == {
            "flowspan.admission.deployment": "a",
            "flowspan.admission.admitted_to": "a",
            "flowspan.admission.result": "admitted",
            "flowspan.admission.depth": 1,
            "flowspan.admission.wait_s": 2.0,
        }
        transaction = rig.bench.transaction()
        assert event_names(transaction)[:2] == ["admission.waiting", "admission.admitted"]
        assert attributes_of(transaction)["flowspan.time.admission_s"] == 2

    run(main())


def test_whichever_has_room_first_serves() -> None:
    async def main() -> None:
        rig = Rig(_deployment("a", max_parallel=1), _deployment("b", max_parallel=1))
        held = [rig.enter(at=0), rig.enter(at=1)]
        waiting = [rig.ask(among=(0, 1)) for _ in range(2)]
        await turns()
        for slot in reversed(held):
            assert slot is not None
            slot.end()
        found = [await one for one in waiting]
        assert sorted(one.deployment for one in found) == ["a", "b"]
        assert rig.count("dequeued_requests_total", result="admitted") == 2

    run(main())


def test_a_request_whose_client_leaves_gives_way() -> None:
    async def main() -> None:
        rig = Rig(_deployment(max_parallel=1))
        held = rig.enter()
        assert held is not None
        first, second = rig.ask(), rig.ask()
        await turns()
        first.cancel()
        await turns()
        assert rig.count("dequeued_requests_total", result="left") == 1
        held.end()
        assert (await second).deployment == "a"

    run(main())


def test_a_slot_that_comes_in_the_turn_of_the_cancellation_is_not_lost() -> None:
    async def main() -> None:
        rig = Rig(_deployment(max_parallel=1))
        held = rig.enter()
        assert held is not None
        first, second = rig.ask(), rig.ask()
        await turns()
        held.end()
        first.cancel()
        slot = await second
        assert rig.enter() is None
        slot.end()
        assert rig.enter() is not None

    run(main())


def test_nobody_waits_longer_than_they_may() -> None:
    async def main() -> None:
        rig = Rig(_deployment(max_parallel=1))
        held = rig.enter()
        assert held is not None
        with pytest.raises(AdmissionTimeout) as raised:
            await rig.ask(seconds=0.03)
        assert raised.value.status == 503
        assert raised.value.outcome == "overloaded"
        assert raised.value.retry_after == 1
        assert rig.count("dequeued_requests_total", result="refused") == 1
        assert rig.count("refused_requests_total", reason="timeout") == 1
        assert "admission.refused" in event_names(rig.bench.transaction())
        held.end()
        assert rig.enter() is not None

    run(main())


def test_a_request_whose_time_is_up_is_never_begun() -> None:
    async def main() -> None:
        rig = Rig(_deployment(max_parallel=1))
        held = rig.enter()
        assert held is not None
        late = rig.ask(seconds=5)
        other = rig.ask(seconds=60)
        await turns()
        rig.clock.advance(6)
        held.end()
        assert (await other).deployment == "a"
        with pytest.raises(AdmissionTimeout):
            await late
        with pytest.raises(AdmissionTimeout):
            await rig.ask(seconds=0)

    run(main())


def test_a_full_queue_refuses_at_once() -> None:
    async def main() -> None:
        rig = Rig(_deployment(max_parallel=1), queue_size=2)
        rig.enter("x")
        waiting = [rig.ask("x"), rig.ask("x")]
        await turns()
        with pytest.raises(AdmissionQueueFull):
            await rig.ask("x")
        assert rig.count("refused_requests_total", reason="queue_full") == 1
        assert rig.count("enqueued_requests_total") == 2
        # A flood of one caller shuts out no other: its last request gives way.
        other = rig.ask("y")
        await turns()
        with pytest.raises(AdmissionQueueFull):
            await waiting[1]
        assert not other.done()
        assert rig.count("waiting_requests") == 2
        for one in (waiting[0], other):
            one.cancel()

    run(main())


def test_callers_are_served_by_turns_and_priority() -> None:
    async def main() -> None:
        rig = Rig(_deployment(max_parallel=1))
        held = rig.enter("z")
        asked = [("x", 0), ("x", 0), ("x", 0), ("y", 0), ("w", 1)]
        waiting = {rig.ask(caller, priority=priority): caller for caller, priority in asked}
        await turns()
        served = []
        while waiting:
            assert held is not None
            held.end()
            await turns()
            (done,) = [one for one in waiting if one.done()]
            served.append(waiting.pop(done))
            held = done.result()
        assert served == ["w", "x", "y", "x", "x"]

    run(main())


def test_what_can_not_be_served_in_time_is_refused_at_once() -> None:
    async def main() -> None:
        rig = Rig(_deployment(max_parallel=1))
        held = rig.enter()
        waiting = [rig.ask(seconds=1000) for _ in range(120)]
        await turns()
        for one in waiting[:20]:
            rig.clock.advance(1)
            assert held is not None
            held.end()
            held = await one
        # A hundred wait, of whom one a second is served.
        with pytest.raises(AdmissionTimeout) as raised:
            await rig.ask(seconds=30)
        assert raised.value.retry_after == 60
        assert rig.count("refused_requests_total", reason="no_time") == 1
        patient = rig.ask(seconds=80)
        await turns()
        assert not patient.done()
        for one in (*waiting[20:], patient):
            one.cancel()

    run(main())


def test_requests_beyond_a_minutes_limit_wait_for_it() -> None:
    async def main() -> None:
        rig = Rig(_deployment(requests_per_minute=2))
        assert rig.enter()
        assert rig.enter()
        with pytest.raises(AdmissionTimeout) as raised:
            await rig.ask(seconds=30)
        assert raised.value.retry_after == 60
        rig.clock.advance(60.99)
        waiting = rig.ask()
        await turns()
        assert not waiting.done()
        rig.clock.advance(0.02)
        # By the timer, which runs on the loop's clock.
        assert (await waiting).deployment == "a"

    run(main())


def test_tokens_of_a_minute_are_learnt_from_what_answers_had() -> None:
    rig = Rig(_deployment(tokens_per_minute=10_000))
    first = rig.enter(tokens=4000)
    assert first is not None
    # 4,000 and the 500 of an answer that nobody knows yet.
    assert rig.enter(tokens=5200) is None
    first.end(4000)
    assert rig.enter(tokens=5200) is not None


def test_a_used_up_limit_of_the_provider_is_waited_for() -> None:
    rig = Rig(_deployment())
    slot = rig.enter()
    assert slot is not None
    rig.admission.learn(slot, [AttemptAllowance("requests", 60, 59, 1.0)])
    assert not rig.admission.gates
    rig.admission.learn(slot, [AttemptAllowance("requests", 60, 0, 60.0)])
    slot.end()
    assert rig.admission.is_busy(rig.deployments[0])
    assert rig.enter() is None
    rig.clock.advance(1)
    assert rig.enter() is not None
    assert rig.enter() is None


def test_a_limit_that_would_be_waited_for_too_long_is_left_to_the_provider() -> None:
    rig = Rig(_deployment())
    slot = rig.enter()
    assert slot is not None
    rig.admission.learn(slot, [AttemptAllowance("requests", 1, 0, 50.0)])
    assert rig.admission.is_busy(rig.deployments[0])
    assert rig.enter(seconds=30) is not None


def test_a_pause_that_the_provider_asks_for_is_kept_where_it_is_short() -> None:
    rig = Rig(_deployment())
    slot = rig.enter()
    assert slot is not None
    rig.admission.pause(slot, 11)
    assert rig.enter() is not None
    rig.admission.pause(slot, 9)
    assert rig.enter() is None
    rig.clock.advance(9)
    assert rig.enter() is not None


def test_nothing_is_learnt_where_that_is_switched_off() -> None:
    rig = Rig(_deployment(), learn_limits=False)
    slot = rig.enter()
    assert slot is not None
    rig.admission.learn(slot, [AttemptAllowance("requests", 60, 0, 60.0)])
    rig.admission.pause(slot, 5)
    assert not rig.admission.gates


def test_a_greater_limit_lets_those_in_who_wait() -> None:
    async def main() -> None:
        rig = Rig(_deployment(max_parallel=1))
        held = rig.enter()
        waiting = [rig.ask() for _ in range(3)]
        await turns()
        rig.admission.use(AdmissionSettings(), [_deployment(max_parallel=3)], 10)
        await turns()
        assert [one.done() for one in waiting] == [True, True, False]
        rig.admission.use(AdmissionSettings(), [_deployment()], 10)
        await waiting[2]
        assert held is not None
        held.end()

    run(main())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 4), st.sampled_from([2, 1000]))
def test_no_slot_is_lost_or_doubled_whatever_happens(seed: int, limit: int, queue_size: int) -> None:
    async def main() -> None:
        draw = random.Random(seed)
        deployments = [_deployment("a", max_parallel=limit), _deployment("b", max_parallel=limit)]
        rig = Rig(*deployments, queue_size=queue_size)
        asked: list[asyncio.Task[Slot]] = []
        held: list[Slot] = []
        for _ in range(80):
            match draw.randrange(5):
                case 0 | 1:
                    among = draw.choice([(0,), (1,), (0, 1), (1, 0)])
                    asked.append(rig.ask(draw.choice("xyz"), among, priority=draw.randrange(2)))
                case 2 if held:
                    held.pop(draw.randrange(len(held))).end()
                case 3 if asked:
                    draw.choice(asked).cancel()
                case 4:
                    await turns(draw.randrange(4))
            await turns(draw.randrange(2))
            held += _taken_of(asked)
            assert all(sum(one.deployment == name for one in held) <= limit for name in "ab")
        while asked or held:
            for slot in held:
                slot.end()
            await turns()
            held = _taken_of(asked)
        # All have come to an end, and all slots are there.
        assert [len([at for _ in range(limit + 1) if rig.enter(at=at)]) for at in (0, 1)] == [limit, limit]
        for name in "ab":
            assert rig.count("waiting_requests", deployment=name) == 0
            ended = sum(
                rig.count("dequeued_requests_total", deployment=name, result=result)
                for result in ("admitted", "refused", "left")
            )
            assert rig.count("enqueued_requests_total", deployment=name) == ended

    run(main())


def _taken_of(asked: list[asyncio.Task[Slot]]) -> list[Slot]:
    """The slots of those who have one since; who ended otherwise is let go, too."""
    done = [one for one in asked if one.done()]
    asked[:] = [one for one in asked if not one.done()]
    ended = [one for one in done if not one.cancelled()]
    assert all(isinstance(one.exception(), AdmissionRefused | None) for one in ended)
    return [one.result() for one in ended if one.exception() is None]


def test_processes_wake_for_slots_of_each_other(tmp_path: Path) -> None:
    async def main() -> None:
        workers = [WorkerProcess(index, 2, str(tmp_path)) for index in (0, 1)]
        one, other = (Rig(_deployment(max_parallel=2), worker=worker) for worker in workers)
        held = [one.enter(), one.enter()]
        waiting = other.ask()
        await turns()
        assert not waiting.done()
        assert held[0] is not None
        held[0].end()
        assert (await waiting).deployment == "a"
        # One that dies leaves its slots to the others.
        again = other.ask()
        await turns()
        SharedSlots(tmp_path, 2).release_worker(0)
        await again

    run(main())
