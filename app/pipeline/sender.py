"""The last step: bytes from the sse queue to the client, one send for all that waits."""

from collections.abc import Sequence
from typing import Protocol

from app.errors import QueueOverflow
from app.pipeline.queues import StageQueue


class Client(Protocol):
    """Who reads the stream."""

    def send_now(self, data: bytes) -> bool:
        """Send without waiting. False, with nothing sent, if the connection is not writable."""

    async def send(self, data: bytes) -> None:
        """Wait until the client has read enough of what came before, then send. Raises QueueOverflow, with nothing of
        `data` sent, when it reads nothing at all."""


class Sender:
    def __init__(self, client: Client, input_queue: StageQueue[bytes]) -> None:
        self._client = client
        self._input = input_queue
        self._left = b""
        input_queue.lend(self)

    async def process(self) -> None:
        """Send until the queue was closed and emptied. Raises the error that the queue was failed with."""
        await self._input.drain_into(self)

    def take(self, items: Sequence[bytes]) -> bool:
        data = items[0] if len(items) == 1 else b"".join(items)
        if self._client.send_now(data):
            return True
        self._left = data
        return False

    async def flush(self) -> None:
        """Send what is left. A client may stop reading for as long as the stream goes on and the queue has room; after
        the end of the stream QueueOverflow is raised."""
        while self._left:
            try:
                await self._client.send(self._left)
                self._left = b""
            except QueueOverflow:
                if self._input.has_ended:
                    raise
