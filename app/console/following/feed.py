"""The events of one conversation, by what is under way and what the recorder has written, until nobody listens."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.console.events import EventStream, event
from app.console.following.follower import Follower
from app.console.services import Console, console_of
from app.live_view.speech import ConversationFound, SpeechEvent, encode_event
from app.recorder.capture import TransactionUnderWay
from app.recorder.recording import Entry
from app.recorder.stores import Filter, Store, StoreFailed

LATEST = "latest"
"""Stands for the conversation in which something was said last."""
_INTERVAL = 0.25
_HEARTBEAT = ":\n\n"
_SHARE = 0.1
"""The share of the time that may go into reading answers, which are read anew each time."""
_STORE_INTERVAL = 2.0
"""Seconds after which the store is looked at although nothing has ended here: other gateways may write to it."""
_WRITTEN = 0.4
"""Seconds after which the turn before a new one has been written: it comes first, however short it was."""
_GIVEN_UP = 10.0
"""Seconds for which a recording of a transaction that has ended is waited for."""
_BEFORE = 3
"""Turns before the present that are told of at the beginning."""
_LOOKED_AT = 64
_OFF = (
    "the recorder is off, so no conversation can be followed. Turn it on in the gateway's configuration, with\n"
    "gateway: {recorder: memory}"
)


async def _follow(request: Request) -> Response:
    console = console_of(request)
    if console.store is None:
        return PlainTextResponse(_OFF, 409)
    wanted = str(request.path_params["conversation"])
    feed = _Feed(console, console.store, wanted)
    if wanted != LATEST and not await asyncio.to_thread(feed.is_known):
        return PlainTextResponse("nothing is recorded of this conversation, or not any more", 404)
    console.watchers.check_room()
    return EventStream(_events(console, feed))


async def _events(console: Console, feed: "_Feed") -> AsyncIterator[str]:
    pause_until = 0.0
    async for _ in console.watchers.turns(_INTERVAL):
        began = monotonic()
        if began < pause_until:
            continue
        try:
            events = await asyncio.to_thread(feed.take)
        except StoreFailed as error:
            yield event("failed", str(error))
            return
        for one in events:
            yield event("speech", encode_event(one))
        if not events:
            yield _HEARTBEAT if feed.has_conversation else event("waiting", "")
        pause_until = began + (monotonic() - began) / _SHARE


class _Feed:
    """Called by one thread at a time, which may wait for the store."""

    def __init__(self, console: Console, store: Store, wanted: str) -> None:
        self._console = console
        self._store = store
        self._conversation = "" if wanted == LATEST else wanted
        self._follower = Follower(masks=console.masks_recordings)
        self._has_begun = False
        self._ended: dict[str, float] = {}
        """When transactions that were under way had ended, by their ids."""
        self._recorded: set[str] = set()
        self._store_due = 0.0

    @property
    def has_conversation(self) -> bool:
        """Whether there is one; of `latest` that is not sure."""
        return bool(self._conversation)

    def is_known(self) -> bool:
        return bool(self._under_way() or self._entries())

    def take(self) -> list[SpeechEvent]:
        """What is new. Raises StoreFailed."""
        if not self._conversation and not self._find_latest():
            return []
        events: list[SpeechEvent] = []
        if not self._has_begun:
            self._has_begun = True
            events += [ConversationFound(conversation=self._conversation), *self._beginning()]
        now, under_way = monotonic(), self._under_way()
        known, open_here = self._follower.open_turns, {one.transaction_id for one in under_way}
        for id in known:
            if id not in open_here:
                self._ended.setdefault(id, now)
        if self._ended or now >= self._store_due or not open_here.issubset(known):
            self._store_due = now + _STORE_INTERVAL
            events += self._newly_recorded()
        for one in under_way:
            if one.transaction_id in known or one.seconds > _WRITTEN:
                events += self._follower.under_way(one)
        return events + self._given_up(now)

    def _find_latest(self) -> bool:
        under_way = self._console.under_way()
        if under_way:
            last = max(under_way, key=lambda one: one.started_at)
            self._conversation = last.conversation or last.transaction_id
        elif found := self._store.conversations(Filter(), limit=1):
            self._conversation = found[0].conversation
        return bool(self._conversation)

    def _under_way(self) -> list[TransactionUnderWay]:
        found = [one for one in self._console.under_way(self._conversation) if one.transaction_id not in self._recorded]
        return sorted(found, key=lambda one: one.started_at)

    def _entries(self) -> list[Entry]:
        """The newest recordings of the conversation, in their order."""
        found = self._store.entries(Filter(conversation=self._conversation), limit=_LOOKED_AT)
        if not found and (recording := self._store.recording(self._conversation)) is not None:
            found = [recording.entry]
        return sorted(found, key=lambda entry: entry.started_at)

    def _beginning(self) -> list[SpeechEvent]:
        """The last turns before the present."""
        entries = self._entries()
        events: list[SpeechEvent] = []
        self._recorded |= {entry.transaction_id for entry in entries}
        for at, entry in enumerate(entries[-2 * _BEFORE :], -min(len(entries), 2 * _BEFORE)):
            if (recording := self._store.recording(entry.transaction_id)) is None:
                continue
            if at < -_BEFORE:
                self._follower.remember(recording)
            else:
                events += self._follower.recorded(recording)
        return events

    def _newly_recorded(self) -> list[SpeechEvent]:
        events: list[SpeechEvent] = []
        for entry in self._entries():
            if entry.transaction_id in self._recorded:
                continue
            if (recording := self._store.recording(entry.transaction_id)) is not None:
                events += self._follower.recorded(recording)
                self._recorded.add(entry.transaction_id)
                self._ended.pop(entry.transaction_id, None)
        return events

    def _given_up(self, now: float) -> list[SpeechEvent]:
        """The ends of turns that were not recorded, by a filter, for want of room, or because they still are not."""
        late = [id for id, ended in self._ended.items() if now - ended > _GIVEN_UP]
        for id in late:
            del self._ended[id]
        return [one for id in late for one in self._follower.lost(id)]


ROUTES = [Route("/live/conversations/{conversation:path}", _follow)]
