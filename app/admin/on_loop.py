"""Performs acts on an event loop that another thread has: the admin API answers whatever the gateway's loop does."""

import asyncio
from concurrent.futures import Future
from functools import partial
from typing import Protocol

from app.admin.acts import Act, NotPerformed, Outcome, Performer

_BEGIN_LIMIT = 2.0
"""Seconds within which the loop has to begin an act."""


class HasLoop(Protocol):
    """What runs on an event loop, once it has started."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None: ...


class PerformerOnLoop:
    """A performer for other event loops than that of `runs`, on which `performer` performs."""

    def __init__(self, performer: Performer, runs: HasLoop, begin_limit: float = _BEGIN_LIMIT) -> None:
        self._performer = performer
        self._runs = runs
        self._begin_limit = begin_limit
        self._under_way: set[asyncio.Task[Outcome]] = set()
        """Belongs to the performer's loop."""

    async def perform(self, act: Act, actor: str) -> Outcome:
        """Have the act performed. Raises Refused; and NotPerformed where the loop does not begin it in time, and then
        never will, or does not come to an end of it."""
        loop = self._runs.loop
        if loop is None or loop.is_closed():
            raise NotPerformed("the gateway does not run: the act was not performed")
        begun: Future[None] = Future()
        done: Future[Outcome] = Future()
        try:
            loop.call_soon_threadsafe(self._begin, act, actor, begun, done)
        except RuntimeError:
            raise NotPerformed("the gateway has ended: the act was not performed") from None
        try:
            await asyncio.wait_for(asyncio.wrap_future(begun), self._begin_limit)
        except TimeoutError:
            # It was not cancelled if the loop has begun just now.
            if begun.cancelled():
                stood = f"the gateway's event loop has stood still for {self._begin_limit:g} s"
                raise NotPerformed(f"{stood}: the act was not performed") from None
        try:
            return await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(done)), act.time_limit)
        except TimeoutError:
            raise NotPerformed(
                f"the act was begun and has not ended within {act.time_limit:g} s; it may end yet"
            ) from None

    def _begin(self, act: Act, actor: str, begun: Future[None], done: Future[Outcome]) -> None:
        """On the performer's loop: perform what still is wanted."""
        if not begun.set_running_or_notify_cancel():
            return
        begun.set_result(None)
        task = asyncio.get_running_loop().create_task(_performing(self._performer, act, actor))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)
        task.add_done_callback(partial(_hand_over, done=done))


async def _performing(performer: Performer, act: Act, actor: str) -> Outcome:
    return await performer.perform(act, actor)


def _hand_over(ended: asyncio.Task[Outcome], done: Future[Outcome]) -> None:
    if ended.cancelled():
        done.set_exception(NotPerformed("the gateway has ended; the act may have been performed"))
    elif (error := ended.exception()) is not None:
        done.set_exception(error)
    else:
        done.set_result(ended.result())
