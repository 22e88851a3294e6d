"""Acts on all workers, performed by the process that looks after them."""

import asyncio
from typing import Protocol

from app.admin.acts import Act, GetChanges, Outcome, Refused, Reload, RestartWorkers, SetLogLevel
from app.admin.log_level import LogLevel
from app.serving.reloading import ReloadRefused
from app.workers.fleet import Fleet


class ReloadsFleet(Protocol):
    """What reads the configuration of all workers anew, or has new ones serve it."""

    async def reload(self, reason: str) -> Outcome:
        """Have all workers read it anew. Raises ReloadRefused."""

    async def preview(self) -> Outcome:
        """What a reload would change. Raises Refused."""

    async def roll(self, reason: str) -> Outcome:
        """Replace the workers one by one. Raises Refused."""


class FleetOperator:
    """Performs acts on all workers. Made on the supervisor's event loop."""

    def __init__(self, fleet: Fleet, reloads: ReloadsFleet) -> None:
        self._fleet = fleet
        self._reloads = reloads
        self._log = LogLevel()
        self.loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        """The supervisor's event loop."""

    async def perform(self, act: Act, actor: str) -> Outcome:
        """Have it done by all, and say what became of it. Raises Refused."""
        match act:
            case Reload():
                return await self._reload(actor)
            case GetChanges():
                return await self._reloads.preview()
            case RestartWorkers():
                return await self._reloads.roll(actor)
            case SetLogLevel(level, seconds):
                # That of this process; those of the workers follow.
                self._log.set(level, seconds)
        return await self._fleet.perform(act, actor)

    async def _reload(self, reason: str) -> Outcome:
        try:
            return await self._reloads.reload(reason)
        except ReloadRefused as refused:
            raise Refused("\n".join(refused.problems)) from None
