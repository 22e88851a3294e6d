"""Keeps what is used in a file: reads it at the start, and writes what has changed once a second and at the end.

What has changed is copied on the event loop, some rows at a time, and written by a thread of its own, so that a slow
disk is no request's concern. While it cannot be written, what has changed is held for the next time.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from app.quotas.kept_state import KeptState
from app.quotas.sqlite_state import SavedClock, SavedState, SqliteState, StateDamaged, StateNotKept
from app.quotas.table import ROWS_AT_ONCE, TableLedger
from app.quotas.times import boot_id
from app.quotas.values import StateLost

_log = logging.getLogger("flowspan")
_INTERVAL = 1.0
_CLOCK_INTERVAL = 10.0
"""Seconds after which the time is written if nothing has changed."""


class Saving:
    """`begins_at_zero` says what is done where the file cannot be read. `even` and `wall` are the ledger's clocks."""

    def __init__(
        self,
        ledger: TableLedger,
        kept: KeptState,
        file: Path,
        *,
        begins_at_zero: bool,
        even: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._ledger = ledger
        self._kept = kept
        self._file = file
        self._state = SqliteState(file)
        self._begins_at_zero = begins_at_zero
        self._even = even
        self._wall = wall
        self._boot = boot_id()
        self._thread = ThreadPoolExecutor(1, "flowspan-quotas")
        self._saving = asyncio.Lock()
        self._pending: dict[str, bytes] = {}
        self._fails = False
        self._written = -_CLOCK_INTERVAL
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the file, and write it from now on. Raises StateLost."""
        loop = asyncio.get_running_loop()
        try:
            self._restore(await loop.run_in_executor(self._thread, self._state.open))
        except StateDamaged as error:
            if not self._begins_at_zero:
                self._state.close()
                raise StateLost(self._refusal(error)) from None
            await loop.run_in_executor(self._thread, self._state.begin, f".damaged-{int(time.time())}")
            self._kept.lose()
            _log.warning("limits and budgets begin at zero: %s: %s", self._file.absolute(), error)
        except StateLost:
            self._state.close()
            raise
        await self.save()
        self._task = asyncio.create_task(self._save_on())

    def _refusal(self, error: StateDamaged) -> str:
        file = self._file.absolute()
        if self._file.exists():
            return f"{file}: {error}; move it away and `touch {file}` to begin at zero"
        return f"{file}: {error}; `touch {file}` before the first start, or where it may begin at zero"

    async def close(self) -> None:
        """Write what has changed, and give the file back."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            await self.save()
        self._thread.shutdown()
        self._state.close()

    def _restore(self, saved: SavedState) -> None:
        if saved.clock is None:
            return
        ledger = self._ledger
        with ledger.table:
            ledger.clock.set(*saved.clock.resumed(self._boot, self._even(), self._wall()))
        ledger.restore(saved.rows)

    async def _save_on(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL)
            await self.save()

    async def save(self) -> None:
        """Write what has changed. A failure is in the log, and what has changed is held for the next time."""
        async with self._saving:
            await self._save()

    async def _save(self) -> None:
        now = self._even()
        clock = await self._take_changes()
        if not self._pending and now - self._written < _CLOCK_INTERVAL:
            self._kept.keep(now)
            return
        loop = asyncio.get_running_loop()
        try:
            if await loop.run_in_executor(self._thread, self._state.is_gone):
                _log.warning("%s is gone, and is made anew: what is used is known", self._file.absolute())
                await loop.run_in_executor(self._thread, self._state.make_anew)
                self._pending |= self._ledger.all_numbers()
            await loop.run_in_executor(self._thread, self._state.write, clock, self._pending)
        except StateNotKept as error:
            if not self._fails:
                _log.error("what is used of limits and budgets cannot be kept in %s: %s", self._file.absolute(), error)
            self._fails = True
            return
        if self._fails:
            _log.info("what is used of limits and budgets is kept again in %s", self._file.absolute())
        self._fails = False
        self._pending.clear()
        self._written = now
        self._kept.keep(now)

    async def _take_changes(self) -> SavedClock:
        """Have what has changed since the last time among what is pending. Returns the time of that."""
        ledger, first = self._ledger, 0
        with ledger.table:
            ledger.clock.read()
            clock = ledger.clock
            saved = SavedClock(self._boot, self._even(), self._wall(), clock.steady, clock.calendar, clock.state)
        while (changed := ledger.changed_numbers(first)) is not None:
            self._pending |= changed
            first += ROWS_AT_ONCE
            # Requests take their turns between.
            await asyncio.sleep(0)
        return saved
