"""Comments that keep a silent stream alive, by one timer per stream that is set anew no more often than it runs."""

import asyncio
from collections.abc import Callable

from app.gateway.reply import Reply


class Keepalive:
    """`comment` is asked for when one is due, `interval` seconds after the last byte. `close` it with the stream."""

    def __init__(self, reply: Reply, comment: Callable[[], bytes], interval: float) -> None:
        self._reply = reply
        self._comment = comment
        self._interval = interval
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_at(reply.idle_since + interval, self._look)

    def close(self) -> None:
        self._timer.cancel()

    def _look(self) -> None:
        if self._loop.time() >= self._reply.idle_since + self._interval:
            self._reply.keepalive(self._comment())
        self._timer = self._loop.call_at(self._reply.idle_since + self._interval, self._look)
