"""Whether a client reads what it is sent, and whether it is still there: told by its socket alone."""

import asyncio
import select
import socket

_LEFT = frozenset({7, 8})
"""TCP states of a socket whose peer has closed: CLOSE, CLOSE_WAIT."""


class PeerWatch:
    """Looks after one connection. `longest` is for how many seconds its client may leave unread what it is sent."""

    def __init__(self, transport: asyncio.Transport, longest: float) -> None:
        self._transport = transport
        self._longest = longest
        self._unsent = 0
        self._since = 0.0

    def is_stalled(self, now: float) -> bool:
        """Whether the client has read nothing of the unsent data for too long, by what was seen at earlier calls."""
        unsent = self._transport.get_write_buffer_size()
        if not unsent or unsent != self._unsent:
            self._unsent, self._since = unsent, now
        return now - self._since > self._longest

    def has_left(self) -> bool:
        """Whether the client has closed its side. While reading is paused the transport cannot notice."""
        connected = self._transport.get_extra_info("socket")
        if connected.family == socket.AF_UNIX:
            return _has_hung_up(connected)
        if not hasattr(socket, "TCP_INFO"):
            return False
        info = connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)
        return info[0] in _LEFT


def _has_hung_up(connected: socket.socket) -> bool:
    if not hasattr(select, "POLLRDHUP"):
        return False
    poller = select.poll()
    poller.register(connected.fileno(), select.POLLRDHUP)
    return bool(poller.poll(0))
