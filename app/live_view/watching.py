"""`flowspan watch`: the live view of a gateway that runs elsewhere, by the feed of its console.

A gateway that goes is waited for, and one that comes back is recognised as another start of it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from rich.console import Console

from app.live_view.console_client import ConsoleClient, Gone, Refused
from app.live_view.frame import Frame, NoFrame, OtherVersion, RateWindow, decode_frame
from app.live_view.screen import Picture, clock
from app.live_view.terminal import has_screen, show, stopping

FEED = "/live"
_PAUSE = 1.0
_NEWS = 10.0
"""Seconds for which the view says that the gateway has started anew."""


class WatchedGateway:
    """The newest picture of a gateway, which `run` keeps new."""

    def __init__(
        self, url: str, first: Frame, *, now: Callable[[], float] = monotonic, retry_after: float = _PAUSE
    ) -> None:
        """`now` returns monotonic seconds; a gateway that has gone is asked again each `retry_after` seconds."""
        self._url = url
        self._now = now
        self._window = RateWindow()
        self._frame = first
        self._rates = self._window.add(first)
        self._trouble = ""
        self._trouble_since = 0.0
        self._started_anew_at: float | None = None
        self._turn = 0
        self._retry_after = retry_after

    async def run(self, client: ConsoleClient) -> None:
        """Take frames until cancelled, whether the gateway comes and goes. Raises Refused."""
        while True:
            try:
                async for event in client.events(f"{FEED}/stream"):
                    if event.name == "frame":
                        self.received(frame_of(client.url, event.data))
                    elif event.name == "still":
                        self.lost(event.data)
            except Gone as error:
                self.lost(str(error))
            await asyncio.sleep(self._retry_after)

    def received(self, frame: Frame) -> None:
        if frame.about.instance != self._frame.about.instance:
            self._started_anew_at = self._now()
        self._frame, self._trouble = frame, ""
        self._rates = self._window.add(frame)

    def lost(self, reason: str) -> None:
        """Note that no frame comes, and why."""
        if not self._trouble:
            self._trouble_since = self._now()
        self._trouble = reason

    async def take(self) -> Picture:
        self._turn += 1
        return Picture(self._frame, self._rates, "flowspan watch", self._url, self._turn, notice=self._notice())

    def _notice(self) -> str:
        if self._trouble:
            return f"no news for {clock(self._now() - self._trouble_since)}: {self._trouble}"
        if self._started_anew_at is not None and self._now() - self._started_anew_at < _NEWS:
            return "the gateway has started anew"
        return ""


def frame_of(url: str, data: bytes | str) -> Frame:
    """Raises Refused."""
    try:
        return decode_frame(data)
    except NoFrame:
        raise Refused(f"{url} sends something else than the live view of a Flowspan gateway") from None
    except OtherVersion as error:
        raise Refused(f"{url}: {error}") from None


async def watch(console: Console, client: ConsoleClient) -> None:
    """Show the gateway until somebody ends it. Raises Refused, and Gone where it cannot be reached at all."""
    gateway = WatchedGateway(client.url, frame_of(client.url, await client.json(FEED)))
    if not has_screen(console):
        console.print(f"watching {client.url}, Ctrl-C ends", soft_wrap=True, markup=False)
    stopped = asyncio.Event()
    reading = asyncio.create_task(gateway.run(client))
    reading.add_done_callback(lambda _: stopped.set())
    try:
        with stopping(stopped):
            await show(console, gateway, stopped)
    finally:
        reading.cancel()
        with suppress(asyncio.CancelledError):
            await reading
