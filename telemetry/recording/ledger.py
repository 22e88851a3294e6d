"""Splits a transaction's wall time among those it was waiting for, as it happens.

At each moment exactly one part owns the time, so the parts add up to the whole by construction, however many tasks of
the transaction are at work. When several are, the one nearest to the client counts: a blocked client before the
formatter, before a policy, before items that wait in a queue, before the wait for a deployment that has as much to do
as it may (`admission`), before the upstream. When nothing is active the gateway
itself is at work, and that time is the formatter's.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from operator import itemgetter
from time import perf_counter

from telemetry.names import GATEWAY_SHARE, WHERE, Where

_PRECEDENCE: tuple[Where, ...] = ("client", "format", "policy", "queue", "admission", "upstream")
_BIT: dict[Where, int] = {where: 1 << rank for rank, where in enumerate(_PRECEDENCE)}


def _owner(active: int) -> Where:
    return next((where for where in _PRECEDENCE if active & _BIT[where]), "format")


_OWNER: tuple[Where, ...] = tuple(_owner(active) for active in range(1 << len(_PRECEDENCE)))
"""The owner of a moment for every set of active parts."""

_gateway_share: Callable[[Mapping[Where, float]], tuple[float, ...]] = itemgetter(*GATEWAY_SHARE)


class TimeLedger:
    """The time ledger of one transaction, which runs until `close()`. `clock` returns monotonic seconds."""

    __slots__ = (
        "_clock",
        "_counts",
        "_owner",
        "_since",
        "active",
        "is_closed",
        "opened_at",
        "overhead_s",
        "seconds",
        "total_s",
    )

    def __init__(self, clock: Callable[[], float] = perf_counter) -> None:
        self._clock = clock
        self._counts: dict[Where, int] = dict.fromkeys(WHERE, 0)
        self.seconds: dict[Where, float] = dict.fromkeys(WHERE, 0.0)
        """Seconds of each part; whole once the ledger is closed, as are the next two."""
        self.total_s = 0.0
        """Seconds from the start to the close."""
        self.overhead_s = 0.0
        """Seconds of the parts that the gateway itself answers for."""
        self.active = 0
        """Bits of the parts that are active: 0 while nothing is entered and no item waits."""
        self._owner: Where = _OWNER[0]
        self.is_closed = False
        self.opened_at = self._since = clock()

    def enter(self, where: Where) -> None:
        """Have a part active from now on. Each enter wants a leave."""
        count = self._counts[where]
        self._counts[where] = count + 1
        if not count:
            self.active = active = self.active | _BIT[where]
            owner = _OWNER[active]
            # In place, here and below: it happens several times for each chunk.
            if owner is not self._owner and not self.is_closed:
                now = self._clock()
                self.seconds[self._owner] += now - self._since
                self._since, self._owner = now, owner

    def leave(self, where: Where, now: float | None = None) -> None:
        """Undo one enter; without one nothing changes. `now` saves reading the clock again."""
        count = self._counts[where]
        if count == 1:
            self._counts[where] = 0
            self.active = active = self.active & ~_BIT[where]
            owner = _OWNER[active]
            if owner is not self._owner and not self.is_closed:
                now = self._clock() if now is None else now
                self.seconds[self._owner] += now - self._since
                self._since, self._owner = now, owner
        elif count:
            self._counts[where] = count - 1

    def charge(self, where: Where) -> "Charge":
        """A `with` block that is one part's time, as in `with ledger.charge("client")`. Too dear for each chunk."""
        return Charge(self, where)

    @contextmanager
    def lifted(self, where: Where) -> Iterator[None]:
        """A `with` block in which `where`, however often it was entered, is not active: it waits for somebody else."""
        entered = self._counts[where]
        for _ in range(entered):
            self.leave(where)
        try:
            yield
        finally:
            for _ in range(entered):
                self.enter(where)

    def queued(self, items: int) -> None:
        """`items` entered a queue, or left it when negative."""
        before = self._counts["queue"]
        self._counts["queue"] = after = before + items
        if (before > 0) is not (after > 0):
            self.active = active = self.active ^ _BIT["queue"]
            owner = _OWNER[active]
            if owner is not self._owner and not self.is_closed:
                now = self._clock()
                self.seconds[self._owner] += now - self._since
                self._since, self._owner = now, owner

    @property
    def waiting_for(self) -> Where:
        return self._owner

    @property
    def total(self) -> float:
        """Seconds from the start to the close, or to now."""
        return (self._since if self.is_closed else self._clock()) - self.opened_at

    def snapshot(self) -> Mapping[Where, float]:
        """Seconds of each part until the close, or until now."""
        if self.is_closed:
            return self.seconds
        now = self._clock()
        self.seconds[self._owner] += now - self._since
        self._since = now
        return dict(self.seconds)

    def overhead(self, now: float) -> float:
        """Seconds of the parts that the gateway itself answers for, until the close or until now."""
        if not self.is_closed:
            self.seconds[self._owner] += now - self._since
            self._since = now
        return sum(_gateway_share(self.seconds))

    def close(self) -> None:
        """Stop the ledger. Nothing changes it afterwards."""
        if not self.is_closed:
            now = self._clock()
            self.seconds[self._owner] += now - self._since
            self._since = now
            self.is_closed = True
            self.total_s = now - self.opened_at
            self.overhead_s = sum(_gateway_share(self.seconds))


class Charge:
    """A block of code that is one part's time."""

    __slots__ = ("_ledger", "_where")

    def __init__(self, ledger: TimeLedger, where: Where) -> None:
        self._ledger = ledger
        self._where = where

    def __enter__(self) -> None:
        self._ledger.enter(self._where)

    def __exit__(self, *_: object) -> None:
        self._ledger.leave(self._where)
