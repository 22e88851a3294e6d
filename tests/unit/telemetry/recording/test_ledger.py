from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from telemetry import TimeLedger
from telemetry.names import WHERE, Where
from tests.unit.telemetry.fakes import ManualClock

PRECEDENCE: tuple[Where, ...] = ("client", "format", "policy", "queue", "admission", "upstream")

Step = tuple[str, Where, float]
steps = st.lists(
    st.tuples(
        st.sampled_from(("enter", "leave", "queued", "snapshot")),
        st.sampled_from(WHERE),
        st.floats(min_value=0, max_value=100, allow_nan=False),
    ),
    max_size=60,
)


def take(ledger: TimeLedger, active: Counter[str], step: Step) -> None:
    what, where, _ = step
    match what:
        case "enter":
            ledger.enter(where)
            active[where] += 1
        case "leave":
            ledger.leave(where)
            active[where] -= active[where] > 0
        case "queued":
            change = 1 if len(where) % 2 else -1
            if active["queue"] + change >= 0:
                ledger.queued(change)
                active["queue"] += change
        case _:
            ledger.snapshot()


def owner_of(active: Counter[str]) -> Where:
    return next((where for where in PRECEDENCE if active[where]), "format")


@given(steps)
def test_parts_add_up_to_the_whole_whatever_happens(script: list[Step]) -> None:
    clock = ManualClock(0.0)
    ledger = TimeLedger(clock)
    active: Counter[str] = Counter()
    for step in script:
        clock.advance(step[2])
        take(ledger, active, step)
    clock.advance(1.0)
    ledger.close()
    assert sum(ledger.snapshot().values()) == pytest.approx(ledger.total, abs=1e-9)
    assert ledger.total == pytest.approx(sum(step[2] for step in script) + 1.0)


@given(steps)
def test_each_moment_belongs_to_the_part_nearest_to_the_client(script: list[Step]) -> None:
    clock = ManualClock(0.0)
    ledger = TimeLedger(clock)
    active: Counter[str] = Counter()
    expected: Counter[str] = Counter()
    for step in script:
        clock.advance(step[2])
        expected[owner_of(active)] += step[2]  # type: ignore[assignment]
        take(ledger, active, step)
        assert ledger.waiting_for == owner_of(active)
    assert ledger.snapshot() == pytest.approx({where: expected[where] for where in WHERE})


def test_nothing_active_is_the_gateway_at_work() -> None:
    clock = ManualClock()
    ledger = TimeLedger(clock)
    clock.advance(3)
    assert ledger.snapshot()["format"] == 3
    assert ledger.overhead(clock.now) == 3


def test_a_part_is_active_until_every_task_has_left_it() -> None:
    clock = ManualClock()
    ledger = TimeLedger(clock)
    ledger.enter("upstream")
    ledger.enter("upstream")
    ledger.leave("upstream")
    clock.advance(2)
    assert ledger.snapshot()["upstream"] == 2


def test_a_leave_without_its_enter_changes_nothing() -> None:
    clock = ManualClock()
    ledger = TimeLedger(clock)
    ledger.leave("client")
    ledger.enter("client")
    clock.advance(1)
    assert ledger.snapshot()["client"] == 1


def test_items_that_wait_count_until_the_last_is_taken() -> None:
    clock = ManualClock()
    ledger = TimeLedger(clock)
    ledger.enter("upstream")
    ledger.queued(3)
    clock.advance(1)
    ledger.queued(-2)
    clock.advance(1)
    ledger.queued(-1)
    clock.advance(1)
    assert ledger.snapshot() == {"upstream": 1, "admission": 0, "policy": 0, "queue": 2, "format": 0, "client": 0}


def test_a_charge_ends_with_its_block_also_by_an_error() -> None:
    clock = ManualClock()
    ledger = TimeLedger(clock)

    def fail() -> None:
        with ledger.charge("client"):
            clock.advance(1)
            raise ValueError("gone")

    with pytest.raises(ValueError, match="gone"):
        fail()
    clock.advance(1)
    assert ledger.snapshot()["client"] == 1


def test_after_the_close_nothing_moves() -> None:
    clock = ManualClock()
    ledger = TimeLedger(clock)
    ledger.enter("client")
    clock.advance(1)
    ledger.close()
    frozen = ledger.snapshot()
    clock.advance(5)
    ledger.enter("policy")
    ledger.leave("client")
    ledger.close()
    assert ledger.snapshot() == frozen
    assert ledger.total == 1
