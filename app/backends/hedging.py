"""Hedging: a request that is asked at a second deployment because the first takes long, and the first answer counts.

Only what leaves nothing behind is asked twice: a provider that keeps a response would keep two, and a tool that it runs
would run twice. The attempt that comes second is cancelled, and what it used until then is counted as of any other.
"""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Generic, TypeVar

from app.backends.attempts import OUTPACED
from app.backends.deployments import Failure
from app.dialects import dialect_of
from app.errors import BackendError
from app.messages import Request
from app.settings import Deployment, RouterSettings

_A = TypeVar("_A")
_STATE = ("background", "conversation", "previous_response_id")


def may_be_hedged(request: Request, deployment: Deployment, settings: RouterSettings, *, stream: bool) -> bool:
    """Whether a request may be asked at two deployments at a time, of which one is to be this."""
    if settings.hedge_after is None or stream or deployment.credentials == "client":
        return False
    dialect = dialect_of(request)
    is_kept = request.extra.get("store", dialect.keeps_responses)
    has_state = any(request.extra.get(name) is not None for name in _STATE)
    return not is_kept and not has_state and not dialect.hosted_tools(request)


class Race(Generic[_A]):
    """Attempts at several deployments, as a block: those that have not ended with it are cancelled."""

    def __init__(self) -> None:
        self.failures: list[Failure] = []
        """The attempts that failed, in the order in which they did."""
        self._running: dict[asyncio.Task[_A | None], Deployment] = {}

    async def __aenter__(self) -> "Race[_A]":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._running:
            task.cancel(OUTPACED if error is None else None)
        if self._running:
            await asyncio.gather(*self._running, return_exceptions=True)

    @property
    def is_open(self) -> bool:
        """Whether an attempt is under way."""
        return bool(self._running)

    def enter(self, deployment: Deployment, attempt: Coroutine[None, None, _A | None]) -> None:
        """Begin an attempt."""
        self._running[asyncio.get_running_loop().create_task(attempt)] = deployment

    async def winner(self, seconds: float | None = None) -> tuple[Deployment, _A] | None:
        """The first that answers well. None if no attempt has in this time, or none will."""
        clock = asyncio.get_running_loop().time
        until = None if seconds is None else clock() + seconds
        while self._running:
            left = None if until is None else max(0.0, until - clock())
            done, _ = await asyncio.wait(self._running, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                return None
            for task in done:
                deployment = self._running.pop(task)
                try:
                    answer = task.result()
                except BackendError as error:
                    self.failures.append(Failure(deployment, error))
                    continue
                if answer is not None:
                    return deployment, answer
        return None
