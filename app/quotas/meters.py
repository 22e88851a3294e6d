"""What is counted in a row of the shared table: by sections of time that looks back, by a period of the calendar, or by
what is open now.

All methods are to be called inside `with table`, and but for `lacks` after `advance`, which brings a row to the
present. A sliding window of 60 seconds has 61 sections of a second, that of now and the 60 before: so what is let in
within any minute never exceeds the limit, and is let in again after 60 to 61 seconds. What is reserved stands in a
column of the process that reserved it, so that a process which is killed can be relieved of it. Sums are made anew of
their parts at each new section, so that an error of rounding, or a process killed between two writes, leaves no trace.
"""

from collections.abc import Iterator

from app.quotas.periods import Period, rolled
from app.quotas.rules import Bound, Quota
from app.quotas.sections import ASK_AGAIN, TRIFLE, last_section_ends, wait_for_sections
from app.quotas.times import SharedClock
from app.quotas.values import Remaining
from app.shared_table import SharedTable

SECTIONS = 61
"""Sections that a row has room for."""
CHANGED, USED, NOTIFIED, HEAD = range(4)
"""Columns: whether the row has changed since it was kept, what is used, up to how much was reported; of sliding
windows, the number of the latest section."""
_PERIOD = _NOTIFIED_IN = 4
"""Where the rest of a calendar's period begins; of a sliding window, in which section a share was last reported."""
_RING = 10
_OPEN_RING = _RING + SECTIONS
KEPT = _OPEN_RING
"""How many columns outlive the process."""
RESERVED = _OPEN_RING + SECTIONS
"""What is reserved by all; the columns behind it, by each process."""
_NOTHING = memoryview(bytes(8 * SECTIONS)).cast("d")


def columns_for(processes: int) -> int:
    """How many columns a table needs."""
    return RESERVED + 1 + processes


class Meter:
    """How much is used and reserved of a quota."""

    __slots__ = ("_mine", "_numbers", "_processes", "_reserved", "_used", "at", "most", "quota")

    def __init__(self, table: SharedTable, quota: Quota, process: int, processes: int) -> None:
        self.quota = quota
        self.most = quota.most + TRIFLE
        self._numbers = table.numbers
        self.at = at = table.row(quota.row)
        self._used = at + USED
        self._reserved = at + RESERVED
        self._mine = at + RESERVED + 1 + process
        self._processes = processes

    def advance(self, clock: SharedClock) -> None:
        """Bring it to the present."""

    def lacks(self, clock: SharedClock, amount: float) -> bool:
        """Whether there is not so much left, once it is brought to the present."""
        self.advance(clock)
        numbers = self._numbers
        return bool(numbers[self._used] + numbers[self._reserved] + amount > self.most)

    @property
    def is_spent(self) -> bool:
        """Whether all of it is used, whatever may still be given back."""
        return bool(self._numbers[self._used] + 2 * TRIFLE > self.most)

    def reserve(self, amount: float) -> None:
        """Take it until it is given back."""
        numbers = self._numbers
        numbers[self._mine] += amount
        numbers[self._reserved] += amount

    def give_back(self, amount: float) -> None:
        """Reserve no longer what was reserved."""
        numbers = self._numbers
        numbers[self._mine] -= amount
        numbers[self._reserved] -= amount

    def passed_shares(self) -> Iterator[tuple[float, Bound]]:
        """The shares that have been passed and were not reported, with the bound that each is of."""
        numbers, at = self._numbers, self.at
        used, notified = numbers[self._used] + TRIFLE, numbers[at + NOTIFIED]
        if used <= notified:
            return
        numbers[at + NOTIFIED] = used
        for bound in self.quota.bounds:
            yield from ((share, bound) for share in bound.shares if notified < share * bound.most <= used)

    def wait(self, clock: SharedClock, amount: float) -> float | None:
        """Seconds until there is so much, if nobody else asks; None for never."""
        return ASK_AGAIN if amount <= self.most else None

    def resets_at(self, clock: SharedClock) -> float | None:
        """When all of it is there again, in Unix time."""
        return None

    @property
    def reserved(self) -> float:
        """How much requests have reserved that are open."""
        return float(max(self._numbers[self._reserved], 0.0))

    @property
    def used(self) -> float:
        """How much is used, apart from what is reserved."""
        return float(max(self._numbers[self._used], 0.0))

    def relieve(self, process: int) -> float:
        """Give back what a process has reserved that is no more, and mend what it may have left half-done. Returns how
        much that was."""
        numbers, first = self._numbers, self._reserved + 1
        held = float(numbers[first + process])
        numbers[first + process] = 0.0
        numbers[self._reserved] = sum(numbers[first : first + self._processes])
        return held


class Streams(Meter):
    """What is open now."""

    __slots__ = ()

    def lacks(self, clock: SharedClock, amount: float) -> bool:
        return bool(self._numbers[self._reserved] + amount > self.most)

    @property
    def used(self) -> float:
        return super().reserved

    @property
    def reserved(self) -> float:
        return 0.0


class Sliding(Meter):
    """A window that looks back from now."""

    __slots__ = ("_head", "_ring", "_sections", "_width")

    def __init__(self, table: SharedTable, quota: Quota, process: int, processes: int) -> None:
        super().__init__(table, quota, process, processes)
        self._width, sections = quota.sections
        self._sections = sections + 1
        self._head = self.at + HEAD
        self._ring = self.at + _RING

    def advance(self, clock: SharedClock) -> None:
        if clock.steady >= (self._numbers[self._head] + 1) * self._width:
            self._turn(int(clock.steady // self._width))

    def _turn(self, section: int) -> None:
        numbers, head = self._numbers, int(self._numbers[self._head])
        if section - head >= self._sections:
            numbers[self._ring : self._ring + SECTIONS] = _NOTHING
        else:
            for passed in range(head + 1, section + 1):
                numbers[self._ring + passed % self._sections] = 0.0
        numbers[self._head] = section
        numbers[self._used] = sum(numbers[self._ring : self._ring + self._sections])

    def add(self, amount: float) -> None:
        """Count it as used now."""
        numbers, at = self._numbers, self.at
        numbers[self._ring + int(numbers[self._head]) % self._sections] += amount
        numbers[self._used] += amount
        numbers[at] = 1.0

    def wait(self, clock: SharedClock, amount: float) -> float | None:
        if amount > self.most:
            return None
        excess = self._numbers[self._used] + self._numbers[self._reserved] + amount - self.most
        found = wait_for_sections(self._used_in(), self.quota.sections, excess)
        return ASK_AGAIN if found is None else max(found - clock.steady, 0.0)

    def resets_at(self, clock: SharedClock) -> float | None:
        numbers, head = self._numbers, int(self._numbers[self._head])
        if numbers[self._ring + head % self._sections]:
            # As it is with every answer to a caller: something was used just now.
            return clock.calendar + (head + self._sections) * self._width - clock.steady
        return clock.calendar + max(last_section_ends(self._used_in(), self.quota.sections) - clock.steady, 0.0)

    def _used_in(self) -> list[tuple[int, float]]:
        """The sections of the window, the earliest first, with what is used in each."""
        numbers, head = self._numbers, int(self._numbers[self._head])
        sections = range(head - self._sections + 1, head + 1)
        return [(section, numbers[self._ring + section % self._sections]) for section in sections]

    def relieve(self, process: int) -> float:
        held = super().relieve(process)
        self._numbers[self._used] = sum(self._numbers[self._ring : self._ring + self._sections])
        return held


class SlidingBudget(Sliding):
    """Dollars within any hour, any day or any 30 days. A share of them is reported once in that time."""

    __slots__ = ()

    def _turn(self, section: int) -> None:
        super()._turn(section)
        numbers, at = self._numbers, self.at
        if section - numbers[at + _NOTIFIED_IN] >= self._sections:
            numbers[at + NOTIFIED] = min(numbers[at + NOTIFIED], numbers[self._used])

    def passed_shares(self) -> Iterator[tuple[float, Bound]]:
        """The shares that have been passed and were not reported, with the bound that each is of."""
        before = self._numbers[self.at + NOTIFIED]
        yield from super().passed_shares()
        if self._numbers[self.at + NOTIFIED] != before:
            self._numbers[self.at + _NOTIFIED_IN] = self._numbers[self._head]


class Requests(Sliding):
    """Requests within any minute; each counts when it comes."""

    __slots__ = ()

    def lacks(self, clock: SharedClock, amount: float) -> bool:
        numbers = self._numbers
        if numbers[self._head] < clock.second:
            self._turn(clock.second)
        return bool(numbers[self._used] + amount > self.most)

    @property
    def left(self) -> float:
        """What is neither used nor reserved."""
        return max(self.most - float(self._numbers[self._used]), 0.0)

    def remaining(self, clock: SharedClock) -> Remaining:
        """What is left of it now."""
        resets_at = self.resets_at(clock) or clock.calendar
        return Remaining(self.quota.limit, self.quota.most, self.left, resets_at - clock.calendar, resets_at)


class Tokens(Requests):
    """Tokens within any minute. An estimate counts as used in the section in which it was reserved, and is corrected
    there: how long an answer takes makes no difference to how many may be asked for. What is not known by the time that
    the section has passed is of no matter any more."""

    __slots__ = ("_open",)

    def __init__(self, table: SharedTable, quota: Quota, process: int, processes: int) -> None:
        super().__init__(table, quota, process, processes)
        self._open = self.at + _OPEN_RING

    def _turn(self, section: int) -> None:
        numbers, head = self._numbers, int(self._numbers[self._head])
        super()._turn(section)
        if section - head >= SECTIONS:
            numbers[self._open : self._open + SECTIONS] = _NOTHING
        else:
            for passed in range(head + 1, section + 1):
                numbers[self._open + passed % SECTIONS] = 0.0

    def reserve_in(self, second: int, amount: float) -> None:
        """Reserve it in the second that is now."""
        numbers, slot = self._numbers, second % SECTIONS
        numbers[self._ring + slot] += amount
        numbers[self._open + slot] += amount
        numbers[self._used] += amount
        numbers[self.at] = 1.0

    def correct(self, second: int, estimate: float, truth: float) -> None:
        """Have the truth in place of what was reserved in a second."""
        numbers, slot = self._numbers, second % SECTIONS
        if numbers[self._head] - second >= SECTIONS:
            return
        numbers[self._open + slot] -= estimate
        numbers[self._ring + slot] += truth - estimate
        numbers[self._used] += truth - estimate
        numbers[self.at] = 1.0

    @property
    def reserved(self) -> float:
        return float(sum(self._numbers[self._open : self._open + SECTIONS]))

    @property
    def used(self) -> float:
        return float(self._numbers[self._used]) - self.reserved


class Calendar(Meter):
    """A period of the calendar."""

    __slots__ = ("_ends", "_jumps")

    def __init__(self, table: SharedTable, quota: Quota, process: int, processes: int) -> None:
        super().__init__(table, quota, process, processes)
        self._ends = self.at + _PERIOD + 1
        self._jumps = self.at + _PERIOD + 5

    def advance(self, clock: SharedClock) -> None:
        if clock.calendar >= self._numbers[self._ends] or clock.jumps != self._numbers[self._jumps]:
            self._write(rolled(self._period(), self.quota.limit, clock.calendar, clock.state.jump))

    def _period(self) -> Period:
        numbers, at = self._numbers, self.at
        began, ends, latest, before_began, before_used, jumps = numbers[at + _PERIOD : at + _PERIOD + 6]
        used, notified = numbers[at + USED], numbers[at + NOTIFIED]
        return Period(began, ends, latest, before_began, before_used, used, notified, jumps)

    def _write(self, period: Period) -> None:
        numbers, at = self._numbers, self.at
        numbers[at + USED] = period.used
        numbers[at + NOTIFIED] = period.notified
        parts = (period.began, period.ends, period.latest, period.before_began, period.before_used, period.jumps)
        for number, part in enumerate(parts):
            numbers[at + _PERIOD + number] = part
        numbers[at] = 1.0

    def add(self, amount: float) -> None:
        """Count it as used now."""
        self._numbers[self._used] += amount
        self._numbers[self.at] = 1.0

    def wait(self, clock: SharedClock, amount: float) -> float | None:
        if amount > self.most:
            return None
        if self._numbers[self._used] + amount > self.most:
            return max(self._numbers[self._ends] - clock.calendar, 0.0)
        return ASK_AGAIN

    def resets_at(self, clock: SharedClock) -> float | None:
        return float(self._numbers[self._ends])


Budget = SlidingBudget | Calendar
