"""The time that limits go by, which a clock that jumps neither stops nor hurries.

There are two. The *steady* time goes on at an even rate, whatever the wall clock is set to, and while the machine is
suspended, too: windows that look back from now go by it. The *calendar's* time is the wall clock's, for budgets that
begin anew with an hour, a day or a month. It follows small corrections at once. A jump of the wall clock, to either
side, is not believed until it has stood for a quarter of an hour: up to then the calendar goes on at an even rate, and
a clock that was set wrong and then right again has changed nothing. What a jump that is believed means for a budget is
told in `periods`.
"""

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from app.quotas.periods import Jump
from app.shared_table import SharedTable

SMALL_STEP = 2.0
"""Seconds by which the wall clock may be corrected from one second to the next without being doubted."""
BELIEVED_AFTER = 900.0
"""Seconds that a jump has to stand before it is believed."""
_CHECK_INTERVAL = 1.0
_ROW = "clock"
_CHECKED, _BASE, _OFFSET, _JUMPS, _CANDIDATE, _SINCE, _JUMP_BEGAN, _JUMP_ENDED = range(8)


suspended_too = partial(time.clock_gettime, time.CLOCK_BOOTTIME)
"""An even clock in seconds that is the same for all processes of a machine, and counts while it is suspended."""


def boot_id() -> str:
    """Tells apart the times that the machine was started, so that even clocks can be compared; empty if unknown."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


class ClockState(Struct, frozen=True):
    """How the calendar's time relates to the even clock: it is `offset` ahead."""

    offset: float
    candidate: float = 0
    """The offset after a jump that is not believed yet."""
    since: float | None = None
    """The even clock's time when it was first seen; None while there is none."""
    jump: Jump = Jump()


def disciplined(state: ClockState, even: float, wall: float) -> ClockState:
    """The state after a look at both clocks."""
    offset = wall - even
    if abs(offset - state.offset) <= SMALL_STEP:
        return replace(state, offset=offset, since=None)
    if state.since is None or abs(offset - state.candidate) > SMALL_STEP:
        return replace(state, candidate=offset, since=even)
    if even - state.since < BELIEVED_AFTER:
        return replace(state, candidate=offset)
    return ClockState(offset, jump=Jump(state.jump.number + 1, even + state.offset, even + offset))


class SharedClock:
    """The two times of all processes that share a table. `even` is the same for all of them. All methods are to be
    called inside `with table`."""

    def __init__(self, table: SharedTable, even: Callable[[], float], wall: Callable[[], float]) -> None:
        self._even = even
        self._wall = wall
        self._numbers = table.numbers
        self._at = table.row(_ROW)
        if not self._numbers[self._at + _CHECKED]:
            self.set(ClockState(wall() - even()), 0)
        self.steady = self.calendar = self.jumps = 0.0
        self.second = 0
        self.read()

    def read(self) -> None:
        """Take the time: `steady`, its whole `second`, `calendar` and the number of `jumps` are then those of now."""
        even = self._even()
        checked, base, offset, self.jumps = self._numbers[self._at : self._at + 4]
        if not 0 <= even - checked < _CHECK_INTERVAL:
            self._write(disciplined(self.state, even, self._wall()), even)
            checked, base, offset, self.jumps = self._numbers[self._at : self._at + 4]
        self.steady = steady = even + base
        self.second = int(steady)
        self.calendar = even + offset

    @property
    def state(self) -> ClockState:
        numbers, at = self._numbers, self._at
        since = numbers[at + _SINCE]
        return ClockState(
            numbers[at + _OFFSET],
            numbers[at + _CANDIDATE],
            None if since < 0 else since,
            Jump(numbers[at + _JUMPS], numbers[at + _JUMP_BEGAN], numbers[at + _JUMP_ENDED]),
        )

    def set(self, state: ClockState, base: float) -> None:
        """Go on from a state; the steady time is `base` ahead of the even clock."""
        self._numbers[self._at + _BASE] = base
        self._write(state, self._even())

    def _write(self, state: ClockState, even: float) -> None:
        numbers, at = self._numbers, self._at
        numbers[at + _OFFSET] = state.offset
        numbers[at + _CANDIDATE] = state.candidate
        numbers[at + _SINCE] = -1 if state.since is None else state.since
        numbers[at + _JUMP_BEGAN] = state.jump.began
        numbers[at + _JUMP_ENDED] = state.jump.ended
        numbers[at + _JUMPS] = state.jump.number
        numbers[at + _CHECKED] = even or 1e-9
