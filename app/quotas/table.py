"""Limits counted in memory: that of this process, or that which all processes of a gateway share.

A request is admitted, reserves, and ends, each in one step with the table locked: all limits of its key and its team
are looked at first, and then all of them are taken, or none.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from app.quotas.account import CountedAccount, Held
from app.quotas.meters import CHANGED, KEPT, Calendar, Meter, Requests, SlidingBudget, Streams, Tokens, columns_for
from app.quotas.rules import Quota, Rules
from app.quotas.sections import TRIFLE
from app.quotas.times import SharedClock
from app.quotas.values import Crossed, Denial, LimitUsage, Need, Remaining
from app.settings import WorkerProcess
from app.shared_table import SharedTable, TableFull

_FILE = "quotas-1"
"""The number is that of the layout."""
_SPARE_ROWS = 1024
"""For keys that a reload may bring."""
_FILL = 0.75
"""The share of rows beyond which a row is no longer found quickly."""


ROWS_AT_ONCE = 1_000
"""Rows that are looked through without a break."""


class TooManyLimits(Exception):
    """A reload brings more limits than there is room for; a restart makes room."""


class TableReservation(Struct, eq=False):
    """What one request holds."""

    ledger: "TableLedger"
    account: CountedAccount
    held: Held | None = None
    is_over: bool = False

    async def reserve(self, need: Need) -> Denial | None:
        ledger, clock = self.ledger, self.ledger.clock
        with ledger.table:
            clock.read()
            if not self.account.reserve(clock, need.tokens, need.usd):
                return ledger.reserve_denial(self.account, need)
            self.held = Held(clock.second, need.tokens, need.usd)
        return None

    def commit(self, tokens: int, usd: float) -> list[Crossed]:
        if self.is_over:
            return []
        self.is_over = True
        account, clock = self.account, self.ledger.clock
        with self.ledger.table:
            account.open_stream(-1)
            if self.held is None and not (tokens or usd):
                return []
            clock.read()
            # What was never reserved counts as if it were now.
            return account.commit(clock, self.held or Held(clock.second), tokens, usd)


class TableLedger:
    """`worker` says with whom the table is shared, `even` and `wall` are the clocks of `app.quotas.times`."""

    def __init__(
        self, rules: Rules, worker: WorkerProcess | None, even: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._process, self._processes = (0, 1) if worker is None else (worker.index, worker.count)
        file = None if worker is None else Path(worker.folder) / _FILE
        rows = _SPARE_ROWS + 4 * len(rules.quotas)
        self.table = SharedTable(columns_for(self._processes), rows, file)
        self._meters: dict[str, Meter] = {}
        self._without_rule: frozenset[str] = frozenset()
        """Rows that were kept, and that no rule named."""
        with self.table:
            self.clock = SharedClock(self.table, even, wall)
        self.use(rules)

    def check(self, rules: Rules) -> None:
        """Raises TooManyLimits where there is no room to count by these rules, too. The process that has counted for
        the longest knows of the most rows: what it has room for, all others have."""
        if len(self._meters.keys() | self._without_rule | rules.quotas.keys()) > _FILL * self.table.rows:
            raise _too_many(rules)

    def use(self, rules: Rules) -> None:
        """Count by other rules from now on; what is used stays. Raises TooManyLimits, and nothing is changed."""
        self.check(rules)
        try:
            with self.table:
                meters = {row: self._meter(quota) for row, quota in rules.quotas.items()}
        except TableFull:
            raise _too_many(rules) from None
        self._meters |= meters
        self._at = [(row, meter.at) for row, meter in self._meters.items()]
        self.accounts = rules.accounts
        self._counted: dict[str, CountedAccount] = {}
        """Made when a caller first comes, as most of many keys rest."""

    def _account(self, caller: str) -> CountedAccount:
        known = self._counted.get(caller)
        if known is None:
            account = self.accounts[caller]
            meters = [self._meters[quota.row] for quota in account.quotas]
            known = self._counted[caller] = CountedAccount(meters, account.largest)
        return known

    def _meter(self, quota: Quota) -> Meter:
        known = self._meters.get(quota.row)
        if known is not None and known.quota == quota:
            return known
        kinds = {"requests_per_minute": Requests, "tokens_per_minute": Tokens, "streams": Streams}
        kind = kinds.get(quota.limit) or (Calendar if quota.window == "calendar" else SlidingBudget)
        return kind(self.table, quota, self._process, self._processes)

    async def admit(self, caller: str, *, spends: bool) -> TableReservation | Denial:
        account = self._counted.get(caller) or self._account(caller)
        with self.table:
            self.clock.read()
            if not account.admit(self.clock, spends=spends):
                return self._admission_denial(account, spends=spends)
        return TableReservation(self, account)

    def adopt(self, caller: str) -> TableReservation | None:
        """Count a request that was admitted elsewhere; None where its caller has no limits."""
        if caller not in self.accounts:
            return None
        account = self._account(caller)
        with self.table:
            account.open_stream(1)
        return TableReservation(self, account)

    def _admission_denial(self, account: CountedAccount, *, spends: bool) -> Denial:
        clock = self.clock
        lacking: list[tuple[Meter, float]] = [
            (meter, 1) for meter in (*account.requests, *account.streams) if meter.lacks(clock, 1)
        ]
        if spends:
            spent = [budget for budget in account.hard_budgets if budget.advance(clock) > budget.spent_from]
            lacking += [(budget, 2 * TRIFLE) for budget in spent]
        return worst([self._denial(meter, amount) for meter, amount in lacking])

    def reserve_denial(self, account: CountedAccount, need: Need) -> Denial:
        """What is in the way of a need."""
        clock = self.clock
        lacking = [too_large(quota, need) for quota in account.largest if need.tokens > quota.most]
        lacking += [self._denial(meter, need.tokens) for meter in account.tokens if meter.lacks(clock, need.tokens)]
        lacking += [self._denial(budget, need.usd) for budget in account.budgets if budget.lacks(clock, need.usd)]
        return worst(lacking)

    def _denial(self, meter: Meter, amount: float) -> Denial:
        quota, clock = meter.quota, self.clock
        return Denial(
            quota.scope,
            quota.name,
            quota.limit,
            quota.most,
            meter.used + meter.reserved,
            meter.wait(clock, amount),
            meter.resets_at(clock),
        )

    async def usage(self, caller: str) -> list[LimitUsage]:
        return self.known_usage(caller)

    def known_usage(self, caller: str) -> list[LimitUsage]:
        """How much is used of each limit of a caller."""
        with self.table:
            self.clock.read()
            return [each for meter in self._account(caller).all for each in self._usage(meter)]

    def remaining(self, caller: str) -> list[Remaining]:
        """What is left of a caller's limits by the minute."""
        account = self._counted.get(caller) or self._account(caller)
        with self.table:
            self.clock.read()
            return account.remaining(self.clock)

    def _usage(self, meter: Meter) -> Iterable[LimitUsage]:
        meter.advance(self.clock)
        used, reserved, resets_at, quota = meter.used, meter.reserved, meter.resets_at(self.clock), meter.quota
        for bound in quota.bounds:
            left = max(bound.most - used - reserved, 0.0)
            yield LimitUsage(
                quota.scope,
                quota.name,
                quota.limit,
                quota.window,
                bound.is_hard,
                bound.most,
                used,
                reserved,
                left,
                resets_at,
            )

    def release_worker(self, index: int) -> None:
        """Give back what a process has reserved that is no more. What it has counted as used stays; and what it had
        reserved of budgets counts as used, for nobody will say what its requests came to, and a provider was asked."""
        with self.table:
            self.clock.read()
            for meter in self._meters.values():
                held = meter.relieve(index)
                if held > TRIFLE and isinstance(meter, SlidingBudget | Calendar):
                    meter.advance(self.clock)
                    meter.add(held)

    def changed_numbers(self, first: int) -> dict[str, bytes] | None:
        """The numbers of rows that have changed since they were asked for last: of some, from the `first` row on; None
        behind the last one."""
        if first >= len(self._at):
            return None
        with self.table:
            numbers = self.table.numbers
            changed = [(row, at) for row, at in self._at[first : first + ROWS_AT_ONCE] if numbers[at + CHANGED]]
            for _, at in changed:
                numbers[at + CHANGED] = 0.0
            return {row: numbers[at : at + KEPT].tobytes() for row, at in changed}

    def all_numbers(self) -> dict[str, bytes]:
        """The numbers of all rows, changed or not."""
        with self.table:
            return {row: self.table.numbers[at : at + KEPT].tobytes() for row, at in self._at}

    def restore(self, rows: Mapping[str, bytes]) -> None:
        """Go on from numbers that were kept. Rows that no rule names any more stay for one that may come."""
        room = int(_FILL * self.table.rows) - len(self._meters)
        without_rule = [row for row in rows if row not in self._meters][:room]
        self._without_rule = frozenset(without_rule)
        with self.table:
            for row in [row for row in rows if row in self._meters] + without_rule:
                if len(rows[row]) == 8 * KEPT:
                    at = self.table.row(row)
                    self.table.numbers[at : at + KEPT] = memoryview(rows[row]).cast("d")


def _too_many(rules: Rules) -> TooManyLimits:
    found = f"{len(rules.quotas)} limits of keys and teams, beside those that there were"
    return TooManyLimits(f"{found}: restart to have room")


def worst(denials: Sequence[Denial]) -> Denial:
    """The one that stands for the longest."""
    return max(denials, key=lambda denial: float("inf") if denial.retry_after is None else denial.retry_after)


def too_large(quota: Quota, need: Need) -> Denial:
    """For a request that is beyond what one may come to."""
    return Denial(quota.scope, quota.name, quota.limit, quota.most, need.tokens, None, None)
