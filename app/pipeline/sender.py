"""The last step: bytes from the sse queue to the client, one send for all that waits."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from app.errors import QueueOverflow
from app.pipeline.queue_stage import QueueStage
from app.pipeline.queues import StageQueue


class Client(Protocol):
    """Who reads the stream."""

    def take(self, pieces: Sequence[bytes], /) -> bool:
        """Send without waiting. False, with nothing sent, if the connection is not writable."""

    async def flush(self) -> None:
        """Wait until the client has read enough of what came before, then send what `take` left. Raises QueueOverflow,
        with nothing of it sent, when the client reads nothing at all."""


class Sender(QueueStage[bytes]):
    def __init__(self, client: Client, input: StageQueue[bytes], tasks: asyncio.TaskGroup) -> None:
        self._client = client
        # The client's own: what a stage does in between would be a call for each chunk.
        self.take = client.take
        super().__init__(input, tasks)

    async def flush(self) -> None:
        """Send what is left. A client may stop reading for as long as the stream goes on and the queue has room; after
        the end of the stream QueueOverflow is raised."""
        while True:
            try:
                await self._client.flush()
                return
            except QueueOverflow:
                if self._input.has_ended:
                    raise

    async def _work(self) -> None:
        await self._input.drain_into(self)
