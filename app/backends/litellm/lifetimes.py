"""Calls and streams of LiteLLM's that have to be ended properly even while their caller is being cancelled.

What remains to be done goes on in tasks of its own, each bounded in time; the set keeps them alive, `aclose` waits.
"""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from app.backends.litellm.tap import tap

_CLOSING_LIMIT = 1.0
_GRACE = 0.25
"""LiteLLM prepares a request in a thread and then awaits what comes back; cancelled in between, it would leave a
coroutine that nobody ever awaits. A moment later there is a connection, and cancelling closes it."""


class Lifetimes:
    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    async def call(self, asking: Coroutine[Any, Any, Any]) -> Any:
        """The result of `asking`. If cancelled it returns at once, and the call is given up in the background."""
        task = self._start(asking)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._start(_give_up(task))
            raise

    async def close(self, stream: Any) -> None:
        """Goes on to its end although the caller may be cancelled meanwhile."""
        await asyncio.shield(self._start(_closed(stream)))

    async def aclose(self) -> None:
        if self._tasks:
            await asyncio.wait(set(self._tasks))

    def _start(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def _closed(stream: Any) -> None:
    # The stream has had its end; how its connection ends changes nothing for anybody.
    with suppress(Exception):
        async with asyncio.timeout(_CLOSING_LIMIT):
            await stream.aclose()


async def _give_up(task: asyncio.Task[Any]) -> None:
    await asyncio.wait({task}, timeout=_GRACE)
    task.cancel()
    await asyncio.wait({task}, timeout=_CLOSING_LIMIT)
    # Asking for the exception marks it as seen.
    if task.done() and not task.cancelled() and task.exception() is None and hasattr(task.result(), "aclose"):
        # The tap can close also what has no way to be closed.
        tap(task.result())
        await _closed(task.result())
