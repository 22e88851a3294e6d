"""A scripted provider in a thread, so that plain test functions can use it beside a gateway."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from tests.behaviour.gateway import until
from tests.upstream import Received, Script, ScriptedUpstream

T = TypeVar("T")


class Provider:
    """Plays `script`, which a test sets by `play`. One for a module: its port stands in the gateway's configuration."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="provider", daemon=True)
        self._upstream = ScriptedUpstream(self._next)
        self._script: Callable[[int, Received], Script] = lambda number, request: []

    def __enter__(self) -> "Provider":
        self._thread.start()
        self._run(self._upstream.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._upstream.__aexit__(None, None, None))
        self._run(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    @property
    def url(self) -> str:
        return self._upstream.url

    @property
    def requests(self) -> list[Received]:
        return self._upstream.requests

    @property
    def connections(self) -> int:
        return self._upstream.connections

    def play(self, script: Script | Callable[[int, Received], Script]) -> "Provider":
        """From now on, for each request (the first one is number 1); what was received before is forgotten."""
        steps = script if callable(script) else list(script)
        self._upstream.requests.clear()
        self._script = steps if callable(steps) else lambda number, request: steps
        return self

    def received(self, count: int = 1) -> Received:
        """The request of this number, once it is there."""
        until(lambda: len(self.requests) >= count, "the provider is asked")
        return self.requests[count - 1]

    def left_within(self, seconds: float, count: int = 1) -> None:
        """The gateway closes its connection to the provider."""
        until(self.received(count).closed.is_set, "the provider's connection is closed", seconds)

    def _next(self, number: int, request: Received) -> Script:
        return self._script(len(self._upstream.requests), request)

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(5)


async def _cancel_all() -> None:
    """Let cancelled scripts end before the loop does."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
