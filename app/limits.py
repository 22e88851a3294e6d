"""Limits on how long a task waits, without a timer for each wait.

`with Limit(30): await ...` raises TimeoutError when the block takes longer. asyncio's own timeout makes and cancels a
timer of the event loop each time, which takes 8 us under uvloop; here one timer per loop looks after all limits, and
entering one stores a float.
"""

import asyncio
import threading
from math import inf
from time import monotonic
from types import TracebackType


class Limit:
    """A bounded block of code; 0 seconds mean no bound. After it, `expired` tells whether it was cut off, `overrun`
    whether blocking code in it left the timer no turn to do so."""

    __slots__ = ("_cancelling", "_seconds", "_task", "_watch", "due", "expired", "overrun")

    def __init__(self, seconds: float) -> None:
        self._watch = _watch()
        self._seconds = seconds or inf
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self.due = inf
        self.expired = False
        self.overrun = False

    def __enter__(self) -> "Limit":
        self._task = task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a limit needs a task that it can cut off")
        self._cancelling = task.cancelling()
        self._watch.limits.add(self)
        self.restart()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watch.limits.discard(self)
        self.overrun = monotonic() >= self.due
        # As asyncio.timeout does: a cancellation from elsewhere stays one.
        cut_off = self.expired and self._task is not None and self._task.uncancel() <= self._cancelling
        if cut_off and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error

    def restart(self, seconds: float | None = None) -> None:
        """Begin anew, with another limit from now on if one is given."""
        if seconds is not None:
            self._seconds = seconds or inf
        self.due = due = monotonic() + self._seconds
        if due < self._watch.wakes_at:
            self._watch.wake_at(due)

    def pause(self) -> None:
        """Until `restart`."""
        self.due = inf

    def expire(self) -> None:
        self.due = inf
        if self._task is not None and not self.expired:
            self.expired = True
            self._task.cancel()


class _Watch:
    """The limits that are in force on one event loop."""

    def __init__(self) -> None:
        self.limits: set[Limit] = set()
        self.wakes_at = inf
        self._timer: asyncio.TimerHandle | None = None

    def wake_at(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.wakes_at = due
        self._timer = asyncio.get_running_loop().call_later(due - monotonic(), self._look)

    def _look(self) -> None:
        self.wakes_at, self._timer = inf, None
        now = monotonic()
        for limit in [limit for limit in self.limits if limit.due <= now]:
            limit.expire()
        # A limit that was left or put off meanwhile costs this look, and nothing before.
        due = min((limit.due for limit in self.limits), default=inf)
        if due < inf:
            self.wake_at(due)


class _Here(threading.local):
    """The loop that runs in this thread, and its watch."""

    loop: asyncio.AbstractEventLoop | None = None
    watch = _Watch()


_here = _Here()


def _watch() -> _Watch:
    loop = asyncio.get_running_loop()
    if _here.loop is not loop:
        _here.loop, _here.watch = loop, _Watch()
    return _here.watch
