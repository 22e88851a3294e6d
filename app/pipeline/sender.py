"""The last step: bytes from the sse queue to the client, one send for all that waits."""

from collections.abc import Sequence
from typing import Protocol

from app.pipeline.queues import StageQueue


class Client(Protocol):
    """Who reads the stream."""

    def send_now(self, data: bytes) -> bool:
        """Send if that needs no waiting; whether it was done."""

    async def send(self, data: bytes) -> None:
        """Wait until the client has read enough of what came before, then send."""


class Sender:
    def __init__(self, client: Client) -> None:
        self._client = client
        self._left = b""

    async def process(self, input_queue: StageQueue[bytes]) -> None:
        """Until the queue was closed and emptied. Raises the error that it was failed with."""
        await input_queue.drain_into(self)

    def take(self, items: Sequence[bytes]) -> bool:
        data = items[0] if len(items) == 1 else b"".join(items)
        if self._client.send_now(data):
            return True
        self._left = data
        return False

    async def settle(self) -> None:
        await self._client.send(self._left)
        self._left = b""
