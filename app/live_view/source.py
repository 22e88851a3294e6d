"""Frames of a gateway, of one process or several, for readers in other threads than that of its event loop."""

import asyncio
from time import monotonic, time
from typing import Protocol

from msgspec.structs import replace

from app.live_view.frame import About, Frame
from telemetry import Snapshot

_LIMIT = 2.0
"""Seconds that the gateway's event loop has for a snapshot."""
_FRESH = 0.1
"""Seconds for which a frame is new enough for the next reader, so that many readers cost what one does."""


class GatewayStill(Exception):
    """The gateway could not be looked at: it does not run, or its event loop stands still."""


class Watched(Protocol):
    """A gateway that can be looked at, on an event loop of its own."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop | None:
        """The event loop on which to look; None before there is one."""

    async def look(self) -> Snapshot:
        """The gateway as it is now."""


class LiveSource:
    """`take` may be called in any event loop, by one thread."""

    def __init__(self, watched: Watched, about: About) -> None:
        self._watched = watched
        self._about = about
        self._frame: Frame | None = None
        self._taken_at = 0.0

    def describe(self, policies: tuple[str, ...], generation: int) -> None:
        """Show the gateway from now on with these policies, and this generation of its configuration."""
        self._about = replace(self._about, policies=policies, generation=generation)

    async def take(self) -> Frame:
        """The gateway as it is now, or was a tenth of a second ago. Raises GatewayStill."""
        if self._frame is None or monotonic() - self._taken_at > _FRESH:
            snapshot = await self.snapshot()
            self._frame = Frame(about=self._about, at=time(), snapshot=snapshot)
            self._taken_at = monotonic()
        return self._frame

    async def snapshot(self) -> Snapshot:
        """A snapshot of this very moment. Raises GatewayStill."""
        loop = self._watched.loop
        if loop is None or loop.is_closed():
            raise GatewayStill("the gateway does not run")
        try:
            return await asyncio.wait_for(
                asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._watched.look(), loop)), _LIMIT
            )
        except TimeoutError:
            raise GatewayStill(f"the gateway's event loop has stood still for {_LIMIT:.0f} s") from None
