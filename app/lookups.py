"""Names to addresses, by the system's own resolver, so that a slow name holds up nobody but those who ask for it.

`getaddrinfo` alone knows /etc/hosts, search domains, mDNS and what else nsswitch.conf names, but it may block for half
a minute and more. So each question has a thread of its own, one at a time, that is not waited for when the process
ends; who asks waits for a bounded time. Answers are kept for `ttl`, and served beyond it, up to `max_stale`, while a
new one is on its way or fails to come. A resolver that says that there is no such name is believed: an old address may
be somebody else's by now.
"""

import asyncio
import logging
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from app.settings import DnsSettings

_log = logging.getLogger("flowspan.dns")
_RETRY = 2.0
"""Seconds that a failure is kept for, and an old answer not asked anew after one."""
_CAPACITY = 1024
"""Questions whose answers are kept."""
NO_SUCH_NAME = frozenset({socket.EAI_NONAME, socket.EAI_NODATA, socket.EAI_ADDRFAMILY})
"""Errors that are about the name; all others are about the resolver."""

AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
"""An element of what `socket.getaddrinfo` returns."""
GetAddressInfo = Callable[..., Sequence[Any]]


class Question(NamedTuple):
    """The arguments of a `getaddrinfo`, without the port."""

    host: str
    family: int = 0
    type: int = 0
    proto: int = 0
    flags: int = 0


class _Entry:
    """What is known about one question."""

    def __init__(self) -> None:
        self.found: list[AddressInfo] = []
        self.found_at = 0.0
        self.error: socket.gaierror | None = None
        """The error of the last look-up, if it failed."""
        self.failed_at = 0.0
        self.asking: asyncio.Future[None] | None = None
        """Done when the look-up under way is; None without one."""
        self.asked_at = 0.0

    def served(self, age: float, now: float) -> list[AddressInfo]:
        """The addresses, if they are no older than `age` seconds; each time another one comes first."""
        if not self.found or now - self.found_at > age:
            return []
        first, *rest = answer = self.found
        self.found = [*rest, first]
        return answer

    def may_ask(self, now: float) -> bool:
        """Whether a look-up may begin: none is under way, and none has failed a moment ago."""
        return self.asking is None and (self.error is None or now - self.failed_at >= _RETRY)


class Lookups:
    """Addresses by name, for one event loop at a time. `limit` bounds the look-ups under way, where names may come from
    callers, too."""

    def __init__(
        self,
        settings: DnsSettings,
        *,
        limit: int | None = None,
        getaddrinfo: GetAddressInfo = socket.getaddrinfo,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._limit = limit
        self._getaddrinfo = getaddrinfo
        self._clock = clock
        self._entries: OrderedDict[Question, _Entry] = OrderedDict()
        self._under_way = 0

    def use(self, settings: DnsSettings) -> None:
        """Go by these settings from now on; the answers that are kept stay."""
        self._settings = settings

    async def find(self, question: Question) -> list[AddressInfo]:
        """Addresses with port 0. Raises socket.gaierror: one of `NO_SUCH_NAME`, or that the resolver cannot tell."""
        entry, now = self._entry(question), self._clock()
        if found := entry.served(self._settings.ttl, now):
            return found
        if entry.may_ask(now):
            self._ask(question, entry)
        if found := entry.served(self._settings.max_stale, now):
            return found
        if entry.asking is not None:
            await self._wait(entry, entry.asking, now)
            # However short it is kept: this is the answer that was waited for.
            if found := entry.served(max(self._settings.ttl, self._settings.max_stale), self._clock()):
                return found
        assert entry.error is not None
        raise socket.gaierror(*entry.error.args)

    async def _wait(self, entry: _Entry, asking: asyncio.Future[None], now: float) -> None:
        """Wait for the rest of the look-up's time: one that hangs makes nobody wait anew."""
        left = entry.asked_at + self._settings.timeout - now
        if not asking.done():
            await asyncio.wait({asking}, timeout=max(left, 0.0))
        if not asking.done():
            raise socket.gaierror(socket.EAI_AGAIN, f"no answer within {self._settings.timeout:g} s")

    def _entry(self, question: Question) -> _Entry:
        if (entry := self._entries.get(question)) is None:
            entry = self._entries[question] = _Entry()
            while len(self._entries) > _CAPACITY and next(iter(self._entries.values())).asking is None:
                self._entries.popitem(last=False)
        self._entries.move_to_end(question)
        return entry

    def _ask(self, question: Question, entry: _Entry) -> None:
        loop = asyncio.get_running_loop()
        asking = loop.create_future()

        def look_up() -> None:
            found, error = _answer(self._getaddrinfo, question)
            # The loop may be gone by then.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._answered, question, entry, asking, found, error)

        try:
            if self._limit is not None and self._under_way >= self._limit:
                raise RuntimeError(f"{self._limit} look-ups are under way")
            threading.Thread(target=look_up, name="dns", daemon=True).start()
        except RuntimeError as error:
            self._failed(question, entry, socket.gaierror(socket.EAI_AGAIN, str(error)))
            return
        self._under_way += 1
        entry.asking, entry.asked_at = asking, self._clock()

    def _answered(
        self,
        question: Question,
        entry: _Entry,
        asking: asyncio.Future[None],
        found: list[AddressInfo],
        error: socket.gaierror | None,
    ) -> None:
        self._under_way -= 1
        entry.asking = None
        if error is None:
            entry.found, entry.found_at, entry.error = found, self._clock(), None
        else:
            self._failed(question, entry, error)
        asking.set_result(None)

    def _failed(self, question: Question, entry: _Entry, error: socket.gaierror) -> None:
        if error.errno in NO_SUCH_NAME:
            entry.found = []
        elif entry.found and entry.error is None:
            _log.warning("%s cannot be looked up, its last addresses are used: %s", question.host, error)
        entry.error, entry.failed_at = error, self._clock()


def _answer(getaddrinfo: GetAddressInfo, question: Question) -> tuple[list[AddressInfo], socket.gaierror | None]:
    """Ask the resolver, in a thread."""
    host, family, kind, proto, flags = question
    try:
        found = list(getaddrinfo(host, 0, family, kind, proto, flags))
    except socket.gaierror as error:
        return [], error
    except UnicodeError:
        return [], socket.gaierror(socket.EAI_NONAME, "this can be no name")
    except OSError as error:
        return [], socket.gaierror(socket.EAI_SYSTEM, str(error))
    return found, None if found else socket.gaierror(socket.EAI_NODATA, "no addresses")
