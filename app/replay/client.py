"""The client of a replay: it reads an answer as fast as it comes, unless the recorded one stopped reading, or left."""

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any

from app.errors import ClientDisconnected

_FOREVER = 86_400.0


class ReplayClient:
    """The client of one request."""

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._leaves_after: int | None = None
        self._leaves_in: float | None = None
        self._reads: int | None = None
        self._loop = asyncio.get_running_loop()
        self._lost: Callable[[], None] | None = None
        self._size = 0
        self.is_lost = False
        self.is_complete = False
        """Whether the answer's end came."""

    def leave_after(self, size: int) -> None:
        """Leave with so many bytes of the answer."""
        self._leaves_after = size

    def leave_in(self, seconds: float) -> None:
        """Leave so long after the request was sent."""
        self._leaves_in = seconds

    def read_only(self, size: int) -> None:
        """Read no more than so many bytes of the answer."""
        self._reads = size

    @property
    def is_writable(self) -> bool:
        return not (self.is_lost or self._is_full)

    @property
    def unsent(self) -> int:
        return self._size if self._is_full else 0

    @property
    def _is_full(self) -> bool:
        return self._reads is not None and self._size >= self._reads

    async def receive(self) -> MutableMapping[str, Any]:
        body, self._body = self._body, None
        if body is None:
            await asyncio.sleep(_FOREVER)
        return {"type": "http.request", "body": body or b"", "more_body": False}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = tuple(
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]
            )
            return
        if self._is_full:
            await asyncio.sleep(_FOREVER)
        if message.get("more_body", False):
            self.write(message.get("body", b""))
        else:
            self.end(message.get("body", b""))

    @property
    def announced(self) -> int:
        return len(self._body or b"")

    def received(self) -> None:
        """The request comes as a whole by `receive`."""

    def write(self, data: bytes) -> None:
        if self.is_lost:
            raise ClientDisconnected("The client left before the end of its stream.")
        self._size += len(data)
        if self._leaves_after is not None and self._size >= self._leaves_after:
            self._loop.call_soon(self.leave)

    def end(self, data: bytes) -> None:
        self.write(data)
        self.is_complete = True

    def when_lost(self, call: Callable[[], None]) -> None:
        self._lost = call
        if self._leaves_in is not None:
            self._loop.call_later(self._leaves_in, self.leave)

    def forget(self) -> None:
        self._lost = None

    def abort(self) -> None:
        self.is_lost = True

    def leave(self) -> None:
        if self.is_lost or self.is_complete:
            return
        self.is_lost = True
        lost, self._lost = self._lost, None
        if lost is not None:
            lost()
