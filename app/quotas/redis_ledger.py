"""Limits that several gateways share in a Redis, which does each step by a script, and so in one.

Admission and reservation ask it and wait. What a request used at its end is gathered and sent in batches, each with a
number, so that one which has to be sent again is taken once.

A gateway says once a second that it lives. What one has reserved that has been silent for 15 seconds counts no longer.
When the Redis does not reply, a gateway is on its own: it counts in its own memory, or refuses, and tries each second
to get back. Then it comes under a new name, so that nothing counts which it asked for and never heard of, and brings
the dollars that were spent meanwhile and what its open requests hold.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from app.quotas.periods import Jump
from app.quotas.redis_calls import RedisCalls, RedisUnreachable
from app.quotas.redis_changes import Batch, Pending, RedisReservation
from app.quotas.redis_terms import (
    Change,
    Reading,
    RedisTime,
    crossed_of,
    denial_of,
    readings_of,
    remaining_of,
    request_of,
    usage_of,
)
from app.quotas.rules import Quota, Rules
from app.quotas.table import TableLedger, too_large, worst
from app.quotas.times import BELIEVED_AFTER, SMALL_STEP
from app.quotas.values import Crossed, Denial, LimitUsage, Need, Remaining, StateFigures, StateLost, StateUnreachable

_log = logging.getLogger("flowspan")
_LIMIT = 0.25
"""Seconds for which the Redis is waited for."""
_INTERVAL = 1.0
_SLOW_TICK = 0.5
"""Seconds after which the time in a reply is too old to go by."""
_CHUNK = 200
"""Quotas in one call: the Redis does nothing else while it looks at them."""
_NOTHING = Reading()


class RedisLedger:
    """`fallback` counts while the Redis cannot be reached; None to refuse then. `even` is an even clock. `name` is
    where the Redis is, for the log."""

    def __init__(
        self,
        rules: Rules,
        address: str,
        prefix: str,
        name: str,
        fallback: TableLedger | None,
        even: Callable[[], float],
    ) -> None:
        self.accounts = rules.accounts
        self._calls = RedisCalls(address, _LIMIT)
        self._prefix = f"{{{prefix}}}:"
        self._name = name
        self._fallback = fallback
        self._even = even
        self._gateway = _new_name()
        self._former = ""
        self._is_up = False
        self._time = RedisTime(even(), -1, 0, 0, 0, Jump())
        self._contact = even()
        self._open: set[RedisReservation] = set()
        self._pending = Pending()
        self._crossed: list[Crossed] = []
        self._readings: dict[str, Reading] = {}
        """What was last read of each quota, by its row."""
        self._next = 0
        """Which quota is to be read next, for metrics."""
        self._losses = 0
        self._flushing: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Find the Redis. Raises StateLost where it cannot be reached and nothing may pass uncounted."""
        try:
            await self._join()
        except RedisUnreachable as error:
            if self._fallback is None:
                await self._calls.close()
                raise StateLost(f"{self._name} cannot be reached: {error}") from None
            self._losses += 1
            _log.warning("limits and budgets begin at zero, by themselves: %s: %s", self._name, error)
        self._watching = asyncio.create_task(self._watch())

    async def close(self) -> None:
        """Send what is not sent yet."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait([self._watching])
        if self._flushing is not None:
            await asyncio.wait([self._flushing])
        with suppress(RedisUnreachable):
            await (self._send_all() if self._is_up else self._join())
        if self._pending:
            _log.error("the end of what was used of limits and budgets is lost: %s cannot be reached", self._name)
        await self._calls.close()

    def check(self, rules: Rules) -> None:
        """Raises TooManyLimits where there is no room to count by these rules while Redis is away."""
        if self._fallback is not None:
            self._fallback.check(rules)

    def use(self, rules: Rules) -> None:
        if self._fallback is not None:
            self._fallback.use(rules)
        self.accounts = rules.accounts

    async def admit(self, caller: str, *, spends: bool) -> RedisReservation | Denial:
        account = self.accounts[caller]
        reservation = RedisReservation(self, caller, account)
        if self._is_up:
            changes = reservation.admission(spends=spends)
            with suppress(RedisUnreachable):
                denial = await self._take(changes)
                if denial is not None:
                    return denial
                reservation.gateway = self._gateway
                self._open.add(reservation)
                return reservation
        if self._fallback is None:
            raise StateUnreachable(f"{self._name} cannot be reached")
        local = await self._fallback.admit(caller, spends=spends)
        if isinstance(local, Denial):
            return local
        reservation.local = local
        self._open.add(reservation)
        return reservation

    async def reserve(self, reservation: RedisReservation, need: Need) -> Denial | None:
        for quota in reservation.account.largest:
            if need.tokens > quota.most:
                return too_large(quota, need)
        if self._is_up and reservation.local is None:
            with suppress(RedisUnreachable):
                section = int(self._time.steady(self._even()))
                denial = await self._take(reservation.demand(need, section))
                if denial is None:
                    reservation.need, reservation.section = need, section
                return denial
        if self._fallback is None:
            raise StateUnreachable(f"{self._name} cannot be reached")
        if reservation.local is None:
            reservation.local = self._fallback.adopt(reservation.caller)
        denial = None if reservation.local is None else await reservation.local.reserve(need)
        if denial is None:
            reservation.need = need
        return denial

    def commit(self, reservation: RedisReservation, tokens: int, usd: float) -> list[Crossed]:
        self._open.discard(reservation)
        crossed: list[Crossed] = []
        if reservation.local is not None:
            crossed = reservation.local.commit(tokens, usd)
        self._pending.add(reservation.end(tokens, usd, holds=reservation.gateway == self._gateway))
        self._flush_soon()
        return crossed + self.take_crossed()

    async def usage(self, caller: str) -> list[LimitUsage]:
        if self._is_up:
            with suppress(RedisUnreachable):
                return await self._usage(self.accounts[caller].quotas)
        if self._fallback is None:
            raise StateUnreachable(f"{self._name} cannot be reached")
        return await self._fallback.usage(caller)

    def known_usage(self, caller: str) -> list[LimitUsage]:
        if not self._is_up:
            return [] if self._fallback is None else self._fallback.known_usage(caller)
        steady, calendar = self._now()
        pairs = [(quota, self._readings.get(quota.row, _NOTHING)) for quota in self.accounts[caller].quotas]
        return [usage for quota, reading in pairs for usage in usage_of(quota, reading, steady, calendar)]

    def remaining(self, caller: str) -> list[Remaining]:
        if not self._is_up:
            return [] if self._fallback is None else self._fallback.remaining(caller)
        steady, calendar = self._now()
        least: dict[str, Remaining] = {}
        for quota in self.accounts[caller].quotas:
            if quota.limit in ("requests_per_minute", "tokens_per_minute"):
                reading = self._readings.get(quota.row, _NOTHING)
                one = remaining_of(quota, reading, steady, calendar)
                least[quota.limit] = min(one, least.get(quota.limit, one), key=lambda each: each.left)
        return list(least.values())

    def take_crossed(self) -> list[Crossed]:
        crossed, self._crossed = self._crossed, []
        return crossed

    def release_worker(self, index: int) -> None:
        """Give back what a process of this machine held by itself; the Redis misses it without being told."""
        if self._fallback is not None:
            self._fallback.release_worker(index)

    @property
    def figures(self) -> StateFigures:
        return StateFigures(max(self._even() - self._contact, 0.0), self._losses, not self._is_up, self._losses > 0)

    def _now(self) -> tuple[float, float]:
        even = self._even()
        return self._time.steady(even), self._time.calendar(even)

    async def _usage(self, quotas: Sequence[Quota]) -> list[LimitUsage]:
        _, readings = await self._call([Change(quota) for quota in quotas], detail=True)
        steady, calendar = self._now()
        pairs = zip(quotas, readings, strict=True)
        return [usage for quota, reading in pairs for usage in usage_of(quota, reading, steady, calendar)]

    async def _take(self, changes: Sequence[Change]) -> Denial | None:
        """Take all of it or none. Raises RedisUnreachable, and then nothing of it counts."""
        if not changes:
            return None
        denied, readings = await self._call(changes, check=True)
        if not denied:
            return None
        steady, calendar = self._now()
        pairs = zip(changes, readings, strict=True)
        return worst([denial_of(change, one, steady, calendar) for change, one in pairs if one.denies])

    async def _call(
        self, changes: Sequence[Change], *, check: bool = False, detail: bool = False
    ) -> tuple[bool, list[Reading]]:
        gateway = self._gateway
        request = request_of(changes, self._time, self._even(), gateway, check=check, detail=detail)
        reply = self._calls.call("take.lua", self._keys(changes), [request])
        try:
            found = readings_of(await asyncio.shield(reply))
        except asyncio.CancelledError:
            # Whoever asked has gone, and would not give back what is taken.
            reply.add_done_callback(partial(self._undo, gateway, changes))
            raise
        except RedisUnreachable as error:
            self._part(str(error))
            raise
        if gateway != self._gateway:
            raise RedisUnreachable("its reply came when the gateway had left")
        self._contact = self._even()
        self._readings.update((change.quota.row, one) for change, one in zip(changes, found[1], strict=True))
        return found

    def _undo(self, gateway: str, changes: Sequence[Change], reply: asyncio.Future[Any]) -> None:
        taken = not reply.cancelled() and reply.exception() is None and reply.result()[0] == "0"
        if taken and gateway == self._gateway:
            self._pending.add([change.undone() for change in changes])
            self._flush_soon()

    def _keys(self, changes: Sequence[Change]) -> list[str]:
        return [f"{self._prefix}gateways", *(self._prefix + change.quota.row for change in changes)]

    def _flush_soon(self) -> None:
        if self._is_up and self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())

    async def _flush(self) -> None:
        try:
            await self._send_all()
        except RedisUnreachable as error:
            self._part(str(error))
        finally:
            self._flushing = None

    async def _send_all(self) -> None:
        """Send what is pending, and what was not confirmed first."""
        while (batch := self._pending.next_batch(self._gateway, _CHUNK)) is not None:
            await self._send(batch)
            self._pending.confirm(batch)

    async def _send(self, batch: Batch) -> None:
        request = request_of(batch.changes, self._time, self._even(), batch.gateway, number=batch.number)
        _, readings = readings_of(await self._calls.call("take.lua", self._keys(batch.changes), [request]))
        # There are none where it was taken before.
        for change, reading in zip(batch.changes, readings, strict=False):
            self._readings[change.quota.row] = reading
            if change.add and change.quota.limit.startswith("budget"):
                self._crossed += crossed_of(change.quota, reading)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL)
            with suppress(RedisUnreachable):
                if self._is_up:
                    await self._tick_or_part()
                    await self._read_on()
                else:
                    await self._join()
                    _log.warning("limits and budgets are counted in %s again", self._name)

    async def _read_on(self) -> None:
        """Read some quotas, others each time, as their numbers change by what other gateways do."""
        if self._is_up and (quotas := list(Rules(self.accounts).quotas.values())):
            first = self._next if self._next < len(quotas) else 0
            await self._usage(quotas[first : first + _CHUNK])
            self._next = first + _CHUNK

    async def _tick_or_part(self) -> None:
        try:
            known = await self._tick()
        except RedisUnreachable as error:
            self._part(str(error))
            return
        if not known:
            self._losses += 1
            self._part("it has forgotten all that was used")

    def _part(self, reason: str) -> None:
        """Be on one's own from now on."""
        if not self._is_up:
            return
        self._is_up = False
        self._former, self._gateway = self._gateway, _new_name()
        self._pending.forget_reserved()
        what = "requests of callers with limits are refused" if self._fallback is None else "this process counts alone"
        _log.error("limits and budgets: %s does not do its part, and %s: %s", self._name, what, reason)

    async def _join(self) -> None:
        """Be one of the Redis's gateways, under a new name. Raises RedisUnreachable."""
        await self._tick()
        while True:
            await self._send_all()
            strangers = [one for one in self._open if one.gateway != self._gateway]
            if not strangers:
                break
            section = int(self._time.steady(self._even()))
            for reservation in strangers:
                self._pending.add(reservation.moved(self._gateway, section))
        self._is_up = True

    async def _tick(self) -> bool:
        """Say that this gateway lives, and take the time; False where the Redis did not know it any more."""
        last, began = self._time, self._even()
        arguments = (
            self._gateway,
            last.server,
            began - last.even,
            last.epoch,
            SMALL_STEP,
            BELIEVED_AFTER,
            self._former,
        )
        keys = [f"{self._prefix}gateways", f"{self._prefix}clock"]
        reply = await self._calls.call("tick.lua", keys, [str(argument) for argument in arguments])
        self._contact = even = self._even()
        server, epoch, steady, calendar, *jump = map(float, reply[:7])
        if even - began < _SLOW_TICK or last.server < 0:
            self._time = RedisTime((began + even) / 2, server, epoch, steady, calendar, Jump(*jump))
        return bool(reply[7] == "1" or last.server < 0)


def _new_name() -> str:
    return secrets.token_hex(8)
