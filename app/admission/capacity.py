"""What one deployment may be asked now, counted for all processes of a gateway together. It never waits.

A deployment's row of the shared table holds how many attempts each process has under way, what began in the last
minute, second by second, and what the provider's own headers said. What a process does is one step for the others.

    slots      `max_parallel` attempts under way at a time. A slot that is free goes, of the processes that have
               somebody waiting, to the one that holds the fewest. A process says so for a moment at a time, so that
               one that hangs or is gone keeps nobody waiting for long.
    minute     `requests_per_minute` and `tokens_per_minute` hold for any minute: what began in the running second and
               in the sixty before it counts. Tokens count by an estimate until they are known. A request of more
               tokens than a minute has is let through alone.
    learned    A provider's limit is a bucket that fills evenly, as OpenAI's and Anthropic's are: its header says what
               was left when the attempt was made, and when the bucket would be full again. What has begun since is
               taken off, and what flowed in since is put on. Or it said with a 429 when to come back.

`max_parallel` and the limits of a minute are the operator's and hold; what was learned is a guess, and only delays.
"""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from app.settings import Deployment
from app.shared_table import SharedTable

_SECONDS = 61
"""The running second and the sixty before it."""
_LONGEST_LEARNED = 60.0
"""Seconds for which what a provider said is believed at most: then somebody is let through to ask."""
_CLAIM = 0.25
"""Seconds for which a process that has somebody waiting says so at a time."""

_SECOND, _BEGUN, _PAUSED = 0, 1, 2
_REQUESTS, _TOKENS = 3, 7
"""Where the two buckets of a provider stand: what is in one, as of when, what flows in a second, and what it holds."""
_RATE = 2
"""Where in a bucket its rate stands, which is 0 while nothing is known of it."""
_COUNTED = 11
"""Where the seconds stand: requests of each, then tokens of each; before them the sums."""
_FIXED = _COUNTED + 2 + 2 * _SECONDS


class Limits(NamedTuple):
    """What the operator allows; None for no limit."""

    max_parallel: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None

    @classmethod
    def of(cls, deployment: Deployment) -> "Limits":
        return cls(deployment.max_parallel, deployment.requests_per_minute, deployment.tokens_per_minute)

    @property
    def are_none(self) -> bool:
        return self == _NO_LIMITS


_NO_LIMITS = Limits()


@dataclass(frozen=True)
class LearnedLimit:
    """What a provider says of one of its limits: `remaining` of `limit`, all of it again in `reset` seconds."""

    limit: int
    remaining: int
    reset: float


class Wait(NamedTuple):
    """For how long an attempt has to wait, in seconds; 0 for not at all."""

    limits: float
    """Infinite where somebody has to end first; else when the minute allows it."""
    learned: float
    """Until the provider would probably take it."""

    @property
    def is_none(self) -> bool:
        return not self.limits and not self.learned


_NO_WAIT = Wait(0.0, 0.0)


class Taken(NamedTuple):
    """What one attempt took: the `second` and the estimate in `tokens` that it is counted under, and its number among
    all attempts at the deployment."""

    second: int
    tokens: int
    number: float


def columns(processes: int) -> int:
    """The numbers of one row, for so many processes."""
    return 2 * processes + _FIXED


def release_process(table: SharedTable, index: int, processes: int) -> None:
    """Free what a process that has died held of all deployments."""
    with table:
        for row in table.made():
            table.numbers[row + index] = 0.0
            table.numbers[row + processes + index] = 0.0


class Capacity:
    """One deployment's row. `now` is the time of a monotonic clock that all processes of the machine share."""

    def __init__(self, table: SharedTable, name: str, limits: Limits, index: int = 0, processes: int = 1) -> None:
        self.limits = limits
        self._table = table
        self._processes = processes
        with table:
            row = table.row(name)
        self._used = row + index
        self._first = row
        self._claims = row + processes
        self._fixed = row + 2 * processes

    @property
    def under_way(self) -> int:
        """Attempts of all processes that hold a slot."""
        return int(sum(self._table.numbers[self._first : self._claims]))

    @property
    def counts_tokens(self) -> bool:
        """Whether it matters how many tokens an attempt has."""
        learned = self._table.numbers[self._fixed + _TOKENS + _RATE]
        return self.limits.tokens_per_minute is not None or bool(learned)

    def wait(self, now: float, tokens: int) -> Wait:
        """Whether an attempt of about so many tokens may begin, or when; it takes nothing."""
        with self._table:
            return self._wait(now, tokens)

    def take(self, now: float, tokens: int, until: float) -> Taken | None:
        """Begin an attempt, if it may. What was only learned keeps one back for no longer than `until`."""
        with self._table:
            wait = self._wait(now, tokens)
            if wait.limits or 0 < wait.learned <= until - now:
                return None
            return self._take(now, tokens)

    def end(self, now: float, taken: Taken, tokens: int | None) -> None:
        """Free the slot of an attempt, of which so many tokens were counted; None where it used none."""
        numbers = self._table.numbers
        with self._table:
            if numbers[self._used] > 0:
                numbers[self._used] -= 1
            if self.limits.tokens_per_minute is not None:
                self._turn(now)
                if numbers[self._fixed + _SECOND] - taken.second < _SECONDS:
                    self._count(_SECONDS + 1, taken.second, (tokens or 0) - taken.tokens)

    def claim(self, now: float, *, waits: bool) -> None:
        """Tell the other processes whether somebody waits in this one."""
        if self._processes > 1:
            self._table.numbers[self._used + self._processes] = now + _CLAIM if waits else 0.0

    def learn_requests(self, learned: LearnedLimit, begun: float, taken: Taken | None) -> None:
        """Note what the provider said of its limit on requests to an attempt that began at `begun`; `taken` is what
        that attempt took, where it was counted."""
        with self._table:
            since = 0.0 if taken is None else self._table.numbers[self._fixed + _BEGUN] - taken.number
            self._learn(_REQUESTS, learned, learned.remaining - since, begun)

    def learn_tokens(self, learned: LearnedLimit | None, begun: float) -> None:
        """Note that the provider has no tokens left; None where it has some, as how many a request will be is not
        known well enough to go by the rest."""
        with self._table:
            if learned is None:
                self._table.numbers[self._fixed + _TOKENS + _RATE] = 0.0
            else:
                self._learn(_TOKENS, learned, 0.0, begun)

    def pause(self, until: float) -> None:
        """Note that the provider wants nothing before this time."""
        with self._table:
            at = self._fixed + _PAUSED
            self._table.numbers[at] = max(self._table.numbers[at], until)

    def forget(self) -> None:
        """Forget what was learnt of the provider."""
        with self._table:
            for cell in (_PAUSED, _REQUESTS + _RATE, _TOKENS + _RATE):
                self._table.numbers[self._fixed + cell] = 0.0

    def earliest(self, now: float, ahead: int) -> float:
        """Seconds until a request could begin that has so many others before it, by the requests of the minute."""
        limit = self.limits.requests_per_minute
        if limit is None:
            return 0.0
        with self._table:
            self._turn(now)
            if ahead >= limit:
                return 60.0 * (ahead // limit)
            return self._room(0, limit, ahead + 1, now)

    def _learn(self, kind: int, learned: LearnedLimit, level: float, begun: float) -> None:
        numbers, at = self._table.numbers, self._fixed + kind
        missing = max(1, learned.limit - learned.remaining)
        numbers[at], numbers[at + 1] = level, begun
        numbers[at + _RATE] = missing / learned.reset if learned.reset > 0 else 0.0
        numbers[at + 3] = learned.limit

    def _wait(self, now: float, tokens: int) -> Wait:
        numbers, limits, fixed = self._table.numbers, self.limits, self._fixed
        if limits.max_parallel is not None and not self._has_slot(now, limits.max_parallel):
            return Wait(inf, 0.0)
        wait = 0.0
        if limits.requests_per_minute is not None or limits.tokens_per_minute is not None:
            self._turn(now)
            if limits.requests_per_minute is not None:
                wait = self._room(0, limits.requests_per_minute, 1, now)
            if limits.tokens_per_minute is not None:
                wait = max(wait, self._room(_SECONDS + 1, limits.tokens_per_minute, tokens, now))
        learned = max(
            numbers[fixed + _PAUSED] - now, self._filled(_REQUESTS, 1, now), self._filled(_TOKENS, tokens, now), 0.0
        )
        return Wait(wait, min(learned, _LONGEST_LEARNED)) if wait or learned else _NO_WAIT

    def _has_slot(self, now: float, most: int) -> bool:
        """Whether one is free for this process: of those with somebody waiting it has to hold the fewest."""
        numbers = self._table.numbers
        if self._processes == 1:
            return numbers[self._used] < most
        used = numbers[self._first : self._claims]
        if sum(used) >= most:
            return False
        mine = numbers[self._used]
        claims = numbers[self._claims : self._fixed]
        return not any(until > now and held < mine for held, until in zip(used, claims, strict=True))

    def _take(self, now: float, tokens: int) -> Taken:
        numbers, fixed = self._table.numbers, self._fixed
        numbers[self._used] += 1
        numbers[fixed + _BEGUN] = number = numbers[fixed + _BEGUN] + 1
        for kind, need in ((_REQUESTS, 1), (_TOKENS, tokens)):
            if numbers[fixed + kind + _RATE]:
                numbers[fixed + kind] -= need
        second = int(now)
        if self.limits.requests_per_minute is not None:
            self._turn(now)
            self._count(0, second, 1)
        if self.limits.tokens_per_minute is not None:
            self._turn(now)
            self._count(_SECONDS + 1, second, tokens)
        return Taken(second, tokens, number)

    def _filled(self, kind: int, need: int, now: float) -> float:
        """Seconds until a provider's bucket has what is needed."""
        at = self._fixed + kind
        level, since, rate, limit = self._table.numbers[at : at + 4].tolist()
        if not rate:
            return 0.0
        # A bucket that was nearly full, or has had the time to be, keeps nobody back.
        has = min(limit, level + (now - since) * rate)
        missing = min(need, limit) - has
        return missing / rate if missing > 1e-9 else 0.0

    def _turn(self, now: float) -> None:
        """Forget what began more than a minute ago."""
        numbers, at = self._table.numbers, self._fixed
        second, before = int(now), int(numbers[at + _SECOND])
        if second <= before:
            return
        for past in range(max(before + 1, second - _SECONDS + 1), second + 1):
            for sums in (at + _COUNTED, at + _COUNTED + _SECONDS + 1):
                cell = sums + 1 + past % _SECONDS
                if numbers[cell]:
                    numbers[sums] -= numbers[cell]
                    numbers[cell] = 0.0
        numbers[at + _SECOND] = second

    def _count(self, offset: int, second: int, amount: float) -> None:
        numbers, sums = self._table.numbers, self._fixed + _COUNTED + offset
        numbers[sums] += amount
        numbers[sums + 1 + second % _SECONDS] += amount

    def _room(self, offset: int, limit: int, need: int, now: float) -> float:
        """Seconds until the last minute leaves room for `need`; with nothing in it there is room for anything."""
        numbers, sums = self._table.numbers, self._fixed + _COUNTED + offset
        over = numbers[sums] + min(need, limit) - limit
        if over <= 0:
            return 0.0
        second = int(now)
        for past in range(second - _SECONDS + 1, second + 1):
            over -= numbers[sums + 1 + past % _SECONDS]
            if over <= 0:
                return max(past + _SECONDS - now, 0.001)
        return float(_SECONDS)
