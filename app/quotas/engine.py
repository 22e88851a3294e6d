"""The engine of limits: who may go on, what is reserved for them, and what they have used."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from app.quotas.kept_state import KeptState
from app.quotas.rules import Rules
from app.quotas.saving import Saving
from app.quotas.state_urls import described_state, read_state_url
from app.quotas.table import TableLedger
from app.quotas.times import suspended_too
from app.quotas.values import Crossed, Denial, LimitUsage, Need, Remaining, StateFigures
from app.settings import QuotaSettings, WorkerProcess

if TYPE_CHECKING:
    from app.quotas.redis_ledger import RedisLedger


class Reservation(Protocol):
    """What one request holds, from its admission to its end."""

    async def reserve(self, need: Need) -> Denial | None:
        """Reserve what the request may come to, before a provider is asked; to be called once. After a denial nothing
        is reserved. Raises StateUnreachable."""

    def commit(self, tokens: int, usd: float) -> list[Crossed]:
        """End the request with what it really used, of all attempts together, in place of what it reserved; also after
        a denial. Further calls change nothing. Returns the shares of budgets that are passed now."""


class Unlimited:
    """A reservation of a caller without limits."""

    async def reserve(self, need: Need) -> Denial | None:
        """Let it go on."""
        return None

    def commit(self, tokens: int, usd: float) -> list[Crossed]:
        """Count nothing."""
        return []


_UNLIMITED = Unlimited()


class Quotas:
    """The limits of all callers, used from one event loop. `worker` says with which processes they are shared; of these
    one `saves` what is used in a file, and has started before the others. `even` is an even clock in seconds that all
    of them have in common, `wall` the Unix time."""

    def __init__(
        self,
        rules: Rules,
        settings: QuotaSettings,
        worker: WorkerProcess | None = None,
        *,
        saves: bool = False,
        even: Callable[[], float] = suspended_too,
        wall: Callable[[], float] = time.time,
    ) -> None:
        url = read_state_url(settings.store)
        at_zero = settings.on_loss == "start_at_zero"
        self._is_started = False
        self._saving: Saving | None = None
        self._redis: RedisLedger | None = None
        self._table: TableLedger | None = None
        if url.kind != "redis" or at_zero:
            self._table = TableLedger(rules, worker, even, wall)
        self._kept: KeptState | None = None
        if self._table is not None and url.file is not None:
            self._kept = KeptState(self._table.table, even)
        if url.kind == "redis":
            self._redis = _redis_ledger(rules, settings.store, self._table, even)
        if self._table is not None and self._kept is not None and url.file is not None and (worker is None or saves):
            self._saving = Saving(self._table, self._kept, url.file, begins_at_zero=at_zero, even=even, wall=wall)
        ledger = self._table if self._redis is None else self._redis
        assert ledger is not None
        self._ledger: TableLedger | RedisLedger = ledger

    async def start(self) -> None:
        """Read what was used, before the first request; a further call does nothing. Raises StateLost."""
        if self._is_started:
            return
        self._is_started = True
        if self._saving is not None:
            await self._saving.start()
        if self._redis is not None:
            await self._redis.start()

    async def save(self) -> None:
        """Keep now what has changed; else it is done once a second, and at the end."""
        if self._saving is not None:
            await self._saving.save()

    async def close(self) -> None:
        """Keep what is used, after the last request. What is known can still be read."""
        if self._saving is not None:
            await self._saving.close()
        if self._redis is not None:
            await self._redis.close()

    def check(self, rules: Rules) -> None:
        """Raises TooManyLimits where `use` of these rules would; changes nothing."""
        self._ledger.check(rules)

    def use(self, rules: Rules) -> None:
        """Count by other rules from now on; what is used stays, and open requests keep what they hold. Raises
        TooManyLimits, and then nothing is changed."""
        self._ledger.use(rules)

    def is_limited(self, caller: str) -> bool:
        """Whether a caller has limits that are counted. `caller` is the id of its key."""
        return caller in self._ledger.accounts

    async def admit(self, caller: str, *, spends: bool = True) -> Reservation | Denial:
        """Count one request and one open stream, before the body is read. A caller whose hard budget is spent is denied
        unless the request `spends` nothing, such as one that counts tokens. Raises StateUnreachable."""
        if caller not in self._ledger.accounts:
            return _UNLIMITED
        return await self._ledger.admit(caller, spends=spends)

    async def usage(self, caller: str) -> list[LimitUsage]:
        """How much is used of each limit of a caller's key and team; none for callers without limits. Raises
        StateUnreachable."""
        return await self._ledger.usage(caller) if caller in self._ledger.accounts else []

    def known_usage(self, caller: str) -> list[LimitUsage]:
        """How much is used of each limit of a caller's key and team, as far as this process knows, for metrics."""
        return self._ledger.known_usage(caller) if caller in self._ledger.accounts else []

    def remaining(self, caller: str) -> list[Remaining]:
        """What is left of a caller's requests and tokens in a minute, of key and team where there is less, as far as
        this process knows: quicker than `known_usage`."""
        return self._ledger.remaining(caller) if caller in self._ledger.accounts else []

    def take_crossed(self) -> list[Crossed]:
        """The shares of budgets that were passed and that no `commit` has returned; each is given once."""
        return [] if self._redis is None else self._redis.take_crossed()

    def release_worker(self, index: int) -> None:
        """Give back what a process has reserved that is no more, before another one gets its index."""
        self._ledger.release_worker(index)

    @property
    def state(self) -> StateFigures:
        """How well it is kept what is used. Of processes that share limits each tells how old it is, and one alone of
        each loss."""
        if self._redis is not None:
            return self._redis.figures
        return StateFigures() if self._kept is None else self._kept.figures


def _redis_ledger(rules: Rules, store: str, fallback: TableLedger | None, even: Callable[[], float]) -> "RedisLedger":
    # An extra: most gateways have no such package.
    from app.quotas.redis_ledger import RedisLedger

    url = read_state_url(store)
    return RedisLedger(rules, url.address, url.prefix, described_state(store), fallback, even)
