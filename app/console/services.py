"""What every page is made of: the running gateway and its settings, what was recorded, and the templates."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from time import monotonic, time
from typing import Protocol

from starlette.exceptions import HTTPException
from starlette.requests import Request

from app.console.assets import Assets
from app.console.flow_picture import RecentOutcomes
from app.console.pages import Pages
from app.console.visitors import Visitors
from app.live_view.frame import About, RateWindow, new_instance
from app.live_view.source import LiveSource, Watched
from app.recorder.capture import TransactionUnderWay
from app.recorder.stores import Store
from app.settings import Settings
from telemetry.hosts import in_url
from telemetry.names.resource import VERSION

_MOST_WATCHERS = 32
"""Streams of events at a time."""
_FRESH = 0.9
"""Seconds for which a reading of the store is new enough."""


class Watchers:
    """Counts who looks at a page that changes meanwhile. Belongs to the console's event loop."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()
        self._count = 0

    async def turns(self, interval: float) -> AsyncIterator[None]:
        """One turn at once and then one each `interval` seconds, until the console closes. Raises HTTPException where
        too many look already."""
        self._count += 1
        try:
            while not self._closed.is_set():
                yield
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closed.wait(), interval)
        finally:
            self._count -= 1

    def check_room(self) -> None:
        """Raises HTTPException where so many look that one more would have to wait."""
        if self._count >= _MOST_WATCHERS:
            raise HTTPException(503, "Too many pages of the console are open.")

    def close(self) -> None:
        self._closed.set()


class TransactionsUnderWay(Protocol):
    """Who takes transactions as they pass."""

    def under_way(self, of: str | None = None) -> Sequence[TransactionUnderWay]:
        """The transactions that have not ended, so far; those of one conversation, where `of` names it. Any thread may
        ask."""


class KeepsRecordings(Protocol):
    """Who keeps transactions that have ended."""

    @property
    def store(self) -> Store:
        """Where they are kept."""


class Progress:
    """Tells whether something was recorded, by whichever gateway: the store is asked once a second at most, however
    many look. Waits for the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._read_at = float("-inf")
        self._reading = ""

    def reading(self) -> str:
        """A text that is another one once something was recorded. May raise StoreFailed."""
        with self._lock:
            if monotonic() - self._read_at >= _FRESH:
                figures = self._store.figures()
                self._reading = f"{figures.recordings}-{figures.bytes}"
                self._read_at = monotonic()
            return self._reading


class Console:
    """What pages show, and what they are made with."""

    def __init__(
        self,
        settings: Settings,
        gateway: Watched,
        recorder: KeepsRecordings | None = None,
        policies: Sequence[str] = (),
        capture: TransactionsUnderWay | None = None,
    ) -> None:
        """`gateway` is looked at as it runs, in one process or several. `recorder` keeps transactions, `capture` takes
        them as they pass; both are None where nothing is recorded."""
        self.settings = settings
        self.recorder = recorder
        self.progress = Progress(recorder.store) if recorder is not None else None
        self.policies = tuple(policies)
        """The names of the chain's policies."""
        self._capture = capture
        self.masks_recordings = bool(self.policies) and settings.recorder.concealed == "masked"
        """Whether what a policy takes out is masked in what is kept of requests, and of those under way."""
        self.visitors = Visitors(settings.console.token, settings.server.allowed_hosts)
        self.assets = Assets()
        self.pages = Pages(self.assets, have_to_sign_in=self.visitors.have_to_sign_in)
        self.watchers = Watchers()
        self.live = LiveSource(gateway, _about(settings, self.policies, records=recorder is not None))
        self.rates = RateWindow()
        self.recent = RecentOutcomes()

    def use(self, settings: Settings, policies: Sequence[str], generation: int) -> None:
        """Show a gateway whose configuration was changed. Whatever was masked while a policy was there stays masked."""
        self.settings = settings
        self.policies = tuple(policies)
        self.masks_recordings |= bool(self.policies) and settings.recorder.concealed == "masked"
        self.visitors.allow(settings.server.allowed_hosts)
        self.live.describe(self.policies, generation)

    @property
    def store(self) -> Store | None:
        """Where recordings are; None while the recorder is off."""
        return self.recorder.store if self.recorder is not None else None

    def under_way(self, of: str | None = None) -> Sequence[TransactionUnderWay]:
        """The transactions that are recorded at this moment, so far; those of one conversation, where `of` names it."""
        return () if self._capture is None else self._capture.under_way(of)


def _about(settings: Settings, policies: tuple[str, ...], *, records: bool) -> About:
    server = settings.server
    return About(
        instance=new_instance(),
        release=VERSION,
        started_at=time(),
        policies=policies,
        # Port 0 is one that nobody knows yet.
        url=f"{'https' if server.tls.is_on else 'http'}://{in_url(server.host)}:{server.port}" if server.port else "",
        records=records,
    )


def console_of(request: Request) -> Console:
    console = request.app.state.console
    assert isinstance(console, Console)
    return console
