"""What is counted in a row of the shared table: by sections of time that looks back, by a period of the calendar, or by
what is open now.

All methods are to be called inside `with table`, and but for `lacks` after `advance`, which brings a row to the
present. A sliding window of 60 seconds has 61 sections of a second, that of now and the 60 before: so what is let in
within any minute never exceeds the limit, and is let in again after 60 to 61 seconds. What is reserved stands in a
column of the process that reserved it, so that a process which is killed can be relieved of it. Sums are made anew of
their parts at each new section, so that an error of rounding, or a process killed between two writes, leaves no trace.
"""

from math import inf

from app.quotas.periods import Period, rolled
from app.quotas.rules import Bound, Quota
from app.quotas.sections import ASK_AGAIN, TRIFLE, last_section_ends, wait_for_sections
from app.quotas.times import SharedClock
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

    __slots__ = (
        "_first_share",
        "_processes",
        "at",
        "bound",
        "mine_at",
        "most",
        "numbers",
        "quota",
        "reserved_at",
        "spent_from",
        "used_at",
    )

    def __init__(self, table: SharedTable, quota: Quota, process: int, processes: int) -> None:
        self.quota = quota
        self.bound = quota.most
        self.most = self.bound + TRIFLE
        self.spent_from = self.most - 2 * TRIFLE
        """All of it is used where more than this is, whatever may still be given back."""
        self._first_share = min((share * one.most for one in quota.bounds for share in one.shares), default=inf)
        """How much is used where the first share is passed."""
        self.numbers = table.numbers
        self.at = at = table.row(quota.row)
        self.used_at = at + USED
        self.reserved_at = at + RESERVED
        self.mine_at = at + RESERVED + 1 + process
        self._processes = processes

    def advance(self, clock: SharedClock) -> float:
        """Bring it to the present. Returns how much is used then."""
        return self.numbers[self.used_at]

    def lacks(self, clock: SharedClock, amount: float) -> bool:
        """Whether there is not so much left, once it is brought to the present."""
        return bool(self.advance(clock) + self.numbers[self.reserved_at] + amount > self.most)

    def passed_shares(self) -> list[tuple[float, Bound]]:
        """The shares that have been passed and were not reported, with the bound that each is of."""
        numbers, at = self.numbers, self.at
        used, notified = numbers[self.used_at] + TRIFLE, numbers[at + NOTIFIED]
        if used <= notified:
            return []
        numbers[at + NOTIFIED] = used
        if used < self._first_share:
            return []
        shares = [(share, bound) for bound in self.quota.bounds for share in bound.shares]
        return [(share, bound) for share, bound in shares if notified < share * bound.most <= used]

    def wait(self, clock: SharedClock, amount: float) -> float | None:
        """Seconds until there is so much, if nobody else asks; None for never."""
        return ASK_AGAIN if amount <= self.most else None

    def resets_at(self, clock: SharedClock) -> float | None:
        """When all of it is there again, in Unix time."""
        return None

    @property
    def reserved(self) -> float:
        """How much requests have reserved that are open."""
        return float(max(self.numbers[self.reserved_at], 0.0))

    @property
    def used(self) -> float:
        """How much is used, apart from what is reserved."""
        return float(max(self.numbers[self.used_at], 0.0))

    def relieve(self, process: int) -> float:
        """Give back what a process has reserved that is no more, and mend what it may have left half-done. Returns how
        much that was."""
        numbers, first = self.numbers, self.reserved_at + 1
        held = float(numbers[first + process])
        numbers[first + process] = 0.0
        numbers[self.reserved_at] = sum(numbers[first : first + self._processes])
        return held


class Streams(Meter):
    """What is open now."""

    __slots__ = ()

    def lacks(self, clock: SharedClock, amount: float) -> bool:
        return bool(self.numbers[self.reserved_at] + amount > self.most)

    @property
    def used(self) -> float:
        return super().reserved

    @property
    def reserved(self) -> float:
        return 0.0


class Sliding(Meter):
    """A window that looks back from now."""

    __slots__ = ("_sections", "_width", "head_at", "ring_at")

    def __init__(self, table: SharedTable, quota: Quota, process: int, processes: int) -> None:
        super().__init__(table, quota, process, processes)
        self._width, sections = quota.sections
        self._sections = sections + 1
        self.head_at = self.at + HEAD
        self.ring_at = self.at + _RING

    def advance(self, clock: SharedClock) -> float:
        if clock.steady >= (self.numbers[self.head_at] + 1) * self._width:
            self.turn(int(clock.steady // self._width))
        return self.numbers[self.used_at]

    def turn(self, section: int) -> None:
        """Go on to a section that has begun."""
        numbers, head = self.numbers, int(self.numbers[self.head_at])
        if section - head >= self._sections:
            numbers[self.ring_at : self.ring_at + SECTIONS] = _NOTHING
        else:
            for passed in range(head + 1, section + 1):
                numbers[self.ring_at + passed % self._sections] = 0.0
        numbers[self.head_at] = section
        numbers[self.used_at] = sum(numbers[self.ring_at : self.ring_at + self._sections])

    def add(self, amount: float) -> None:
        """Count it as used now."""
        numbers, at = self.numbers, self.at
        numbers[self.ring_at + int(numbers[self.head_at]) % self._sections] += amount
        numbers[self.used_at] += amount
        numbers[at] = 1.0

    def wait(self, clock: SharedClock, amount: float) -> float | None:
        if amount > self.most:
            return None
        excess = self.numbers[self.used_at] + self.numbers[self.reserved_at] + amount - self.most
        found = wait_for_sections(self._used_in(), self.quota.sections, excess)
        return ASK_AGAIN if found is None else max(found - clock.steady, 0.0)

    def resets_at(self, clock: SharedClock) -> float | None:
        return clock.calendar + self.resets_in(clock)

    def resets_in(self, clock: SharedClock) -> float:
        """Seconds until all of it is there again."""
        numbers, head = self.numbers, int(self.numbers[self.head_at])
        if numbers[self.ring_at + head % self._sections]:
            # As it is with every answer to a caller: something was used just now.
            return (head + self._sections) * self._width - clock.steady
        return max(last_section_ends(self._used_in(), self.quota.sections) - clock.steady, 0.0)

    def _used_in(self) -> list[tuple[int, float]]:
        """The sections of the window, the earliest first, with what is used in each."""
        numbers, head = self.numbers, int(self.numbers[self.head_at])
        sections = range(head - self._sections + 1, head + 1)
        return [(section, numbers[self.ring_at + section % self._sections]) for section in sections]

    def relieve(self, process: int) -> float:
        held = super().relieve(process)
        self.numbers[self.used_at] = sum(self.numbers[self.ring_at : self.ring_at + self._sections])
        return held


class SlidingBudget(Sliding):
    """Dollars within any hour, any day or any 30 days. A share of them is reported once in that time."""

    __slots__ = ()

    def turn(self, section: int) -> None:
        super().turn(section)
        numbers, at = self.numbers, self.at
        if section - numbers[at + _NOTIFIED_IN] >= self._sections:
            numbers[at + NOTIFIED] = min(numbers[at + NOTIFIED], numbers[self.used_at])

    def passed_shares(self) -> list[tuple[float, Bound]]:
        before = self.numbers[self.at + NOTIFIED]
        passed = super().passed_shares()
        if self.numbers[self.at + NOTIFIED] != before:
            self.numbers[self.at + _NOTIFIED_IN] = self.numbers[self.head_at]
        return passed


class Requests(Sliding):
    """Requests within any minute; each counts when it comes."""

    __slots__ = ()

    def lacks(self, clock: SharedClock, amount: float) -> bool:
        numbers = self.numbers
        if numbers[self.head_at] < clock.second:
            self.turn(clock.second)
        return bool(numbers[self.used_at] + amount > self.most)


class Tokens(Requests):
    """Tokens within any minute. An estimate counts as used in the section in which it was reserved, and is corrected
    there: how long an answer takes makes no difference to how many may be asked for. What is not known by the time that
    the section has passed is of no matter any more."""

    __slots__ = ("open_at",)

    def __init__(self, table: SharedTable, quota: Quota, process: int, processes: int) -> None:
        super().__init__(table, quota, process, processes)
        self.open_at = self.at + _OPEN_RING

    def turn(self, section: int) -> None:
        numbers, head = self.numbers, int(self.numbers[self.head_at])
        super().turn(section)
        if section - head >= SECTIONS:
            numbers[self.open_at : self.open_at + SECTIONS] = _NOTHING
        else:
            for passed in range(head + 1, section + 1):
                numbers[self.open_at + passed % SECTIONS] = 0.0

    @property
    def reserved(self) -> float:
        return float(sum(self.numbers[self.open_at : self.open_at + SECTIONS]))

    @property
    def used(self) -> float:
        return float(self.numbers[self.used_at]) - self.reserved


class Calendar(Meter):
    """A period of the calendar."""

    __slots__ = ("_ends", "_jumps")

    def __init__(self, table: SharedTable, quota: Quota, process: int, processes: int) -> None:
        super().__init__(table, quota, process, processes)
        self._ends = self.at + _PERIOD + 1
        self._jumps = self.at + _PERIOD + 5

    def advance(self, clock: SharedClock) -> float:
        numbers = self.numbers
        if clock.calendar >= numbers[self._ends] or clock.jumps != numbers[self._jumps]:
            self._write(rolled(self._period(), self.quota.limit, clock.calendar, clock.state.jump))
        return numbers[self.used_at]

    def _period(self) -> Period:
        numbers, at = self.numbers, self.at
        began, ends, latest, before_began, before_used, jumps = numbers[at + _PERIOD : at + _PERIOD + 6]
        used, notified = numbers[at + USED], numbers[at + NOTIFIED]
        return Period(began, ends, latest, before_began, before_used, used, notified, jumps)

    def _write(self, period: Period) -> None:
        numbers, at = self.numbers, self.at
        numbers[at + USED] = period.used
        numbers[at + NOTIFIED] = period.notified
        parts = (period.began, period.ends, period.latest, period.before_began, period.before_used, period.jumps)
        for number, part in enumerate(parts):
            numbers[at + _PERIOD + number] = part
        numbers[at] = 1.0

    def add(self, amount: float) -> None:
        """Count it as used now."""
        self.numbers[self.used_at] += amount
        self.numbers[self.at] = 1.0

    def wait(self, clock: SharedClock, amount: float) -> float | None:
        if amount > self.most:
            return None
        if self.numbers[self.used_at] + amount > self.most:
            return max(self.numbers[self._ends] - clock.calendar, 0.0)
        return ASK_AGAIN

    def resets_at(self, clock: SharedClock) -> float | None:
        return float(self.numbers[self._ends])


Budget = SlidingBudget | Calendar
