"""An event loop in a thread, for the laboratory's servers and clients beside a gateway that has a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from types import TracebackType
from typing import Any, TypeVar

T = TypeVar("T")


class LoopThread:
    """`with LoopThread() as loop: upstream = loop.enter(ScriptedUpstream(...)); ... loop.run(coroutine)`."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="laboratory", daemon=True)
        self._stack = AsyncExitStack()

    def __enter__(self) -> "LoopThread":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.run(self._stack.aclose())
        self.run(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def enter(self, server: AbstractAsyncContextManager[T]) -> T:
        """Started now, ended with this."""
        return self.run(self._stack.enter_async_context(server))

    def run(self, coroutine: Coroutine[Any, Any, T], timeout: float = 30) -> T:
        """To its end; a hang is a failure."""
        running = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        try:
            return running.result(timeout)
        except TimeoutError:
            running.cancel()
            raise


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
