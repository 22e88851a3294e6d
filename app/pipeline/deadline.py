"""One limit at a time on what a task waits for, without a timer for each wait.

A stream waits for its upstream and runs hooks thousands of times. Entering a limit stores a float; one timer per
stream, no more often than the shortest limit, looks whether the limit in force has passed. Limits nest, as a hook that
emits runs the next policy's hook: while the inner one is in force the outer one stands still, then starts anew.
"""

import asyncio
from math import inf
from types import TracebackType


class Deadline:
    """Made inside the task whose waits it bounds; `close()` in a `finally`."""

    def __init__(self, shortest: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._tick = shortest or inf
        self._timer: asyncio.TimerHandle | None = None
        self.current: Limit | None = None
        self._arm()

    def limit(self, seconds: float) -> "Limit":
        """`async with deadline.limit(30): ...` raises TimeoutError when the block takes longer. 0 means no limit."""
        return Limit(self, seconds or inf)

    def keepalive(self) -> None:
        """Start the limit in force anew."""
        if self.current is not None:
            self.current.restart()

    def now(self) -> float:
        return self._loop.time()

    def pause(self) -> None:
        """Stop the limit in force until `keepalive`: what follows is not its waiting."""
        if self.current is not None:
            self.current.pause()

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        due = self.current.due if self.current is not None else inf
        wake = min(due, self.now() + self._tick)
        if wake < inf:
            self._timer = self._loop.call_at(wake, self._look)

    def _look(self) -> None:
        if self.current is not None and self.now() >= self.current.due:
            self.current.expire()
        self._arm()


class Limit:
    """A bounded block of code. After it, `expired` tells whether it was cut off, `overrun` whether blocking code in it
    left the timer no turn to do so."""

    def __init__(self, deadline: Deadline, seconds: float) -> None:
        self._deadline = deadline
        self._seconds = seconds
        self._timeout = asyncio.timeout(None)
        self.due = inf
        self.overrun = False

    async def __aenter__(self) -> "Limit":
        self._outer = outer = self._deadline.current
        self._outer_runs = outer is not None and outer.due < inf
        await self._timeout.__aenter__()
        self._deadline.current = self
        self.restart()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.overrun = self._deadline.now() >= self.due
        self._deadline.current = self._outer
        if self._outer is not None and self._outer_runs:
            self._outer.restart()
        await self._timeout.__aexit__(kind, error, traceback)

    @property
    def expired(self) -> bool:
        return self._timeout.expired()

    def restart(self, seconds: float | None = None) -> None:
        """Begin anew, with another limit from now on if one is given."""
        if seconds is not None:
            self._seconds = seconds or inf
        self.due = self._deadline.now() + self._seconds

    def pause(self) -> None:
        self.due = inf

    def expire(self) -> None:
        self.due = inf
        self._timeout.reschedule(self._deadline.now())
