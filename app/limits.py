"""Limits on how long a task waits, without a timer for each wait.

`with Limit(30): await ...` raises TimeoutError when the block takes longer. asyncio's own timeout makes and cancels a
timer of the event loop each time, which takes 8 us under uvloop; here one timer per loop looks after all limits, and
entering one stores a float.

Limits nest, as a hook that emits runs the next policy's hook: of an outermost limit and its `inner` ones, that of the
innermost block is in force. The one around it is paused meanwhile, and starts anew afterwards.
"""

import asyncio
import threading
from math import inf
from time import monotonic
from types import TracebackType

EXPIRED = "a limit expired"
"""The message of the cancellation by which a limit ends its block: no other cancellation carries it."""


class Limit:
    """A bounded block of code; 0 seconds mean no bound. After the block, `expired` tells whether it was cut off, and
    `overrun` whether blocking code in it left the timer no turn to do so. It can bound several blocks, one after the
    other."""

    __slots__ = (
        "_cancelling",
        "_inner",
        "_outer",
        "_outer_runs",
        "_outermost",
        "_seconds",
        "_task",
        "_watch",
        "due",
        "expired",
        "overrun",
    )

    def __init__(self, seconds: float, outermost: "Limit | None" = None) -> None:
        if outermost is None:
            loop = asyncio.get_running_loop()
            self._watch = _here.watch if _here.loop is loop else _watch_of(loop)
        else:
            self._watch = outermost._watch
        self._seconds = seconds or inf
        self._task: asyncio.Task[object] | None = None
        self._cancelling = 0
        self._outermost = outermost
        self._outer: Limit | None = None
        self._outer_runs = False
        self._inner: Limit | None = None
        self.due = inf
        """When it cuts off the block, in seconds of `monotonic`. One that is in force may be put off in place."""
        self.expired = False
        self.overrun = False

    def inner(self, seconds: float) -> "Limit":
        """A limit for a block inside this one; to be asked of the outermost limit, however deep the block lies."""
        return Limit(seconds, self)

    @property
    def is_cancelled_from_elsewhere(self) -> bool:
        """Whether somebody has cancelled the task since the block began: a cancellation that the block itself lets out
        is counted by no task."""
        return self._task is not None and self._task.cancelling() > self._cancelling

    @property
    def in_force(self) -> "Limit":
        """The limit of the innermost block, or this one; to be asked of the outermost limit."""
        return self._inner or self

    def __enter__(self) -> "Limit":
        self._task = task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a limit needs a task that it can cut off")
        self._cancelling = task.cancelling()
        self.expired = False
        outermost = self._outermost
        if outermost is not None:
            self._outer = outer = outermost._inner or outermost
            self._outer_runs = outer.due < inf
            outer.due = inf
            outermost._inner = self
        watch = self._watch
        watch.limits.add(self)
        # As `restart`, in place: it happens for each call of a hook.
        self.due = due = monotonic() + self._seconds
        if due < watch.wakes_at:
            watch.wake_at(due)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._watch.limits.discard(self)
        self.overrun = monotonic() >= self.due
        outer, outermost = self._outer, self._outermost
        if outer is not None and outermost is not None:
            outermost._inner = None if outer is outermost else outer
            if self._outer_runs:
                outer.restart()
        task = self._task
        if task is None:
            return
        # As asyncio.timeout does: a cancellation from elsewhere stays one, even if the block swallowed it.
        if self.expired and task.uncancel() <= self._cancelling and isinstance(error, asyncio.CancelledError):
            raise TimeoutError from error
        if error is None and task.cancelling() > self._cancelling:
            raise asyncio.CancelledError

    def restart(self, seconds: float | None = None) -> None:
        """Begin anew, with another limit from now on if one is given."""
        if seconds is not None:
            self._seconds = seconds or inf
        self.due = due = monotonic() + self._seconds
        if due < self._watch.wakes_at:
            self._watch.wake_at(due)

    def pause(self) -> None:
        """Put the limit out of force until `restart`."""
        self.due = inf

    def expire(self) -> None:
        """Cut off the block, once. Called by the loop's timer."""
        self.due = inf
        if self._task is not None and not self.expired:
            self.expired = True
            self._task.cancel(EXPIRED)


class _Watch:
    """The limits of one event loop, and the one timer that looks after them."""

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
    """The event loop that runs in this thread, and its watch, which ends with the thread or with the next loop."""

    loop: asyncio.AbstractEventLoop | None = None
    watch = _Watch()


_here = _Here()


def _watch_of(loop: asyncio.AbstractEventLoop) -> _Watch:
    _here.loop, _here.watch = loop, _Watch()
    return _here.watch
