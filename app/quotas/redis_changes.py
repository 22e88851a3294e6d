"""What a request changes in a Redis, and what is on its way there."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from app.quotas.redis_terms import Change
from app.quotas.rules import Account, Quota
from app.quotas.table import TableReservation
from app.quotas.values import Crossed, Denial, Need


class Asked(Protocol):
    """The ledger, as a reservation asks it."""

    async def reserve(self, reservation: "RedisReservation", need: Need) -> Denial | None:
        """Reserve what a request may come to. Raises StateUnreachable."""

    def commit(self, reservation: "RedisReservation", tokens: int, usd: float) -> list[Crossed]:
        """End a request with what it used."""


class RedisReservation:
    """What one request holds. `local` is what it holds in this process while the Redis cannot be reached."""

    __slots__ = ("_is_over", "_ledger", "account", "caller", "gateway", "local", "need", "section")

    def __init__(self, ledger: Asked, caller: str, account: Account) -> None:
        self._ledger = ledger
        self._is_over = False
        self.caller = caller
        self.account = account
        self.gateway = ""
        """Under which name the Redis has it; empty where it has not."""
        self.local: TableReservation | None = None
        self.need: Need | None = None
        """What is reserved."""
        self.section: int | None = None
        """In which the Redis has tokens reserved; None where it has none."""

    async def reserve(self, need: Need) -> Denial | None:
        return await self._ledger.reserve(self, need)

    def commit(self, tokens: int, usd: float) -> list[Crossed]:
        if self._is_over:
            return []
        self._is_over = True
        return self._ledger.commit(self, tokens, usd)

    def admission(self, *, spends: bool) -> list[Change]:
        """One request and one open stream; what is spent is looked at."""
        changes = []
        for quota in self.account.quotas:
            if quota.limit == "requests_per_minute":
                changes.append(Change(quota, add=1))
            elif quota.limit == "streams":
                changes.append(Change(quota, reserve=1))
            elif spends and _is_budget(quota) and quota.most < float("inf"):
                changes.append(Change(quota, is_spent=True))
        return changes

    def demand(self, need: Need, section: int) -> list[Change]:
        """Tokens in a second of the steady time, and dollars."""
        changes = []
        for quota in self.account.quotas:
            if quota.limit == "tokens_per_minute":
                changes.append(Change(quota, section, add=need.tokens, open=need.tokens))
            elif _is_budget(quota):
                changes.append(Change(quota, reserve=need.usd))
        return changes

    def end(self, tokens: int, usd: float, *, holds: bool) -> list[Change]:
        """The truth in place of what was reserved. Of a request that the Redis does not know, which `holds` nothing
        there, the dollars alone: a minute's tokens are soon of no matter."""
        need, estimate = self.need or Need(0, 0), self._estimate
        changes = []
        for quota in self.account.quotas:
            if quota.limit == "streams":
                changes.append(Change(quota, reserve=-1 if holds else 0))
            elif quota.limit == "tokens_per_minute" and self.gateway:
                changes.append(Change(quota, self.section, add=tokens - estimate, open=-estimate))
            elif _is_budget(quota):
                changes.append(Change(quota, add=usd, reserve=-need.usd if holds else 0))
        return changes

    @property
    def _estimate(self) -> int:
        """Tokens that the Redis has reserved."""
        return 0 if self.need is None or self.section is None else self.need.tokens

    def moved(self, gateway: str, section: int) -> list[Change]:
        """What it holds, for the Redis to know it under another name. What it held in this process is given back."""
        need, self.gateway = self.need or Need(0, 0), gateway
        if self.local is not None:
            self.local.commit(0, 0)
            self.local = None
        is_new = self.need is not None and self.section is None
        if is_new:
            self.section = section
        changes = []
        for quota in self.account.quotas:
            if quota.limit == "streams":
                changes.append(Change(quota, reserve=1))
            elif quota.limit == "tokens_per_minute" and is_new:
                changes.append(Change(quota, section, add=need.tokens, open=need.tokens))
            elif _is_budget(quota):
                changes.append(Change(quota, reserve=need.usd))
        return changes


class Batch(NamedTuple):
    """Changes that are sent together, under the name that their gateway had."""

    gateway: str
    number: int
    changes: Sequence[Change]


class Pending:
    """Changes that the Redis has not confirmed. Those of the same quota are one change until they are sent."""

    def __init__(self) -> None:
        self._changes: dict[tuple[str, int | None], Change] = {}
        self._sent: Batch | None = None
        self._number = 0

    def __bool__(self) -> bool:
        return bool(self._changes or self._sent)

    def add(self, changes: Iterable[Change]) -> None:
        """Have changes sent with the next batch."""
        for change in changes:
            known = self._changes.setdefault((change.quota.row, change.at), Change(change.quota, change.at))
            known.add += change.add
            known.open += change.open
            known.reserve += change.reserve

    def forget_reserved(self) -> None:
        """Leave out what changes under a name that no longer counts."""
        for change in self._changes.values():
            change.reserve = 0

    def next_batch(self, gateway: str, most: int) -> Batch | None:
        """The batch that is to be sent: one that was not confirmed, or up to so many changes."""
        if self._sent is None and self._changes:
            keys = list(self._changes)[:most]
            self._number += 1
            self._sent = Batch(gateway, self._number, [self._changes.pop(key) for key in keys])
        return self._sent

    def confirm(self, batch: Batch) -> None:
        """Forget a batch that has been taken."""
        if batch is self._sent:
            self._sent = None


def _is_budget(quota: Quota) -> bool:
    return quota.limit.startswith("budget")
