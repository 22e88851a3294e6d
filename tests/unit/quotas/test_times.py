from app.quotas.times import BELIEVED_AFTER, ClockState, SharedClock, disciplined
from app.shared_table import SharedTable
from tests.unit.quotas.made import NOON, Clocks


def _clock(clocks: Clocks) -> tuple[SharedTable, SharedClock]:
    table = SharedTable(8, 8)
    return table, SharedClock(table, clocks.even, clocks.wall)


def _calendar_after(clock: SharedClock, clocks: Clocks, seconds: float) -> float:
    """What the calendar says after a time in which it was looked at as a gateway does."""
    for _ in range(int(seconds / 10)):
        clocks.advance(10)
        clock.read()
    return clock.calendar


def test_small_corrections_are_followed_at_once() -> None:
    clocks = Clocks()
    _, clock = _clock(clocks)

    clocks.advance(10)
    clocks.jump(-1.5)
    clock.read()

    assert clock.calendar == NOON + 8.5
    assert clock.jumps == 0


def test_a_jump_is_believed_when_it_has_stood() -> None:
    clocks = Clocks()
    _, clock = _clock(clocks)
    began = clock.steady

    clocks.jump(86_400)
    assert _calendar_after(clock, clocks, BELIEVED_AFTER - 10) == NOON + BELIEVED_AFTER - 10
    assert _calendar_after(clock, clocks, 30) == NOON + BELIEVED_AFTER + 20 + 86_400
    assert clock.jumps == 1
    assert clock.steady - began == BELIEVED_AFTER + 20


def test_a_clock_that_was_set_wrong_and_right_again_has_changed_nothing() -> None:
    clocks = Clocks()
    _, clock = _clock(clocks)

    for jump in (-1_000_000, 1_000_000) * 3:
        clocks.jump(jump)
        _calendar_after(clock, clocks, 600)

    assert clock.calendar == NOON + 3_600
    assert clock.jumps == 0


def test_a_clock_that_jumps_on_and_on_is_not_believed() -> None:
    state = ClockState(NOON)
    for second in range(0, 10_000, 10):
        state = disciplined(state, second, NOON + second + second * 3)

    assert (state.offset, state.jump.number) == (NOON, 0)


def test_all_processes_have_the_same_time() -> None:
    clocks = Clocks()
    table, clock = _clock(clocks)
    clocks.jump(86_400)
    _calendar_after(clock, clocks, 600)

    with table:
        other = SharedClock(table, clocks.even, clocks.wall)
    clocks.advance(0.5)
    other.read()
    assert other.calendar == NOON + 600.5
    assert _calendar_after(other, clocks, 400) == clocks.wall_time
    clock.read()
    assert clock.calendar == clocks.wall_time
