"""The client's connection as an exchange sees it, and how it learns that the client has gone.

The gateway's own server hands its connections to the application (`CONNECTION`, an ASGI extension): they call back, and
take what is written at once. Under any other ASGI server a task waits for `http.disconnect`, and every send waits its
turn.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from starlette.types import Receive, Scope

CONNECTION = "flowspan.connection"


class ClientConnection(Protocol):
    @property
    def is_writable(self) -> bool:
        """Whether a send would go through without waiting."""

    def write(self, data: bytes) -> None:
        """The next piece of a stream that has begun, if `is_writable`."""

    @property
    def unsent(self) -> int:
        """Bytes that wait for the client to read, beside those that the system holds."""

    def when_lost(self, call: Callable[[], None]) -> None:
        """To be called once, when the client goes before its answer is complete."""

    def forget(self) -> None:
        """Nobody is to be called any more."""

    def cut(self) -> None:
        """End it with all that is not sent yet."""


def connection_of(scope: Scope, receive: Receive) -> ClientConnection:
    extension = scope.get("extensions", {}).get(CONNECTION)
    if extension is None:
        return _AsgiConnection(receive)
    connection: ClientConnection = extension["connection"]
    return connection


class _AsgiConnection:
    """No comments keep a silent stream alive here: nobody says when one would go through, nor what was read."""

    is_writable = False
    unsent = 0

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._watching: asyncio.Task[None] | None = None

    def write(self, data: bytes) -> None:
        raise RuntimeError("this connection is never writable at once")

    def when_lost(self, call: Callable[[], None]) -> None:
        self._watching = asyncio.create_task(self._watch(call))

    def forget(self) -> None:
        if self._watching is not None:
            self._watching.cancel()

    def cut(self) -> None:
        """There is no way to: the server ends a reply that was left incomplete as it sees fit."""

    async def _watch(self, call: Callable[[], None]) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        call()
