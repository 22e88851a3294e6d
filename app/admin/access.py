"""Who may act, by the head of a request: whoever has the key, or was let through by the permissions of a Unix socket.

After too many wrong keys of one address within a minute none that comes from there is looked at, right or wrong, until
that minute is over.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from hmac import compare_digest
from time import monotonic

from msgspec import Struct
from msgspec.structs import replace

from app.edge.unix_sockets import PeerCredentials
from telemetry.hosts import host_name

_MOST = 10
"""Wrong keys of one address within `_WINDOW`, and lines about it in the audit log."""
_WINDOW = 60.0
_ADDRESSES = 1024
_ONCE = ("authorization", "host", "origin")
"""Headers of which a request may have one."""


class Denied(Struct, frozen=True):
    """Why a request gets nothing."""

    status: int
    reason: str
    retry_after: float | None = None
    is_logged: bool = True
    """Whether the audit log is to have it; not where it has many of this address already."""


class Access:
    """`key` is the one to be presented; with None nobody but users of a Unix socket may act. `clock` returns monotonic
    seconds."""

    def __init__(self, key: str | None, clock: Callable[[], float] = monotonic) -> None:
        self._key = None if key is None else key.encode()
        self._wrong = TimesByAddress(clock)
        self._logged = TimesByAddress(clock)

    def denial(self, headers: Sequence[tuple[str, str]], address: str, peer: PeerCredentials | None) -> Denied | None:
        """Why a request may not act; None if it may. The names of `headers` are in lower case."""
        denied = self._denial(headers, address, peer)
        if denied is None:
            return None
        if self._logged.wait(address):
            return replace(denied, is_logged=False)
        self._logged.note(address)
        return denied

    def _denial(self, headers: Sequence[tuple[str, str]], address: str, peer: PeerCredentials | None) -> Denied | None:
        names = [name for name, _ in headers]
        if any(names.count(name) > 1 for name in _ONCE):
            return Denied(400, "A header of the request stands there twice.")
        found = dict(headers)
        if "origin" in found or found.get("sec-fetch-site", "none") != "none":
            return Denied(403, "No web page may act on a gateway.")
        if peer is not None:
            return None
        if host_name(found.get("host", "")) is None:
            return Denied(400, "The request names no host.")
        return self._denial_by_key(found, address)

    def _denial_by_key(self, headers: Mapping[str, str], address: str) -> Denied | None:
        if wait := self._wrong.wait(address):
            return Denied(429, "Too many wrong keys came from this address.", retry_after=wait)
        scheme, _, presented = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not presented.strip():
            return Denied(401, "The admin API asks for its key: send it as `authorization: Bearer ...`.")
        if self._key is not None and compare_digest(presented.strip().encode(), self._key):
            return None
        self._wrong.note(address)
        return Denied(401, "That is not the key of the admin API.")


class TimesByAddress:
    """When something happened that an address may cause so many times a minute; for as many addresses as there is room
    for."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._times: OrderedDict[str, deque[float]] = OrderedDict()

    def note(self, address: str) -> None:
        """It has happened once more, now."""
        times = self._times.setdefault(address, deque(maxlen=_MOST))
        times.append(self._clock())
        self._times.move_to_end(address)
        if len(self._times) > _ADDRESSES:
            self._times.popitem(last=False)

    def wait(self, address: str) -> float:
        """Seconds until it may happen once more; 0 if it may now."""
        times = self._times.get(address)
        if times is None or len(times) < _MOST:
            return 0.0
        return max(0.0, times[0] + _WINDOW - self._clock())
