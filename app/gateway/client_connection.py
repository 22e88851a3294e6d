"""The client's connection as an exchange sees it, and how it learns that the client has gone.

The gateway's own server hands its connections to the application (`CONNECTION`, an ASGI extension): they call back, and
give and take at once what is there. Under any other ASGI server a task waits for `http.disconnect`, and every piece
waits its turn. The head of a response goes by ASGI's `send` in any case, so that a middleware sees it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from starlette.types import Message, Receive, Scope

from app.errors import InvalidRequest

CONNECTION = "flowspan.connection"
"""The extension: a dict with the `connection`, which is the same one for all requests in a row on it that come with the
same head. What else the application puts there it finds again with the next such request."""


class ClientConnection(Protocol):
    """What the gateway needs of a connection beside ASGI's `send`."""

    @property
    def announced(self) -> int:
        """Bytes of the request's body, as its head says; 0 where it does not. Raises InvalidRequest."""

    @property
    def is_writable(self) -> bool:
        """Whether `write` and `end` would go through without waiting."""

    def received(self) -> tuple[bytes, bool] | None:
        """What came of the request's body since it was asked for last, and whether there is more to come; None if only
        `receive` can tell."""

    def receive(self) -> Awaitable[Message]:
        """ASGI's `receive`."""

    def write(self, data: bytes) -> None:
        """Send the next piece of a body whose head was sent; only while `is_writable`. Raises ClientDisconnected where
        it is lost."""

    def end(self, data: bytes) -> None:
        """Send the rest of a body; only while `is_writable`. Does nothing where the connection is lost."""

    @property
    def is_lost(self) -> bool:
        """Whether the client has gone before its response was complete, so that nothing more reaches it."""

    @property
    def unsent(self) -> int:
        """Bytes that wait for the client to read, beside those that the system holds."""

    def when_lost(self, call: Callable[[], None]) -> None:
        """Call `call` once, when the client goes before its response is complete."""

    def forget(self) -> None:
        """Drop the call that `when_lost` registered."""

    def abort(self) -> None:
        """Close the connection and drop all bytes that are not sent yet."""


def connection_of(scope: Scope, receive: Receive) -> tuple[ClientConnection, dict[str, Any]]:
    """The server's connection if it hands one over, else one made of ASGI's `receive`; and what is kept with it for as
    long as the same head comes."""
    extension: dict[str, Any] | None = (scope.get("extensions") or {}).get(CONNECTION)
    if extension is None:
        return _AsgiConnection(scope, receive), {}
    return extension["connection"], extension


class _AsgiConnection:
    """The connection of another ASGI server, which does not say whether it is writable nor what was read. So a silent
    stream is kept alive by no comments."""

    is_writable = False
    unsent = 0

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._headers = scope["headers"]
        self._receive = receive
        self.is_lost = False
        self._watching: asyncio.Task[None] | None = None

    def receive(self) -> Awaitable[Message]:
        return self._receive()

    @property
    def announced(self) -> int:
        length = next((value for name, value in self._headers if name == b"content-length"), b"0")
        if not length.isdigit():
            raise InvalidRequest("The content-length header is not a number.")
        return int(length[:20])

    def received(self) -> None:
        """Nothing is known of a body before `receive` was asked."""

    def write(self, data: bytes) -> None:
        raise RuntimeError("this connection is never writable at once")

    def end(self, data: bytes) -> None:
        raise RuntimeError("this connection is never writable at once")

    def when_lost(self, call: Callable[[], None]) -> None:
        self._watching = asyncio.create_task(self._watch(call))

    def forget(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    def abort(self) -> None:
        """There is no way to: the server ends a response that was left incomplete as it sees fit."""

    async def _watch(self, call: Callable[[], None]) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass
        self.is_lost = True
        call()
