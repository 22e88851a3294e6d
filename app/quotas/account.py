"""What the requests of one caller count against: the meters of its key and of its team, which each step of a request
goes through at once.

All that a request with limits costs is here, so the loops over limits by the minute and over streams work on the
table's numbers in place. All methods are to be called inside `with table`, with a clock that has just been read.
"""

from collections.abc import Sequence
from math import inf

from msgspec import Struct

from app.quotas.meters import SECTIONS, Budget, Calendar, Meter, Requests, SlidingBudget, Streams, Tokens
from app.quotas.rules import Bound, Quota
from app.quotas.times import SharedClock
from app.quotas.values import Crossed, Remaining


class Held(Struct, frozen=True):
    """What one request has reserved: tokens in a `second` of the steady time, and US dollars."""

    second: int
    tokens: int = 0
    usd: float = 0.0


class CountedAccount:
    """The meters of one caller. `largest` are bounds of a single request's tokens."""

    __slots__ = ("_by_minute", "all", "budgets", "hard_budgets", "largest", "requests", "streams", "tokens")

    def __init__(self, meters: Sequence[Meter], largest: Sequence[Quota]) -> None:
        self.all = meters
        self.largest = largest
        self.requests = [meter for meter in meters if type(meter) is Requests]
        self.streams = [meter for meter in meters if isinstance(meter, Streams)]
        self.tokens = [meter for meter in meters if isinstance(meter, Tokens)]
        self.budgets: list[Budget] = [meter for meter in meters if isinstance(meter, SlidingBudget | Calendar)]
        self.hard_budgets = [meter for meter in self.budgets if meter.most < inf]
        by_minute: tuple[Sequence[Requests], ...] = (self.requests, self.tokens)
        self._by_minute = [meters for meters in by_minute if meters]

    def admit(self, clock: SharedClock, *, spends: bool) -> bool:
        """Count one request and one open stream. False where a limit is in the way, and nothing is counted then; where
        the request `spends`, a hard budget that is spent is in the way, too."""
        if self._denies(clock, spends=spends):
            return False
        for meter in self.requests:
            meter.add(1.0)
        self.open_stream(1)
        return True

    def open_stream(self, count: int) -> None:
        """Count a stream that is open; -1 for one that has ended."""
        for meter in self.streams:
            numbers = meter.numbers
            numbers[meter.mine_at] += count
            numbers[meter.reserved_at] += count

    def reserve(self, clock: SharedClock, tokens: int, usd: float) -> bool:
        """Reserve what a request may come to. False where a limit is in the way, and nothing is reserved then."""
        for largest in self.largest:
            if tokens > largest.most:
                return False
        for meter in self.tokens:
            numbers = meter.numbers
            if numbers[meter.head_at] < clock.second:
                meter.turn(clock.second)
            if numbers[meter.used_at] + tokens > meter.most:
                return False
        for budget in self.budgets:
            if budget.advance(clock) + budget.numbers[budget.reserved_at] + usd > budget.most:
                return False
        self._book(clock.second, tokens, tokens)
        for budget in self.budgets:
            numbers = budget.numbers
            numbers[budget.mine_at] += usd
            numbers[budget.reserved_at] += usd
        return True

    def commit(self, clock: SharedClock, held: Held, tokens: int, usd: float) -> list[Crossed]:
        """Have what a request has really used in place of what it held. Returns the shares of budgets that are passed
        now."""
        for meter in self.tokens:
            if meter.numbers[meter.head_at] < clock.second:
                meter.turn(clock.second)
        self._book(held.second, -held.tokens, tokens - held.tokens)
        crossed: list[Crossed] = []
        for budget in self.budgets:
            budget.advance(clock)
            numbers = budget.numbers
            numbers[budget.mine_at] -= held.usd
            numbers[budget.reserved_at] -= held.usd
            if usd:
                budget.add(usd)
                for share, bound in budget.passed_shares():
                    crossed.append(_crossed(budget, share, bound))
        return crossed

    def remaining(self, clock: SharedClock) -> list[Remaining]:
        """What is left of the limits by the minute, of key or team where there is less."""
        found: list[Remaining] = []
        for meters in self._by_minute:
            fullest, least = meters[0], inf
            for meter in meters:
                numbers = meter.numbers
                if numbers[meter.head_at] < clock.second:
                    meter.turn(clock.second)
                left = meter.most - numbers[meter.used_at]
                if left < least:
                    fullest, least = meter, left
            seconds = fullest.resets_in(clock)
            left = least if least > 0 else 0.0
            found.append(Remaining(fullest.quota.limit, fullest.bound, left, seconds, clock.calendar + seconds))
        return found

    def _denies(self, clock: SharedClock, *, spends: bool) -> bool:
        """Whether no request may begin now."""
        for meter in self.requests:
            numbers = meter.numbers
            if numbers[meter.head_at] < clock.second:
                meter.turn(clock.second)
            if numbers[meter.used_at] + 1 > meter.most:
                return True
        for streams in self.streams:
            if streams.numbers[streams.reserved_at] + 1 > streams.most:
                return True
        if spends:
            for budget in self.hard_budgets:
                if budget.advance(clock) > budget.spent_from:
                    return True
        return False

    def _book(self, second: int, reserved: float, used: float) -> None:
        """Change what is reserved in a second, and what counts as used in it. Once that second has left the window it
        is of no matter any more."""
        slot = second % SECTIONS
        for meter in self.tokens:
            numbers = meter.numbers
            if numbers[meter.head_at] - second < SECTIONS:
                numbers[meter.open_at + slot] += reserved
                numbers[meter.ring_at + slot] += used
                numbers[meter.used_at] += used
                numbers[meter.at] = 1.0


def _crossed(budget: Budget, share: float, bound: Bound) -> Crossed:
    quota = budget.quota
    window = quota.window or "calendar"
    return Crossed(quota.scope, quota.name, quota.limit, window, share, bound.most, budget.used, bound.is_hard)
